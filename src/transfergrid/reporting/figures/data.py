"""What the figures are drawn from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from transfergrid.catalog.axes import RUN
from transfergrid.catalog.figures import FIGURES
from transfergrid.evaluation.cam_record import CamRecord, read_record
from transfergrid.evaluation.ensemble import Ensemble, read_ensemble
from transfergrid.planning.grid import ALL
from transfergrid.planning.paths import ensemble_directory
from transfergrid.reporting.cases import masked_datasets
from transfergrid.reporting.figures.palette import Mark, marks_of
from transfergrid.reporting.figures.summaries import pretrainings_of
from transfergrid.reporting.folds import answered, trained
from transfergrid.reporting.metric_words import MetricWords, metric_words, named_together
from transfergrid.reporting.records import read_cards, read_history
from transfergrid.reporting.tables.stage_files import read_made_table

ASKED_BY: Mapping[str, str] = {
    "cams": "cams",
    "curves": "curves",
    "confusion": "curves",
    "similarity": "similarity",
    "agreement": "similarity",
    "drift": "drifts",
    "filters": "filters",
    "layer_reset": "resets",
    "observers": "observers",
    "subgroups": "subgroups",
}
"""Tables that a study has only where it asks for them, and the key by which it does.

Written out, so that no caption of a table is part of what figures depend on.
"""

OF_THEIR_NAMES = ("drift", "layer_reset", "filters", "curves", "confusion", "subgroups")
"""Tables of these that are handed on as they are."""


class StoredEnsembles(Mapping[str, Ensemble]):
    """The test ensembles of a study's cells; each is read whenever it is asked for."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self.files = files

    def __getitem__(self, cell: str) -> Ensemble:
        return read_ensemble(self.files[cell])

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


@dataclass(frozen=True)
class FigureData:
    """Tables and curves of one study, as plain values.

    Attributes:
        cells: Rows of cells.csv, target cells under the primary selection, or what is pooled over
            the folds of a cell; status may be anything.
        contrasts: Rows of contrasts.csv.
        correlations: Rows of correlations.csv.
        histories: Per cell its lines of history.jsonl, in order.
        imagenet_top1: ImageNet top-1 accuracy in per cent by architecture, where known.
        confidence: Coverage of every interval, in (0, 1).
        reliability: Rows of calibration.csv.
        cams: Rows of cams.csv; empty where the study asks for no maps.
        findings: Rows of findings.csv.
        small_data: Rows of small_data.csv.
        asked: The study's claims, with the points of the published figure that they are about.
        scores: Rows of scores.csv of `cells`.
        metrics: What each metric is called, by name.
        maps: Class activation maps by cell; empty where the study asks for none.
        ensembles: Probabilities and labels on the test split by cell, under the primary selection;
            a file is read when its cell is asked for.
        own: The study's own figures by name, each the ``module:function`` that draws it.
        gains: Rows of gains.csv.
        folds: Rows of cells.csv that are single folds, of which `cells` has the pooled rows.
        drift: Rows of drift.csv; empty where the study does not ask what happened to weights.
        filters: Rows of filters.csv; as `drift`.
        layer_reset: Rows of layer_reset.csv; as `drift`.
        similarity: Rows of similarity.csv; empty where the study does not ask how alike networks
            are.
        agreement: Rows of agreement.csv; as `similarity`.
        convergence: Rows of convergence.csv.
        reached: Rows of reached.csv.
        mean_ranks: Rows of mean_ranks.csv.
        observers: Rows of observers.csv; empty where no masks have several observers.
        curves: Rows of curves.csv; empty where the study asks for none.
        confusion: Rows of confusion.csv; as `curves`.
        subgroups: Rows of subgroups.csv; empty where the study asks for no groups.
        masked: Names of the data sets with masks.
    """

    cells: pd.DataFrame
    contrasts: pd.DataFrame
    correlations: pd.DataFrame
    histories: Mapping[str, Sequence[Mapping[str, Any]]]
    imagenet_top1: Mapping[str, float]
    confidence: float = 0.95
    reliability: pd.DataFrame = field(default_factory=pd.DataFrame)
    cams: pd.DataFrame = field(default_factory=pd.DataFrame)
    findings: pd.DataFrame = field(default_factory=pd.DataFrame)
    small_data: pd.DataFrame = field(default_factory=pd.DataFrame)
    asked: Mapping[str, Any] = field(default_factory=dict)
    scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    metrics: Mapping[str, MetricWords] = field(default_factory=dict)
    maps: Mapping[str, CamRecord] = field(default_factory=dict)
    ensembles: Mapping[str, Ensemble] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)
    folds: pd.DataFrame = field(default_factory=pd.DataFrame)
    drift: pd.DataFrame = field(default_factory=pd.DataFrame)
    filters: pd.DataFrame = field(default_factory=pd.DataFrame)
    layer_reset: pd.DataFrame = field(default_factory=pd.DataFrame)
    similarity: pd.DataFrame = field(default_factory=pd.DataFrame)
    agreement: pd.DataFrame = field(default_factory=pd.DataFrame)
    gains: pd.DataFrame = field(default_factory=pd.DataFrame)
    convergence: pd.DataFrame = field(default_factory=pd.DataFrame)
    reached: pd.DataFrame = field(default_factory=pd.DataFrame)
    mean_ranks: pd.DataFrame = field(default_factory=pd.DataFrame)
    observers: pd.DataFrame = field(default_factory=pd.DataFrame)
    curves: pd.DataFrame = field(default_factory=pd.DataFrame)
    confusion: pd.DataFrame = field(default_factory=pd.DataFrame)
    subgroups: pd.DataFrame = field(default_factory=pd.DataFrame)
    masked: frozenset[str] = frozenset()

    @property
    def finished(self) -> pd.DataFrame:
        """Cells with a score."""
        return self.cells[self.cells["score"].notna()]

    @property
    def trained(self) -> pd.DataFrame:
        """Rows of what was trained: cells, and of those that pool folds the folds."""
        if self.folds.empty:
            return self.cells
        return trained(pd.concat([self.cells, self.folds], ignore_index=True))

    def only(self, cells: pd.DataFrame) -> FigureData:
        """Return the data with some of its cells alone: those that a figure draws."""
        return replace(self, cells=cells)

    def parts(self, cell: str) -> list[str]:
        """Return the cells of single folds that a row of `cells` pools, or itself."""
        if self.folds.empty:
            return [cell]
        place = self.cells.loc[self.cells["cell"] == cell, list(RUN)]
        return list(place.merge(self.folds, on=list(RUN))["cell"]) or [cell]

    @property
    def pretrainings(self) -> list[str]:
        """Pretrainings in the study's order, the random baseline first."""
        return pretrainings_of(self.cells)

    @property
    def marks(self) -> dict[str, Mark]:
        """The mark of every pretraining."""
        return marks_of(self.pretrainings)

    def named(self, metric: str) -> MetricWords:
        """Return what a metric is called."""
        return self.metrics.get(metric, MetricWords(metric))

    def metric(self, rows: pd.DataFrame) -> MetricWords:
        """Return what rows with a column ``metric`` are scores of; "score" where they mix."""
        return named_together(map(str, rows["metric"].dropna()), self.metrics)


def read_figure_data(study: Mapping[str, Any], results: Path) -> FigureData:
    """Read what the figures of a study are drawn from.

    Args:
        study: The study's JSON.
        results: Root of all outputs.

    Raises:
        UserError: A table is missing or broken.
    """
    folder = results / study["name"]
    mapped = study.get("cams") or ()
    read = dict.fromkeys(name for figure in FIGURES for name in figure.reads)
    asked = [name for name in read if name not in ASKED_BY or study.get(ASKED_BY[name])]
    tables = {name: read_made_table(folder, name) for name in asked}
    evaluation, primary = study["evaluation"], study["evaluation"]["primary"]
    cells, scores = (
        table[table["selection"] == primary] for table in (tables["cells"], tables["scores"])
    )
    cards = read_cards(study, results)
    return FigureData(
        cells=answered(cells),
        scores=answered(scores),
        folds=cells[cells["fold"] != ALL],
        contrasts=tables["contrasts"],
        correlations=tables["correlations"],
        histories={entry["cell"]: read_history(entry["cell"], results) for entry in study["cells"]},
        imagenet_top1={
            entry["architecture"]: entry["imagenet_top1"]
            for entry in study["cells"]
            if entry.get("imagenet_top1") is not None
        },
        confidence=float(evaluation["confidence"]),
        reliability=tables["calibration"],
        cams=tables.get("cams", pd.DataFrame()),
        similarity=tables.get("similarity", pd.DataFrame()),
        agreement=tables.get("agreement", pd.DataFrame()),
        findings=tables["findings"],
        gains=tables["gains"],
        small_data=tables["small_data"],
        **{name: tables[name] for name in OF_THEIR_NAMES if name in tables},
        convergence=tables["convergence"],
        reached=tables["reached"],
        mean_ranks=tables["mean_ranks"],
        asked=study["claims"],
        metrics=metric_words(study, cards),
        masked=masked_datasets(cards),
        observers=tables.get("observers", pd.DataFrame()),
        ensembles=StoredEnsembles(
            {
                cell: ensemble_directory(study["name"], cell, primary, results) / "test.parquet"
                for cell in trained(cells)["cell"]
            }
        ),
        own={name: one["function"] for name, one in study.get("figures", {}).items()},
        maps={cell: read_record(folder / "cams" / f"{cell}.npz") for cell in mapped},
    )
