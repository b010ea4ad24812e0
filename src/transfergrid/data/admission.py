"""Whether a new cache may replace an older one with the same id, on which cells were trained.

A data set's id covers its label tables and its reader, not its images. So a record of what every
image was read from is kept beside the cells, and a cache with other content is refused.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from transfergrid.data.likeness import PRINT, prints_of
from transfergrid.data.origin import Origin
from transfergrid.planning.paths import origin_file
from transfergrid.runtime.atomic import replacing
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.hashing import sha256_bytes, sha256_text

_SHOWN = 5


def admit(dataset_id: str, origin: Origin, results: Path) -> None:
    """Keep the record of a cache that is about to be published, or refuse the cache.

    Raises:
        UserError: Cells were trained on other content of this data set.
    """
    others = cells_of_other_content(dataset_id, origin.content_sha256, results)
    path = origin_file(dataset_id, results)
    if others:
        raise UserError(_refusal(dataset_id, others, read_origin(path), origin, path))
    write_origin(origin, path)


def cells_of_other_content(dataset_id: str, content_sha256: str, results: Path) -> list[str]:
    """Return the cells whose training ended, or began, on other content of a data set."""
    contents = cell_contents(dataset_id, results)
    return sorted(cell for cell, content in contents.items() if content != content_sha256)


def cell_contents(dataset_id: str, results: Path) -> dict[str, str]:
    """Return content_sha256 of the data that each cell of a data set was trained on."""
    folder = results / "cells"
    prefix = f"{dataset_id.rpartition('-')[0]}-"
    found = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not path.name.startswith(prefix):
            continue
        try:
            card = json.loads((path / "card.json").read_text(encoding="utf-8"))
            spec = json.loads((path / "spec.json").read_text(encoding="utf-8"))
            if spec["dataset"]["id"] == dataset_id:
                found[path.name] = str(card["content_sha256"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # not begun, or just being removed
    return found


def write_origin(origin: Origin, path: Path) -> None:
    """Write the record as Parquet: one row per image, the rest in the file's metadata."""
    rest = {
        "base": origin.base,
        "content": origin.content,
        "decoders": origin.decoders,
        "px": origin.px,
    }
    table = pa.table(
        {
            "image": pa.array(origin.names, pa.string()),
            "sha256": pa.array(origin.digests, pa.binary(32)),
            "bytes": pa.array(origin.sizes),
            "mtime_ns": pa.array(origin.times),
            "part": pa.array(origin.parts, pa.string()),
            "print": pa.array([row.tobytes() for row in origin.prints], pa.binary(PRINT)),
        }
    )
    metadata = {"origin": json.dumps(rest, sort_keys=True), "sha256": _seal(origin)}
    with replacing(path) as temporary:
        pq.write_table(
            table.replace_schema_metadata(metadata),
            temporary,
            compression="zstd",
            write_page_checksum=True,
        )


def read_origin(path: Path) -> Origin | None:
    """Return a record, or None if there is none that can be read completely."""
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        rest = json.loads(table.schema.metadata[b"origin"])
        origin = Origin(
            base=rest["base"],
            names=table.column("image").to_pylist(),
            digests=table.column("sha256").to_pylist(),
            sizes=table.column("bytes").to_numpy(),
            times=table.column("mtime_ns").to_numpy(),
            parts=table.column("part").to_pylist(),
            prints=prints_of(b"".join(table.column("print").to_pylist())),
            px=rest["px"],
            content=rest["content"],
            decoders=rest["decoders"],
        )
        whole = table.schema.metadata[b"sha256"].decode() == _seal(origin)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowException):
        return None
    return origin if whole else None


def _seal(origin: Origin) -> str:
    """Return the SHA-256 of a record: Parquet's own checksums do not cover its footer."""
    rows = [list(origin.names), [digest.hex() for digest in origin.digests]]
    rows += [np.asarray(values).tolist() for values in (origin.sizes, origin.times)]
    rows += [list(origin.parts), [sha256_bytes(origin.prints.tobytes())]]
    rest = [origin.base, dict(origin.content), dict(origin.decoders), origin.px]
    return sha256_text(json.dumps([rows, rest], sort_keys=True))


@dataclass(frozen=True)
class Difference:
    """How two records of one data set differ.

    Attributes:
        changed: Names of images that both have, with different bytes.
        added: Names that only the newer one has.
        removed: Names that only the older one has.
        relabelled: Splits, or parts, whose ids or labels differ.
        masked: Splits, or parts, whose masks differ.
        libraries: ``<name> <old> then, <new> now`` for each library whose version differs.
    """

    changed: Sequence[str]
    added: Sequence[str]
    removed: Sequence[str]
    relabelled: Sequence[str]
    masked: Sequence[str]
    libraries: Sequence[str]

    @property
    def images(self) -> list[str]:
        """What happened to the images, in words; empty if nothing did."""
        told = (
            (self.changed, "changed"),
            (self.added, "were added"),
            (self.removed, "are gone"),
        )
        return [f"{len(names)} {word} ({listed(names, _SHOWN)})" for names, word in told if names]


def difference(old: Origin, new: Origin) -> Difference:
    """Compare what two caches of the same data set were made from."""
    before = dict(zip(old.names, old.digests, strict=True))
    now = dict(zip(new.names, new.digests, strict=True))
    splits = dict.fromkeys([*old.content["splits"], *new.content["splits"]])
    return Difference(
        changed=[name for name in now if name in before and now[name] != before[name]],
        added=[name for name in now if name not in before],
        removed=[name for name in before if name not in now],
        relabelled=[split for split in splits if _people(old, split) != _people(new, split)],
        masked=[split for split in splits if _masks(old, split) != _masks(new, split)],
        libraries=[
            f"{name} {old.decoders.get(name, 'none')} then, {new.decoders.get(name, 'none')} now"
            for name in sorted({*old.decoders, *new.decoders})
            if old.decoders.get(name) != new.decoders.get(name)
        ],
    )


def _people(origin: Origin, split: str) -> dict[str, str]:
    parts = origin.content["splits"].get(split, {})
    return {key: parts.get(key, "") for key in ("ids", "labels", "folds")}


def _masks(origin: Origin, split: str) -> dict[str, str]:
    """Return what stands for a part's masks, and for what they show at the films' own size."""
    parts = origin.content["splits"].get(split, {})
    return {key: parts[key] for key in ("masks", "labels")} if "masks" in parts else {}


def _refusal(
    dataset_id: str, cells: Sequence[str], old: Origin | None, new: Origin, path: Path
) -> str:
    name = dataset_id.rpartition("-")[0]
    trained, of = f"{len(cells)} cell(s) were trained on other", f"of data set '{name}'"
    who = f"{trained} pixels {of}"
    rename = (
        f"give the changed data a name other than '{name}' in the study, or remove the old data's "
        f"cells ({listed(cells, 2)}) to train them again"
    )
    if old is None or old.content_sha256 == new.content_sha256:
        return (
            f"{who} than its images give now, and which images changed is not known, because the "
            f"record {path} is not theirs; restore the images, or {rename}: nothing was written."
        )
    found = difference(old, new)
    if found.images:
        return (
            f"{who} than its images give now: {'; '.join(found.images)}. Restore them, or "
            f"{rename}: nothing was written."
        )
    if found.masked:
        return (
            f"{trained} masks {of}: its images are the same, but its masks in "
            f"{listed(found.masked)} differ; restore them, or {rename}: nothing was written."
        )
    if found.relabelled:
        return (
            f"{who}: its images are the same, but its ids or labels in {listed(found.relabelled)} "
            f"differ; restore the tables, or {rename}: nothing was written."
        )
    versions = listed(found.libraries) or "the same libraries, perhaps on another kind of machine"
    return (
        f"{who} than the same files give now, because they are decoded differently ({versions}); "
        f"install the earlier versions, or {rename}: nothing was written."
    )


def suspects(origin: Origin, sizes: Sequence[int], times: Sequence[int]) -> tuple[list[int], ...]:
    """Return the rows of files that are gone or differ in size, and of those that differ in time.

    Args:
        origin: The record.
        sizes: Bytes of each file now; -1 if it is gone.
        times: When each was last changed, in nanoseconds.
    """
    resized = np.asarray(sizes, np.int64) != origin.sizes
    touched = ~resized & (np.asarray(times, np.int64) != origin.times)
    return np.flatnonzero(resized).tolist(), np.flatnonzero(touched).tolist()
