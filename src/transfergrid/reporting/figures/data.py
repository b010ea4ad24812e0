"""What the figures are drawn from, and the summaries that several of them share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transfergrid.reporting.figures.style import Mark, marks_of
from transfergrid.reporting.records import read_history
from transfergrid.reporting.tables.stage_files import read_made_table
from transfergrid.statistics.places import place_words

DRAWN = ("cells", "calibration", "contrasts", "correlations", "findings")
"""Tables that figures are drawn from."""
GROUP = ["dataset", "protocol", "architecture", "pretraining", "truncation"]
FEWEST = 3
"""Networks of a rank correlation or a cloud, at least: two are a line, whichever they are."""


@dataclass(frozen=True)
class FigureData:
    """Tables and curves of one study, as plain values.

    Attributes:
        cells: Rows of cells.csv, target cells under the primary selection; status may be anything.
        contrasts: Rows of contrasts.csv.
        correlations: Rows of correlations.csv.
        histories: Per cell its lines of history.jsonl, in order.
        imagenet_top1: ImageNet top-1 accuracy in per cent by architecture, where known.
        confidence: Coverage of every interval, in (0, 1).
        reliability: Rows of calibration.csv.
        cams: Rows of cams.csv; empty where the study asks for no maps.
        findings: Rows of findings.csv.
        asked: The study's claims, with the points of the published figure that they are about.
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
    asked: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        study: Mapping[str, Any],
        tables: Mapping[str, pd.DataFrame],
        histories: Mapping[str, Sequence[Mapping[str, Any]]],
    ) -> FigureData:
        """Take what the figures need out of a study's JSON and its tables."""
        cells, evaluation = tables["cells"], study["evaluation"]
        return cls(
            cells=cells[cells["selection"] == evaluation["primary"]],
            contrasts=tables["contrasts"],
            correlations=tables["correlations"],
            histories=histories,
            imagenet_top1={
                entry["architecture"]: entry["imagenet_top1"]
                for entry in study["cells"]
                if entry.get("imagenet_top1") is not None
            },
            confidence=float(evaluation["confidence"]),
            reliability=tables["calibration"],
            cams=tables.get("cams", pd.DataFrame()),
            findings=tables["findings"],
            asked=study["claims"],
        )

    @property
    def finished(self) -> pd.DataFrame:
        """Cells with an AUROC."""
        return self.cells[self.cells["auroc"].notna()]

    @property
    def pretrainings(self) -> list[str]:
        """Pretrainings in the study's order, the random baseline first."""
        names = list(dict.fromkeys(self.cells["pretraining"]))
        return sorted(names, key=lambda name: name != "random")

    @property
    def marks(self) -> dict[str, Mark]:
        """The mark of every pretraining."""
        return marks_of(self.pretrainings)


def read_figure_data(study: Mapping[str, Any], results: Path) -> FigureData:
    """Read what the figures of a study are drawn from.

    Args:
        study: The study's JSON.
        results: Root of all outputs.

    Raises:
        UserError: A table is missing or broken.
    """
    tables = {name: read_made_table(results / study["name"], name) for name in DRAWN}
    histories = {entry["cell"]: read_history(entry["cell"], results) for entry in study["cells"]}
    return FigureData.of(study, tables, histories)


def seed_means(cells: pd.DataFrame) -> pd.DataFrame:
    """Average cells over seeds: one row per dataset, protocol and network.

    The interval's ends are averaged too. All seeds are scored on the same patients, so that is the
    interval of the mean if the seeds' errors from sampling patients were perfectly correlated: a
    little too wide, and without the variance between seeds, which single dots show.

    Returns:
        The columns of `GROUP` with auroc, auroc_low, auroc_high, params, n_cells (all) and
        n_finished.
    """
    grouped = cells.groupby(GROUP, sort=False)
    table = grouped[["auroc", "auroc_low", "auroc_high", "params"]].mean()
    table["n_cells"] = grouped["cell"].size()
    table["n_finished"] = grouped["auroc"].count()
    return table.reset_index()


Setting = tuple[str, str]
"""A data set and a protocol, which is empty where each network has a single one."""


def settings_of(cells: pd.DataFrame) -> list[Setting]:
    """Return the settings that panels are for, in the study's order.

    Protocols share a panel where each network has a single one, however they differ by network.
    """
    same = cells.groupby(["dataset", "pretraining", "architecture", "truncation"])
    if not (same["protocol"].nunique() > 1).any():
        return [(str(dataset), "") for dataset in cells["dataset"].unique()]
    pairs = cells[["dataset", "protocol"]].drop_duplicates()
    return [(str(d), str(p)) for d, p in pairs.itertuples(index=False)]


def at_setting(table: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """Return the rows of one setting."""
    here = table[table["dataset"] == setting[0]]
    return here[here["protocol"] == setting[1]] if setting[1] else here


def setting_title(setting: Setting, settings: Sequence[Setting]) -> str:
    """Name what a panel's setting differs in from the others'; one setting: ``""``."""
    differs = [len({each[i] for each in settings}) > 1 for i in (0, 1)]
    return ", ".join(name for name, told in zip(setting, differs, strict=True) if told)


def by_skill(means: pd.DataFrame) -> list[str]:
    """Return architectures by their best whole network's AUROC, highest first, unknown last."""
    best = means.groupby("architecture", sort=False)["auroc"].max()
    return [str(name) for name in best.sort_values(ascending=False, na_position="last").index]


def limits(*values: pd.Series, share: float = 0.06) -> tuple[float, float]:
    """Return axis limits a little beyond all finite values; (0.4, 1) if there are none."""
    numbers = np.concatenate([np.asarray(v, dtype=float) for v in values])
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return 0.4, 1.0
    pad = share * max(float(np.ptp(numbers)), 0.01)
    return float(numbers.min()) - pad, float(numbers.max()) + pad


def truncation_name(truncation: int) -> str:
    """Say in words how much of a network was removed."""
    return place_words("truncation", truncation)
