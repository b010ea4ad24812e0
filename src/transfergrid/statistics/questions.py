"""A study's questions, from its cells' ensembles to rows of contrasts and correlations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transfergrid.evaluation.ensemble import read_ensemble
from transfergrid.evaluation.influence import Influence, macro_influence
from transfergrid.planning.paths import cell_directory, ensemble_directory
from transfergrid.runtime.atomic import read_json
from transfergrid.runtime.hashing import seeded
from transfergrid.runtime.progress import progress
from transfergrid.statistics.contrasts import (
    Contrast,
    Names,
    Runs,
    adjust,
    contrast_of_influences,
)
from transfergrid.statistics.correlation import Correlation, spearman

AXES = ("dataset", "architecture", "pretraining", "truncation", "protocol")
RELEASED = "one released weight file"
UNKNOWN_PATIENTS = "patients unknown: every image counted as a patient"

Cell = Mapping[str, Any]
Key = tuple[Any, ...]


def answer(
    study: Mapping[str, Any], cells: pd.DataFrame, results: Path
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Answer every question of a study under its primary selection.

    Args:
        study: The study as its stamp holds it.
        cells: Rows of tables/cells.csv.
        results: The folder of all results.

    Returns:
        Rows of contrasts.csv, rows of correlations.csv, and a sentence for whatever was left out.
    """
    alpha = 1 - study["evaluation"]["confidence"]
    reader = _Reader(study, results)
    contrasts: list[Contrast] = []
    skipped: list[str] = []
    for question in study["questions"]:
        if question["kind"] == "contrast":
            rows, left_out = _contrasts(question, study, reader, alpha)
            contrasts += rows
            skipped += left_out
    adjusted = adjust(contrasts, alpha)
    correlations: list[Correlation] = []
    for question in study["questions"]:
        if question["kind"] == "correlation":
            correlations += _correlations(question, study, cells, adjusted, alpha)
    columns = [name for name in Contrast.__dataclass_fields__ if name != "p_difference"]
    return (
        pd.DataFrame([row.row() for row in adjusted], columns=columns),
        pd.DataFrame(
            [asdict(row) for row in correlations], columns=list(Correlation.__dataclass_fields__)
        ),
        skipped,
    )


class _Reader:
    """What is read of a study's cells, each file once."""

    def __init__(self, study: Mapping[str, Any], results: Path) -> None:
        self.study = study
        self.results = results
        self.influence = cache(self._influence)
        self.card = cache(self._card)
        self.spec = cache(self._spec)

    def _influence(self, cell: str) -> tuple[Influence, int]:
        """Return the macro AUROC with its patients' contributions, and the number of studies."""
        primary = self.study["evaluation"]["primary"]
        folder = ensemble_directory(self.study["name"], cell, primary, self.results)
        ensemble = read_ensemble(folder / "test.parquet")
        wanted = self.card(cell)["score_tasks"]
        tasks = [ensemble.tasks.index(task) for task in wanted]
        scored = int((~np.isnan(ensemble.labels[:, tasks])).any(axis=1).sum())
        influence = macro_influence(
            ensemble.probabilities, ensemble.labels, ensemble.patient_id, tasks
        )
        return influence, scored

    def _card(self, cell: str) -> Mapping[str, Any]:
        """Return the data card that the cell was trained under."""
        card: Mapping[str, Any] = read_json(cell_directory(cell, self.results) / "card.json")
        return card

    def _spec(self, cell: str) -> Mapping[str, Any]:
        """Return the cell's specification."""
        spec: Mapping[str, Any] = read_json(cell_directory(cell, self.results) / "spec.json")
        return spec


def _targets(study: Mapping[str, Any], where: Mapping[str, Any]) -> list[Cell]:
    return [
        cell
        for cell in study["cells"]
        if cell["role"] == "target" and all(cell[axis] == value for axis, value in where.items())
    ]


def _contrasts(
    question: Mapping[str, Any], study: Mapping[str, Any], reader: _Reader, alpha: float
) -> tuple[list[Contrast], list[str]]:
    """Compare along one axis, pair by pair; then average each value over its pairs."""
    axis, baseline = question["axis"], question["baseline"]
    rest = [name for name in AXES if name != axis]
    runs: dict[Key, dict[Any, dict[int, Cell]]] = {}
    for cell in _targets(study, question["where"]):
        key = tuple(cell[name] for name in rest)
        runs.setdefault(key, {}).setdefault(cell[axis], {})[cell["seed"]] = cell
    rows: list[Contrast] = []
    skipped: list[str] = []
    groups: dict[tuple[Any, Key], list[tuple[dict[int, Cell], dict[int, Cell]]]] = {}
    for key, arms in progress(runs.items(), len(runs), f"question {question['name']}"):
        place = dict(zip(rest, key, strict=True))
        for value in arms:
            if value == baseline:
                continue
            if baseline not in arms:
                skipped.append(
                    f"{question['name']}: {_words(place)} has {axis} {value} but no baseline "
                    f"{baseline}; it is left out."
                )
                continue
            pair = (arms[value], arms[baseline])
            # What is averaged shares data, protocol and the like; only the network may differ.
            common = tuple(place[name] for name in rest if name != "architecture")
            groups.setdefault((value, common), []).append(pair)
            row, left_out = _one([pair], question, _words(place), value, reader, alpha)
            rows += [row] if row else []
            skipped += left_out
    for (value, common), pairs in groups.items():
        if len(pairs) > 1:
            place = dict(zip([n for n in rest if n != "architecture"], common, strict=True))
            head = f"mean of {len(pairs)} architectures"
            row, left_out = _one(pairs, question, f"{head}, {_words(place)}", value, reader, alpha)
            rows += _mean(row, head, len(pairs)) if row else []
            skipped += left_out
    return rows, skipped


def _mean(row: Contrast, head: str, pairs: int) -> list[Contrast]:
    """Return the mean's row under its true name; the mean of one is the network's own row."""
    if row.n_cells == pairs:
        return [row]
    name = f"mean of {row.n_cells} of {pairs} architectures{row.contrast.removeprefix(head)}"
    return [replace(row, contrast=name)] if row.n_cells > 1 else []


def _words(place: Mapping[str, Any]) -> str:
    order = ("architecture", "pretraining", "truncation", "dataset", "protocol")
    words = {**place}
    if "truncation" in words:
        words["truncation"] = f"drop{words['truncation']}"
    return " ".join(str(words[name]) for name in order if name in words)


def _one(
    pairs: Sequence[tuple[dict[int, Cell], dict[int, Cell]]],
    question: Mapping[str, Any],
    place: str,
    value: Any,
    reader: _Reader,
    alpha: float,
) -> tuple[Contrast | None, list[str]]:
    def influences(cells: Mapping[int, Cell]) -> Runs:
        return {seed: reader.influence(cell["cell"])[0] for seed, cell in cells.items()}

    cells = [cell for pair in pairs for arm in pair for cell in arm.values()]
    mark = "drop" if question["axis"] == "truncation" else ""
    names = Names(
        contrast=f"{place}: {mark}{value} - {mark}{question['baseline']}",
        question=question["name"],
        dataset=cells[0]["dataset"],
        a=f"{mark}{value}",
        b=f"{mark}{question['baseline']}",
        conditional_on=_conditions(cells, reader),
    )
    return contrast_of_influences(
        [(influences(a), influences(b)) for a, b in pairs],
        names,
        max(reader.influence(cell["cell"])[1] for cell in cells),
        alpha,
        question["margin"],
    )


def _conditions(cells: Sequence[Cell], reader: _Reader) -> tuple[str, ...]:
    """Say what the interval cannot speak of."""
    found = []
    if any(reader.spec(cell["cell"])["weights"]["id"] for cell in cells):
        found.append(RELEASED)
    if any(reader.card(cell["cell"])["patients"] == "unknown" for cell in cells):
        found.append(UNKNOWN_PATIENTS)
    return tuple(found)


def _correlations(
    question: Mapping[str, Any],
    study: Mapping[str, Any],
    cells: pd.DataFrame,
    contrasts: Sequence[Contrast],
    alpha: float,
) -> list[Correlation]:
    """Correlate over architectures, once for each combination of the other axes."""
    top1 = {cell["architecture"]: cell["imagenet_top1"] for cell in study["cells"]}
    primary = cells[cells["selection"] == study["evaluation"]["primary"]]
    for axis, wanted in question["where"].items():
        primary = primary[primary[axis] == wanted]
    primary = primary.assign(
        imagenet_top1=pd.to_numeric(primary["architecture"].map(top1)), boost=np.nan
    )
    y = question["y"]
    if y == "boost":
        primary = _with_boosts(primary, study, contrasts)
    # Networks may differ in their recipe as long as each has one; otherwise each recipe is a group.
    others = ["dataset", "pretraining", "truncation"]
    if (primary.groupby([*others, "architecture"])["protocol"].nunique() > 1).any():
        others.append("protocol")
    rows = []
    for key, group in primary.groupby(others, sort=False):
        points = group.groupby("architecture", sort=False)[[question["x"], y]].mean().dropna()
        if y == "boost" and points.empty:
            continue  # the baseline itself has no boost
        place = _words(dict(zip(others, key, strict=True)))
        rng = np.random.default_rng(seeded("correlation", question["name"], place))
        x, values = points[question["x"]], points[y]
        rows.append(
            spearman(x, values, question["name"], question["x"], f"{y} ({place})", rng, alpha)
        )
    return rows


def _with_boosts(
    cells: pd.DataFrame, study: Mapping[str, Any], contrasts: Sequence[Contrast]
) -> pd.DataFrame:
    """Put each network's boost, its contrast along pretraining, beside its cells."""
    question = next(
        q for q in study["questions"] if q["kind"] == "contrast" and q["axis"] == "pretraining"
    )
    boosts = {row.contrast: row.estimate for row in contrasts if row.question == question["name"]}
    rest = [axis for axis in AXES if axis != "pretraining"]

    def boost(row: Mapping[Any, Any]) -> float:
        place = _words({axis: row[axis] for axis in rest})
        name = f"{place}: {row['pretraining']} - {question['baseline']}"
        return boosts.get(name, float("nan"))

    return cells.assign(boost=[boost(row) for row in cells.to_dict("records")])
