"""What the page is made of: everything that is read for it, as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from transfergrid import __version__
from transfergrid.catalog.records import Stage
from transfergrid.catalog.tables import ANALYSES
from transfergrid.planning.paths import PROJECT
from transfergrid.reporting.figures.files import Drawn, read_drawn
from transfergrid.reporting.folds import answered, trained
from transfergrid.reporting.metric_words import MetricWords, metric_words
from transfergrid.reporting.page import notes
from transfergrid.reporting.page.map_tiles import MapTile, map_tiles
from transfergrid.reporting.pictures.file import Picture, read_pictures
from transfergrid.reporting.pictures.mistakes_file import Mistake, read_mistakes
from transfergrid.reporting.records import CellRecord, read_cards, read_contents, read_record
from transfergrid.reporting.tables.stage_files import read_made_table
from transfergrid.runtime.environment import environment_record
from transfergrid.statistics.runs import runs_of


@dataclass(frozen=True)
class ReportInput:
    """Everything that the page is made of, as plain values.

    Attributes:
        study: The study's JSON: name, title, description, cells, evaluation, questions, recipes by
            protocol, and ``resolved``, the whole configuration.
        tables: Those that every study has, as read from their CSV, and cams where it has maps.
        cards: Per dataset name its card.json, where known.
        contents: Per dataset name how many cells were trained on each content of it.
        records: Per cell what lies in its folder, where known.
        figures: Those that were drawn, with their captions, in order.
        environment: The record of what made the page.
        version: Version of TransferGrid.
        snapshot: What is known of the cells that have no result, if the page is a snapshot.
        maps: Per cell its activation maps, where the study asks for them.
        pictures: Films with outlines of masks, where the study has any.
        mistakes: Films of the most confident errors, where the study asks for them.
    """

    study: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]
    cards: Mapping[str, Mapping[str, Any]]
    records: Mapping[str, CellRecord]
    figures: Sequence[Drawn]
    environment: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""
    snapshot: notes.Snapshot | None = None
    contents: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    maps: Mapping[str, tuple[MapTile, ...]] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()
    mistakes: tuple[Mistake, ...] = ()

    @property
    def metrics(self) -> dict[str, MetricWords]:
        """What the study's metrics are called, by name."""
        return metric_words(self.study, self.cards)

    @property
    def primary(self) -> str:
        """The selection that the page's scores come from."""
        return str(self.study["evaluation"]["primary"])

    @property
    def primary_cells(self) -> pd.DataFrame:
        """Rows of the cells' table under the primary selection, single folds left out."""
        cells = answered(self.tables["cells"])
        return cells[cells["selection"] == self.primary]

    @property
    def trained_cells(self) -> pd.DataFrame:
        """Rows of what was trained, under the primary selection; see `reporting.folds`."""
        cells = trained(self.tables["cells"])
        return cells[cells["selection"] == self.primary]

    @property
    def runs(self) -> dict[str, tuple[str, ...]]:
        """The cells of each run over folds, by its name."""
        runs = runs_of(self.study["cells"]).values()
        return {run.name: tuple(run.cells.values()) for run in runs if run.crossed}


def read_report(
    study: Mapping[str, Any],
    results: Path,
    code: Iterable[Path],
    snapshot: notes.Snapshot | None = None,
) -> ReportInput:
    """Read everything that a study's page needs.

    Args:
        study: The study's JSON.
        results: Root of all outputs.
        code: Files and folders of the project on which results depend; the page says whether any
            has changes that are not committed.
        snapshot: Given where the study is not finished.

    Returns:
        The page's input; a figure that has not been drawn is left out.

    Raises:
        UserError: A table is missing, or a file is broken.
    """
    folder = results / study["name"]
    names = [entry["cell"] for entry in study["cells"]]
    made = [stage for stage in ANALYSES if not stage.asked_by or _is_made(stage, study, folder)]
    tables = [table.name for stage in made for table in stage.tables]
    return ReportInput(
        study=study,
        tables={name: read_made_table(folder, name) for name in tables},
        cards=read_cards(study, results),
        contents=read_contents(study, results),
        records={name: read_record(name, results) for name in names},
        figures=read_drawn(folder),
        environment=environment_record([*code, *_source(study)]),
        version=__version__,
        snapshot=snapshot,
        maps={
            name: map_tiles(folder / "cams" / f"{name}.npz")
            for name in names
            if study["resolved"].get("cams") is not None
        },
        pictures=read_pictures(folder) if study.get("pictured") else (),
        mistakes=read_mistakes(folder) if study.get("mistaken") else (),
    )


def _is_made(stage: Stage, study: Mapping[str, Any], folder: Path) -> bool:
    # Tables of a study that has stopped asking for them may still lie there.
    asked = study["resolved"].get(stage.asked_by) is not None or bool(study.get(stage.asked_by))
    return asked and all((folder / table.file).is_file() for table in stage.tables)


def _source(study: Mapping[str, Any]) -> list[Path]:
    """Return the study's own file, if it is part of the project."""
    return [PROJECT / study["source"]] if study.get("source") else []
