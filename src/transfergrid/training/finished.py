"""The records of a training that has ended: kept in finished.json, and published from there.

Apart from the training itself, so that publishing what another process trained needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.naming import cell_name
from transfergrid.planning.paths import cell_directory
from transfergrid.planning.recipe import Recipe
from transfergrid.planning.records import (
    FINISHED,
    RECORD,
    SPEC,
    STATE,
    TRAINED,
    kept_texts,
    write_finished,
)
from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.hashing import (
    as_recorded,
    canonical_json,
    sha256_file,
    sha256_text,
)
from transfergrid.runtime.sealed import read_sealed, write_sealed
from transfergrid.training.tuning import recipe_of


def stamp_of(spec: Mapping[str, Any], recipe: Recipe) -> str:
    """Return what names a training: the SHA-256 of its spec with the recipe that it trains by.

    Its state and its records carry it.
    """
    return sha256_text(canonical_json({**spec, "recipe": recipe.to_dict()}))


def write_records(
    folder: Path, record: Mapping[str, Any], stamp: str, publish: bool = True
) -> dict[str, Any]:
    """Write finished.json, train.json and the receipt; return train.json's content.

    train.json receives the SHA-256 of the spec and of the files that only training can make. The
    receipt, for which evaluation waits, holds the status and the SHA-256 of what evaluation reads,
    but no time and no machine, so equal trainings have equal receipts. finished.json, unknown to
    Snakemake, keeps all of them.

    Args:
        folder: The cell's folder.
        record: What train.json says.
        stamp: What names the training.
        publish: Whether to write more than finished.json.
    """
    kept = kept_texts(folder)
    told = {name: sha256_text(text) for name, text in kept.items()}
    if (folder / SPEC).exists():
        told[SPEC] = sha256_file(folder / SPEC)
    record = {**record, "files": told}
    files = {
        str(path.relative_to(folder)): sha256_file(path)
        for path in sorted((folder / "checkpoints").iterdir())
    }
    files["proof.json"] = told["proof.json"]
    receipt = {"status": record["status"], "files": files}
    write_finished(folder, {"stamp": stamp, "record": record, "receipt": receipt}, kept)
    if publish:
        _publish(folder, record, receipt, kept)
    return record


def restore_trained(spec: Mapping[str, Any], results: Path) -> dict[str, Any] | None:
    """Publish the records of a training that had ended, if its checkpoints are as they were.

    Another cell's job may have trained this one ahead. And if a Snakemake run is killed while its
    jobs end on a cluster, their outputs count as incomplete, and the next run removes them: the
    training itself need not be repeated.

    Args:
        spec: The content of the cell's spec.json.
        results: The folder of all outputs.

    Returns:
        The content of train.json, or None if the cell has to be trained.

    Raises:
        UserError: The cell's learning rate is not known.
    """
    folder = cell_directory(cell_name(spec), results)
    if not (folder / FINISHED).is_file():
        return None
    stamp = stamp_of(spec, recipe_of(spec, results))
    try:
        finished = read_sealed(folder / FINISHED)
        record, receipt, kept = finished["record"], finished["receipt"], finished["kept"]
        files = {name: digest for name, digest in receipt["files"].items() if name not in kept}
        whole = finished["stamp"] == stamp and as_recorded(folder, files)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not whole:
        return None
    _publish(folder, record, receipt, kept)
    remove_state(folder)
    return dict(record)


def _publish(
    folder: Path, record: Mapping[str, Any], receipt: Mapping[str, Any], kept: Mapping[str, str]
) -> None:
    for name, text in kept.items():
        if not (folder / name).exists() or sha256_file(folder / name) != record["files"][name]:
            write_text(folder / name, text)
    # The receipt comes last: evaluation waits for it.
    write_sealed(folder / RECORD, record)
    write_sealed(folder / TRAINED, receipt)


def remove_state(folder: Path) -> None:
    """Remove the state, and any half-written state that a killed process left."""
    for path in [folder / STATE, *folder.glob(f".tmp-*-{STATE}")]:
        path.unlink(missing_ok=True)
