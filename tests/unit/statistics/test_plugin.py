"""A study's own kind of question, and what is said of one that answers nonsense."""

from __future__ import annotations

import math
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from unit.statistics.made_up_reader import reader_of

from transfergrid.metrics.influence import Influence
from transfergrid.runtime.errors import UserError
from transfergrid.statistics.basis import Basis
from transfergrid.statistics.plugin import answered

QUESTION = {"name": "own", "kind": "made_up_lab:ask", "metric": None, "options": {"k": 2}}
QUESTION |= {"where": {"pretraining": "imagenet"}}
FINE = {"quantity": "gap", "value": 0.1}


@pytest.fixture
def basis() -> Basis:
    entries, rows, runs = [], [], {}
    for number in range(4):
        name = f"cell{number}"
        pretraining = ("random", "imagenet")[number % 2]
        place = {"cell": name, "dataset": "films", "pretraining": pretraining}
        entries.append(place)
        for selection, fold in (("best", "all"), ("last", "all"), ("best", "0")):
            rows.append({**place, "selection": selection, "fold": fold, "params": 10.0 * number})
        runs[name] = Influence(0.1 * number, np.arange(3), np.full(3, 0.01 * number))
    study = {"primary_metric": {"films": "auroc"}}
    return Basis(study, pd.DataFrame(rows), reader_of(entries, runs, {}), 0.05)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, basis: Basis) -> Any:
    def ask(answer: Any) -> Any:
        module = ModuleType("made_up_lab")
        module.ask = answer if callable(answer) else lambda **given: answer  # type: ignore
        monkeypatch.setitem(sys.modules, "made_up_lab", module)
        return answered(QUESTION, basis).rows

    return ask


def test_it_gets_cells_scores_and_contributions(asked: Any) -> None:
    def spread(options: dict, cells: pd.DataFrame, influence: Any) -> list[dict[str, Any]]:
        assert options == {"k": 2}
        assert list(cells["cell"]) == ["cell1", "cell3"]  # one row each, those of its where
        assert list(cells["score"]) == pytest.approx([0.1, 0.3])
        a, b = (influence(cell) for cell in cells["cell"])
        se = float(np.sqrt(((b.values - a.values) ** 2).sum()))
        place = {"dataset": "films", "pretraining": "imagenet", "subject": "nets"}
        value = b.estimate - a.estimate
        return [{**FINE, **place, "value": value, "low": value - se, "high": value + se, "n": 2}]

    (row,) = asked(spread)
    assert (row.question, row.kind, row.quantity) == ("own", "made_up_lab:ask", "gap")
    assert (row.value, row.n, row.metric) == (pytest.approx(0.2), 2, "auroc")
    assert row.high - row.value == pytest.approx(0.02 * math.sqrt(3))
    columns = row.columns()
    assert (columns["dataset"], columns["architecture"]) == ("films", "")
    assert row.evidence().keys["quantity"] == "gap"


def test_it_cannot_change_what_other_answers_are_made_of(asked: Any, basis: Basis) -> None:
    def changing(options: dict, cells: pd.DataFrame, influence: Any) -> list[dict[str, Any]]:
        influence("cell1").values[:] = 9
        cells["score"] = cells["params"] = 9.0
        return [FINE]

    before = basis.cells.copy()
    asked(changing)
    assert basis.reader.influence("cell1")[0].values == pytest.approx(0.01)
    pd.testing.assert_frame_equal(basis.cells, before)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "must return a list of mappings, one per finding, and returned NoneType"),
        ([1, 2], "must return a list of mappings"),
        ([{**FINE, "valu": 1}], "has 'valu' .did you mean 'value'.*must give quantity and value"),
        ([{"quantity": "gap"}], "lacks a key; it must give quantity and value, and may give"),
        ([{**FINE, "value": "high"}], "returned 'high' as value of 'gap'; it must be a number"),
        ([{**FINE, "value": None}], "returned None as value"),
        ([{**FINE, "low": 0.2, "high": 0.1}], "gap with an interval from 0.2 to 0.1"),
        ([{**FINE, "quantity": None}], "returned None as quantity of a finding; it must be text"),
        ([{**FINE, "quantity": " "}], "returned ' ' as quantity of a finding"),
        ([{**FINE, "note": 3}], "returned 3 as note"),
        ([{**FINE, "value": math.inf}], "returned inf as value of 'gap'; it must be finite"),
        (
            [{**FINE, "dataset": "moon"}],
            "returned 'moon' as dataset of 'gap'; its cells have films",
        ),
        ([{**FINE, "pretraining": ["imagenet"]}], "as pretraining of 'gap'; its cells have imagen"),
        ([{**FINE, "n": 1.5}], "returned 1.5 as n of 'gap'; it must be a whole number"),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused_in_a_sentence(
    asked: Any, answer: Any, message: str
) -> None:
    with pytest.raises(UserError, match=f"question 'own': made_up_lab:ask .*{message}"):
        asked(answer)


def test_a_value_that_could_not_be_made_is_nan(asked: Any) -> None:
    (row,) = asked([{**FINE, "value": math.nan, "note": "too few"}])
    assert math.isnan(row.value) and math.isnan(row.low) and row.n == 0


def test_a_cell_of_another_study_is_named(asked: Any) -> None:
    with pytest.raises(UserError, match="'own' asks for the score of 'cell9', which is not a cell"):
        asked(lambda options, cells, influence: influence("cell9"))


def test_a_question_that_fails_is_named(asked: Any) -> None:
    with pytest.raises(UserError, match=r"'own': made_up_lab:ask failed \(KeyError: 'seeds'\)"):
        asked(lambda options, cells, influence: cells["seeds"])
