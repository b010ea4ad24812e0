"""`transfergrid doctor --verify`: everything at rest, compared with what was written."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from rich.filesize import decimal

from transfergrid.commands.remarks import Remark
from transfergrid.commands.state import folders
from transfergrid.planning.gathered import GATHERED
from transfergrid.planning.records import (
    FINISHED,
    KEPT,
    RECORD,
    SCORED,
    SPEC,
    STATE,
    TRAINED,
    read_kept,
    read_spec,
)
from transfergrid.planning.rights import ROOMS
from transfergrid.planning.stamps import read_named, stamps_in
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_file
from transfergrid.runtime.listing import written
from transfergrid.runtime.progress import progress
from transfergrid.runtime.sealed import Unsealed, read_sealed, unseal
from transfergrid.runtime.verified import broken

MOST = 20
"""How many broken files are named one by one."""
AGAIN = "and run snakemake again, which makes it again"
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError, zlib.error, BadZipFile)
"""RuntimeError: an archive says that an array is encrypted or packed in an unknown way."""


@dataclass(frozen=True)
class Check:
    """A file, and a function that raises `UserError` if it is not what was written."""

    path: Path
    run: Callable[[], object]

    @property
    def size(self) -> int:
        """Bytes of the file; a missing one counts for one."""
        try:
            return max(1, os.stat(self.path).st_size)
        except OSError:
            return 1


def verify(results: Path) -> Iterator[Remark]:
    """Compare every file under results that somebody may read with what was written.

    Files that were never made or were removed whole are not faults: `plan` reports those.
    """
    checks = list(all_checks(results))
    total = sum(check.size for check in checks)
    errors = _errors(checks)
    faults = [str(error) for error in errors if not isinstance(error, Unsealed)]
    for fault in faults[:MOST]:
        told, _, mend = fault.partition("; ")
        yield Remark("error", "damaged", told + ("" if told.endswith(".") else "."), mend)
    if len(faults) > MOST:
        yield Remark("error", "damaged", f"{len(faults) - MOST} more files are damaged.")
    if len(faults) < len(errors):
        told = (
            f"{len(errors) - len(faults)} files are from an earlier version, which kept no SHA-256 "
            "of them, and cannot be compared."
        )
        mend = "`transfergrid prune` lists what no study names any more, and `plan` what is stale"
        yield Remark("warning", "unsealed", told, mend)
    elif not faults:
        told = f"{len(checks)} files at rest ({decimal(total)}) are what was written."
        yield Remark("ok", "verified", told)


def find_faults(checks: Sequence[Check]) -> list[str]:
    """Run checks; return what they found, a sentence each."""
    return [str(error) for error in _errors(checks)]


def _errors(checks: Sequence[Check]) -> list[UserError]:
    """Run checks with a line of progress."""
    total = sum(check.size for check in checks)
    faults: list[UserError] = []
    for check in progress(checks, total, "verifying bytes", size=lambda check: check.size):
        try:
            check.run()
        except UserError as error:
            faults.append(error)
        except _UNREADABLE as error:
            told = f"{check.path} cannot be read ({error}); remove it {AGAIN}."
            faults.append(UserError(told))
    return faults


def all_checks(results: Path) -> Iterator[Check]:
    """Yield a check for every file under results that somebody may read."""
    for room in ("cache", "weights", "features", "activations", "weighings"):
        for folder in folders(results / room).values():
            mend = f"remove {folder} and run snakemake again, which makes it again where needed"
            yield from _receipt(folder, folder / "receipt.json", mend)
            yield from _sealed(folder / "making.json", mend)
    for folder in folders(results / "tuning").values():
        yield from _sealed(folder / "tuning.json", f"remove it {AGAIN}")
    for folder in folders(results / "cells").values():
        yield from _cell(folder)
    for path in written(results / "origins", "*.parquet"):
        yield Check(path, partial(_origin, path))
    for _, path in stamps_in(results / "stamps"):
        yield Check(path, partial(read_named, path))
    for name, folder in folders(results).items():
        if name not in (*ROOMS, "code"):
            yield from _study(folder)


def _cell(folder: Path) -> Iterator[Check]:
    train = f"remove {folder / RECORD} and run snakemake again, which brings it back or trains"
    if (folder / SPEC).exists():
        yield Check(folder / SPEC, partial(read_spec, folder / SPEC))
    yield from _sealed(folder / RECORD, train)
    yield from _sealed(folder / FINISHED, f"remove {folder / FINISHED}, which is a copy")
    if _is_whole(folder / RECORD):
        there = [name for name in KEPT if (folder / name).exists()]
        for name in there:
            yield Check(folder / name, partial(read_kept, folder, name))
    if (folder / STATE).exists():
        mend = f"remove {folder / STATE}: training starts anew"
        yield Check(folder / STATE, partial(_state, folder / STATE, mend))
    for name, what in ((TRAINED, "trains"), (SCORED, "scores")):
        mend = f"remove {folder / name} and run snakemake again, which {what} the cell again"
        yield from _receipt(folder, folder / name, mend)


def _study(folder: Path) -> Iterator[Check]:
    yield from _sealed(folder / GATHERED, f"remove it {AGAIN}")
    for receipt in written(folder / "receipts", "*.json"):
        yield from _receipt(folder, receipt, f"remove the file {AGAIN}")
    listed: dict[str, str] = {}
    for receipt in written(folder / "receipts" / "ensembles", "*.json"):
        yield from _sealed(receipt, f"remove it {AGAIN}")
        with suppress(UserError, KeyError):  # its own check tells
            listed |= read_sealed(receipt)["ensembles"]
    for path in written(folder / "ensemble", "*/*/*.parquet"):
        yield Check(path, partial(_ensemble, path, listed.get(str(path.relative_to(folder)))))
    for path in written(folder / "cams", "*.npz"):
        yield Check(path, partial(_archive, path))


def _receipt(folder: Path, receipt: Path, mend: str) -> Iterator[Check]:
    """Yield a receipt's own check, then one for each file that it names."""
    if not receipt.exists():
        return
    yield Check(receipt, partial(read_sealed, receipt, mend))
    try:
        files = dict(read_sealed(receipt)["files"])
    except (UserError, KeyError):
        return
    for name, expected in files.items():
        if name in KEPT and not (folder / name).exists():
            continue  # it is restored from its copy
        if name.startswith("checkpoints/") and not (folder / "checkpoints").exists():
            continue  # the user has freed the weights
        yield Check(folder / name, partial(_same, folder / name, expected, mend))


def _same(path: Path, expected: object, mend: str) -> None:
    found = sha256_file(path) if path.is_file() else None
    if found != expected:
        raise broken(path, found, expected, mend)


def _sealed(path: Path, mend: str) -> Iterator[Check]:
    if path.exists():
        yield Check(path, partial(read_sealed, path, mend))


def _is_whole(path: Path) -> bool:
    try:
        read_sealed(path)
    except (OSError, UserError):
        return False
    return True


def _state(path: Path, mend: str) -> None:
    if unseal(path.read_bytes()) is None:
        raise UserError(f"{path} is not what was written; {mend}.")


def _ensemble(path: Path, expected: str | None) -> None:
    from transfergrid.evaluation.ensemble import read_ensemble  # numpy and pyarrow

    read_ensemble(path)
    if expected is not None:
        _same(path, expected, f"remove it {AGAIN}")


def _origin(path: Path) -> None:
    from transfergrid.data.admission import read_origin  # numpy and pyarrow

    if read_origin(path) is None:
        raise UserError(
            f"{path} is not the record that was written; remove it, and the next preparation of "
            "the data set rewrites it."
        )


def _archive(path: Path) -> None:
    with ZipFile(path) as archive:
        bad = archive.testzip()
    if bad:
        raise UserError(f"{path} is damaged in {bad}; remove it {AGAIN}.")
