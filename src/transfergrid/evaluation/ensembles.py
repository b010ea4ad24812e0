"""The ensembles of a study's cells: made, or kept where they were already made from the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from transfergrid.evaluation.ensemble import (
    MADE_OF,
    Ensemble,
    cell_metric,
    choose_checkpoints,
    ensembles,
    write_ensemble,
)
from transfergrid.evaluation.outline_files import Compared, read_compared, receipt_sha256
from transfergrid.evaluation.scores import read_cell_scores, scores_receipt
from transfergrid.planning.paths import cell_directory, ensemble_directory
from transfergrid.planning.shards import SPLITS, WHOLE
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import canonical_json, sha256_file, sha256_text
from transfergrid.runtime.sealed import write_sealed

LISTED = "ensembles"
"""Key of a receipt under which each file has its SHA-256."""


@dataclass(frozen=True)
class Ensembles:
    """The ensembles that a study asks for, whatever the cell.

    Attributes:
        results: Root of all outputs.
        study: Name of the study.
        selections: Its selection rules.
        code: Fingerprint of the code that makes them.
        outlined: By cell the id of what was measured of its masks beyond scoring's counts of
            pixels, which takes the place of these on test films.
    """

    results: Path
    study: str
    selections: Sequence[str]
    code: str
    outlined: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The study's folder."""
        return self.results / self.study

    def file(self, cell: str, selection: str, split: str) -> Path:
        """Return where one of them lies."""
        return ensemble_directory(self.study, cell, selection, self.results) / f"{split}.parquet"

    def made_of(self, cell: str) -> dict[str, str]:
        """Return by selection 16 hexadecimal digits that stand for it, the code and the scores.

        Raises:
            UserError: The cell is not scored, or its receipt is damaged.
        """
        scores = scores_receipt(cell_directory(cell, self.results))
        parts = {"code": self.code, "scores": scores}
        if cell in self.outlined:
            parts["masks"] = receipt_sha256(self.outlined[cell], self.results)
        return {
            selection: sha256_text(canonical_json({**parts, "selection": selection}))[:16]
            for selection in self.selections
        }

    def make(self, cell: str) -> dict[str, str]:
        """Make a cell's ensembles, except those that were already made from the same.

        Args:
            cell: Name of the cell.

        Returns:
            SHA-256 of each file by its name in the study's folder.

        Raises:
            UserError: The cell's scores are missing, damaged or break their contract.
        """
        found: dict[str, str] = {}
        due: dict[str, list[str]] = {split: [] for split in SPLITS}
        # Before the scores are read: should others take their place, the ensembles are made again.
        made_of = self.made_of(cell)
        for selection, split in product(self.selections, SPLITS):
            path = self.file(cell, selection, split)
            if is_made_of(path, made_of[selection]):
                found[self._name(path)] = sha256_file(path)
            else:
                due[split].append(selection)
        return found | self._make_due(cell, due, made_of)

    def _make_due(
        self, cell: str, due: Mapping[str, Sequence[str]], made_of: Mapping[str, str]
    ) -> dict[str, str]:
        wanted = dict.fromkeys(selection for selections in due.values() for selection in selections)
        if not wanted:
            return {}
        folder = cell_directory(cell, self.results)
        valid, metric = read_cell_scores(folder, "valid"), cell_metric(folder)
        chosen = {name: choose_checkpoints(name, valid, metric) for name in wanted}
        found = {}
        for split, selections in due.items():
            if not selections:
                continue
            scores = valid if split == "valid" else read_cell_scores(folder, split)
            made = ensembles(scores, [chosen[name] for name in selections])
            if split == "test" and cell in self.outlined:
                compared = read_compared(self.outlined[cell], self.results)
                if not np.array_equal(compared.image_id, scores.image_id):
                    raise _others(cell)
                named = zip(selections, made, strict=True)
                made = [_compared(cell, table, compared, name) for name, table in named]
            for selection, table in zip(selections, made, strict=True):
                path = self.file(cell, selection, split)
                write_ensemble(path, replace(table, made_of=made_of[selection]))
                found[self._name(path)] = sha256_file(path)
        return found

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.folder))


def _compared(cell: str, table: Ensemble, compared: Compared, selection: str) -> Ensemble:
    """Return an ensemble with what was measured of its masks in the place of counts of pixels."""
    if compared.checkpoints[selection] != table.n_checkpoints:
        raise _others(cell)
    return replace(
        table,
        probabilities=compared.rows[selection],
        numbers=compared.numbers,
        unit=compared.unit,
        scored_at="" if compared.scored_at == "cache" else compared.scored_at,
    )


def _others(cell: str) -> UserError:
    return UserError(
        f"the masks of {cell} that were compared are not those that were scored; run snakemake "
        "again, which compares them again."
    )


def is_made_of(path: Path, made_of: str) -> bool:
    """Tell whether there is an ensemble that was made of what `Ensembles.made_of` stands for.

    Only the file's metadata are read: readers find out whether the rest is what was written.
    """
    try:
        metadata = pq.read_metadata(path).metadata or {}
        found = {key.decode(): value.decode() for key, value in metadata.items()}
    except Exception:  # whatever the parser finds in damaged bytes
        return False
    return found.get(MADE_OF) == made_of


def write_receipt(path: Path, made: Mapping[str, str]) -> None:
    """Write the receipt of a part of a study's cells; remove those of another division.

    Args:
        path: Its path; the other parts' receipts lie beside it.
        made: SHA-256 of each ensemble's file by its name in the study's folder.
    """
    write_sealed(path, {LISTED: dict(made)})
    for other in path.parent.glob("*.json"):
        if (other.stem == WHOLE) != (path.stem == WHOLE):
            with suppress(OSError):
                other.unlink()
