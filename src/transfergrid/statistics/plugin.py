"""A study's own kind of question: a function of its cells and their scores, to findings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from numbers import Real
from typing import Any

import pandas as pd

from transfergrid.catalog.axes import PLACE
from transfergrid.metrics.influence import Influence
from transfergrid.planning.wanted import each
from transfergrid.runtime.errors import UserError, listed, printable, suggest
from transfergrid.runtime.named import load
from transfergrid.statistics.basis import Answered, Basis, Question
from transfergrid.statistics.findings import Finding
from transfergrid.statistics.places import Place, pooled
from transfergrid.statistics.relations import scores_of

_NUMBERS = {"value": math.nan, "low": math.nan, "high": math.nan, "n": 0}
_TEXTS = ("quantity", "subject", "method", "note")
KEYS = (*_TEXTS, *_NUMBERS, *PLACE)
"""What a plug-in may say of a finding; it has to give quantity and value."""


def answered(question: Question, basis: Basis) -> Answered:
    """Ask a study's own code, and check what it answers.

    The code is ``function(options=..., cells=..., influence=...)``. `cells` has a row of
    tables/cells.csv for each cell that takes part, under the primary selection, with the question's
    metric as ``score``. ``influence(cell)`` returns the `Influence` of its score. Each finding that
    it returns is a mapping with the keys of `KEYS`.

    Args:
        question: A question whose kind is a ``module:function``.
        basis: What it is answered from.

    Raises:
        UserError: It fails, or what it returns is not a list of findings.
    """
    influence = partial(_influence, basis, question)
    start = f"question '{question['name']}': {question['kind']}"
    cells = _cells(question, basis)
    try:
        rows = load(question["kind"])(
            options=dict(question["options"]), cells=cells, influence=influence
        )
    except UserError:
        raise
    except Exception as error:  # a user's own function may fail in any way
        told = f"{type(error).__name__}: {printable(error, 200)}"
        raise UserError(f"{start} failed ({told}); correct it.") from error
    if not isinstance(rows, list | tuple) or not all(isinstance(row, Mapping) for row in rows):
        raise UserError(
            f"{start} must return a list of mappings, one per finding, and returned "
            f"{type(rows).__name__}; see docs/extending.md."
        )
    primary = basis.study["primary_metric"].values()
    metric = question["metric"] or (next(iter(primary)) if len(set(primary)) == 1 else "")
    return Answered([_finding(question, row, start, metric, cells) for row in rows])


def _influence(basis: Basis, question: Question, cell: str) -> Influence:
    if cell not in basis.reader.entries:
        raise UserError(
            f"question '{question['name']}' asks for the score of '{cell}', which is not a cell of "
            "this study; take names from the column cell."
        )
    found = basis.reader.influence(cell, metric=question["metric"])[0]
    # A copy, because other answers are made of the same contributions.
    return replace(found, values=found.values.copy(), patients=found.patients.copy())


def _cells(question: Question, basis: Basis) -> pd.DataFrame:
    cells = basis.cells[basis.cells["selection"] == basis.reader.primary]
    cells = pooled(cells)
    for axis, wanted in question["where"].items():
        cells = cells[cells[axis].isin(each(wanted))]
    scores = scores_of(cells["cell"], basis.reader, question["metric"])
    return cells.assign(score=scores.to_numpy()).reset_index(drop=True)


def _finding(
    question: Question, row: Mapping[str, Any], start: str, metric: str, cells: pd.DataFrame
) -> Finding:
    unknown = [key for key in row if key not in KEYS]
    lacking = [key for key in ("quantity", "value") if key not in row]
    if unknown or lacking:
        told = f"has '{unknown[0]}'{suggest(unknown[0], KEYS)}" if unknown else "lacks a key"
        raise UserError(
            f"{start} returned a finding that {told}; it must give quantity and value, and may "
            f"give {listed(key for key in KEYS if key not in ('quantity', 'value'))}."
        )
    text = {key: _text(row, key, start) for key in _TEXTS}
    numbers = {key: _number(row, key, start) for key in _NUMBERS}
    if numbers["low"] > numbers["high"]:
        raise UserError(
            f"{start} returned {row['quantity']} with an interval from {numbers['low']:g} to "
            f"{numbers['high']:g}; the lower bound must not be above the upper one."
        )
    place: Place = {axis: _axis(row, axis, start, cells) for axis in PLACE if axis in row}
    return Finding(
        question=question["name"],
        kind=question["kind"],
        subject=text["subject"],
        quantity=text["quantity"],
        value=numbers["value"],
        low=numbers["low"],
        high=numbers["high"],
        n=int(numbers["n"]),
        method=text["method"],
        note=text["note"],
        metric=metric,
        place=place,
    )


def _text(row: Mapping[str, Any], key: str, start: str) -> str:
    value = row.get(key, "")
    if not isinstance(value, str) or (key == "quantity" and not value.strip()):
        raise UserError(f"{start} returned {value!r} as {key} of a finding; it must be text.")
    return value


def _axis(row: Mapping[str, Any], axis: str, start: str, cells: pd.DataFrame) -> Any:
    value = row[axis]
    known = cells[axis].drop_duplicates().tolist()
    if not isinstance(value, str | Real) or value not in known:
        raise UserError(
            f"{start} returned {value!r} as {axis} of '{row['quantity']}'; its cells have "
            f"{listed(known)}. Leave {axis} out of a finding about several."
        )
    return value


def _number(row: Mapping[str, Any], key: str, start: str) -> float:
    value = row.get(key, _NUMBERS[key])
    if not isinstance(value, Real) or isinstance(value, bool):
        raise UserError(
            f"{start} returned {value!r} as {key} of '{row['quantity']}'; it must be a number, "
            "NaN where there is none."
        )
    number = float(value)
    if key == "value" and math.isinf(number):
        raise UserError(
            f"{start} returned {number:g} as value of '{row['quantity']}'; it must be finite, or "
            "NaN where there is none."
        )
    if key == "n" and not (number >= 0 and number.is_integer()):
        raise UserError(
            f"{start} returned {number:g} as n of '{row['quantity']}'; it must be a whole number."
        )
    return number
