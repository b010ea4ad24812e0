"""The numbers of a paper's first version beside this study's: never the paper's final ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from transfergrid.planning.claims import claimed_metrics, counts
from transfergrid.planning.grid import ALL
from transfergrid.planning.state_pairs import INITIAL
from transfergrid.statistics.basis import Answered, Basis, Question
from transfergrid.statistics.claims import joined
from transfergrid.statistics.findings import Finding
from transfergrid.statistics.places import place_of_pair

NETWORK = "resnet50"
"""What all of the numbers are of; a study's variants of it begin so."""
FREEZE = "freeze"
"""The paper's recipe that trains the head first; any other of a study's is set beside the rest."""


def first_version(question: Question, basis: Basis) -> Answered:
    """Set the numbers of the first version beside those of whole networks on equal data sets.

    Args:
        question: Stands for one that no study asks.
        basis: What it is answered from; the study's claims say whether, which cells count, and
            what stands for what.
    """
    asked = basis.study["claims"]
    rows = asked.get("first_version", [])
    found: list[Finding] = []
    if rows:
        found += _rows(question, rows, _scores(basis, asked))
        found += _rows(question, rows, _similarities(basis, asked))
    return Answered(found)


def _rows(
    question: Question, rows: list[Mapping[str, str]], ours: pd.DataFrame
) -> Iterator[Finding]:
    if ours.empty:
        return
    keys = ["target", "pretraining", "freeze", "pair", "layer", "quantity"]
    known = {
        tuple(
            [row["target"], row["pretraining"], row["protocol"], *(row[k] for k in keys[3:])]
        ): row
        for row in rows
    }
    places = [*keys, "dataset", "architecture", "protocol", "metric"]
    for key, group in ours.groupby(places, sort=False):
        theirs = known.get(tuple(map(str, key[: len(keys)])))
        if theirs is None:
            continue
        place = dict(zip(places, key, strict=True))
        value, mean = float(theirs["value"]), float(group["value"].mean())
        spread = f", SD {theirs['sd']}" if theirs["sd"] else ""
        told = f"{question['name']}: mean of {theirs['n_folds']} folds {value:g}{spread}"
        where = [
            str(place[name]) for name in ("pretraining", "pair", "layer", "protocol", "dataset")
        ]
        named = f"v1_{place['quantity']}"
        numbers = {named: (value, told), f"ours_minus_{named}": (mean - value, f"ours {mean:.4f}")}
        for quantity, (number, method) in numbers.items():
            yield Finding(
                question["name"],
                question["kind"],
                ", ".join(filter(None, where)),
                quantity,
                number,
                math.nan,
                math.nan,
                n=1,
                method=method,
                note=f"{theirs['provenance']}, not the paper's final number: {theirs['source']}",
                metric=str(place["metric"]),
                place={axis: place[axis] for axis in ("dataset", "architecture", "protocol")}
                | {"truncation": 0},
            )


def _scores(basis: Basis, asked: Mapping[str, Any]) -> pd.DataFrame:
    """Return whole networks' AUROCs with the keys of the first version's rows."""
    stands_for = asked["stands_for"]
    cells = basis.cells[basis.cells["selection"] == basis.reader.primary]
    cells = cells[(cells["fold"].astype(str) == ALL) & (cells["status"] == "finished")]
    cells = cells[cells["metric"].isin(claimed_metrics(basis.study["metrics"]))]
    cells = cells.loc[[counts(row, asked["where"]) for row in cells.to_dict("records")]]
    cells = _whole(cells).assign(pair="", layer="", quantity="auroc")
    arms = [stands_for.get(str(name), str(name)) for name in cells["pretraining"]]
    return _keyed(cells.assign(pretraining=arms, value=cells["score"]))


def _similarities(basis: Basis, asked: Mapping[str, Any]) -> pd.DataFrame:
    """Return whole networks' mean canonical correlations with the same keys."""
    stands_for = asked["stands_for"]
    table = basis.compared.get("similarity", pd.DataFrame())
    if table.empty:
        return table
    rows = _whole(table[table["measure"] == "mean_cca"])
    # Drawn networks are compared before training; their trained seeds are no pair of the paper's.
    rows = rows[(rows["pair"] != "seeds") | (rows["left_state"] == INITIAL)]
    there = [counts(place_of_pair(row), asked["where"]) for row in rows.to_dict("records")]
    rows = rows.loc[there]
    arms = [
        joined({stands_for.get(one, one) for one in ends})
        for ends in zip(rows["left_pretraining"], rows["right_pretraining"], strict=True)
    ]
    protocol = rows["right_protocol"].astype(object).fillna("")
    return _keyed(rows.assign(pretraining=arms, protocol=protocol, metric="", quantity="mean_cca"))


def _whole(rows: pd.DataFrame) -> pd.DataFrame:
    named = rows["architecture"].astype(str).str.startswith(NETWORK)
    return rows[named & (rows["truncation"] == 0)]


def _keyed(rows: pd.DataFrame) -> pd.DataFrame:
    freeze = [FREEZE if name == FREEZE else "" for name in rows["protocol"]]
    targets = [str(name).replace("_", "-") for name in rows["dataset"]]
    return rows.assign(freeze=freeze, target=targets)
