"""Similarities of networks, each with what its networks gain over random weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from transfergrid.planning.grid import ALL
from transfergrid.planning.state_pairs import FINAL, PLACE
from transfergrid.planning.wanted import each
from transfergrid.statistics.basis import Basis, Question

SIDES = ("left", "right")


@dataclass(frozen=True)
class GainPoint:
    """One row of tables/gains.csv.

    Attributes:
        question: Name of the question.
        dataset: The target.
        fold: Its fold, or `ALL`.
        architecture: The network.
        truncation: Blocks removed.
        pretraining: Of the networks that gain; two are joined by " and ".
        protocol: Theirs, likewise; empty where they start from one state.
        seed: Theirs, likewise; empty where they share one state.
        pair: Why they are compared.
        layer: Where.
        depth: Its number.
        baseline: The pretraining that gain is over.
        measure: Measure of similarity.
        similarity: Its value.
        metric: The target's primary metric.
        gain: Score minus that of the random arm, turned so that more is better; the mean over the
            networks of the pair.
        relative_gain: The same, each over the score of the random arm.
        n_cells: Cells whose gains that is the mean of.
    """

    question: str
    dataset: str
    fold: str
    architecture: str
    truncation: int
    pretraining: str
    protocol: str
    seed: str
    pair: str
    layer: str
    depth: int
    baseline: str
    measure: str
    similarity: float
    metric: str
    gain: float
    relative_gain: float
    n_cells: int

    def columns(self) -> dict[str, Any]:
        """Return the row of gains.csv."""
        return asdict(self)


@dataclass(frozen=True)
class Gain:
    """What one cell gains over the random arm of its data set, network, recipe and seed."""

    cell: Mapping[Any, Any]
    plain: float
    relative: float


def points_of(question: Question, basis: Basis) -> tuple[list[GainPoint], list[str]]:
    """Return the points of a similarity_gain question, and a sentence for what it lacks.

    A pair's networks are those of its sides that are not of the random arm; where one side is a
    trained network and the other what it started from, the trained one. Where a data set is in
    folds, a point is a fold: pooled scores have no similarity.

    Args:
        question: The question.
        basis: What it is answered from, with `similarity`.
    """
    gains, lost = _gains(question, basis)
    table = basis.compared.get("similarity", pd.DataFrame())
    if table.empty:
        return [], [f"question '{question['name']}' has nothing to go by: no pair was compared."]
    rows = table[table["measure"] == question["measure"]]
    rows = rows[rows["pair"] == question["pair"]]
    if question["layer"] is not None:
        rows = rows[rows["layer"] == question["layer"]]
    found = []
    for row in rows[rows["value"].notna()].to_dict("records"):
        sides = list(_sides(row, question["baseline"]))
        matched = [one for side in sides for one in gains.get(_place(row), ()) if _is(one, side)]
        if matched:
            found.append(_point(question, row, matched, sides))
    return found, lost


def _gains(question: Question, basis: Basis) -> tuple[dict[tuple[str, ...], list[Gain]], list[str]]:
    """Return the gains of cells by place, and a sentence if some have no random arm."""
    cells = basis.cells[basis.cells["selection"] == basis.reader.primary]
    folded = cells.loc[cells["fold"].astype(str) != ALL, "dataset"]
    cells = cells[(cells["fold"].astype(str) != ALL) | ~cells["dataset"].isin(folded)]
    where = dict(question["where"])
    arms = each(where.pop("pretraining")) if "pretraining" in where else None
    for axis, wanted in where.items():
        cells = cells[cells[axis].isin(each(wanted))]
    random = {
        (*_place(row), str(row["protocol"]), str(row["seed"])): float(row["score"])
        for row in cells.to_dict("records")
        if row["pretraining"] == question["baseline"]
    }
    found: dict[tuple[str, ...], list[Gain]] = {}
    alone = 0
    for row in cells.to_dict("records"):
        name = row["pretraining"]
        if name == question["baseline"] or (arms is not None and name not in arms):
            continue
        base = random.get((*_place(row), str(row["protocol"]), str(row["seed"])), math.nan)
        better = basis.reader.metric_of(row["dataset"])["higher_is_better"]
        plain = (float(row["score"]) - base) * (1 if better else -1)
        alone += math.isnan(plain)
        if not math.isnan(plain):
            relative = plain / abs(base) if base else math.nan
            found.setdefault(_place(row), []).append(Gain(row, plain, relative))
    lost = [
        f"question '{question['name']}': {alone} cell{'s' if alone > 1 else ''} without a score, "
        f"or without one of {question['baseline']} weights by the same recipe and seed, left out."
    ]
    return found, lost if alone else []


def _place(row: Mapping[Any, Any]) -> tuple[str, ...]:
    return tuple(str(row[axis]) for axis in PLACE)


def _sides(row: Mapping[Any, Any], baseline: str) -> Iterator[Mapping[str, Any]]:
    """Yield what a pair says of the networks that gain."""
    sides = [
        {key: row[f"{side}_{key}"] for key in ("pretraining", "protocol", "seed", "state")}
        for side in SIDES
    ]
    last = [side for side in sides if side["state"] == FINAL] or sides
    yield from (side for side in last if side["pretraining"] != baseline)


def _is(gain: Gain, side: Mapping[str, Any]) -> bool:
    """Tell whether a cell is what one side of a pair is of, as far as the side says."""
    cell = gain.cell
    if cell["pretraining"] != side["pretraining"]:
        return False
    if isinstance(side["protocol"], str) and side["protocol"] not in ("", cell["protocol"]):
        return False
    return pd.isna(side["seed"]) or int(side["seed"]) == int(cell["seed"])


def _point(
    question: Question,
    row: Mapping[Any, Any],
    matched: list[Gain],
    sides: list[Mapping[str, Any]],
) -> GainPoint:
    relative = [gain.relative for gain in matched]
    told = {
        key: " and ".join(dict.fromkeys(_text(side[key]) for side in sides))
        for key in ("pretraining", "protocol", "seed")
    }
    return GainPoint(
        question=question["name"],
        dataset=str(row["dataset"]),
        fold=str(row["fold"]),
        architecture=str(row["architecture"]),
        truncation=int(row["truncation"]),
        **told,
        pair=str(row["pair"]),
        layer=str(row["layer"]),
        depth=int(row["depth"]),
        baseline=str(question["baseline"]),
        measure=str(row["measure"]),
        similarity=float(row["value"]),
        metric=str(matched[0].cell["metric"]),
        gain=float(np.mean([gain.plain for gain in matched])),
        relative_gain=float(np.mean(relative)),
        n_cells=len(matched),
    )


def _text(value: Any) -> str:
    """Return a side's protocol or seed, empty where it has none."""
    if pd.isna(value):
        return ""
    return str(int(value)) if isinstance(value, float) else str(value)
