"""What a cell's own section says about its learning rate, phases and weights."""

from __future__ import annotations

from typing import Any

import pytest

from transfergrid.planning.recipe import Recipe
from transfergrid.reporting.page.cell_sections import (
    frozen_in_words,
    phases_in_words,
    rate_in_words,
    weights_sentence,
)
from transfergrid.reporting.records import CellRecord

TUNE = {"learning_rates": [0.1, 0.2], "epochs": 1}
FOUND = {"learning_rate": 0.2, "trials": {"0.1": {}, "0.2": {}}, "at_edge": False}
HEAD = {"train_layers": "head", "learning_rate": 0.5, "epochs": 2}
ALL = {"train_layers": "all", "epochs": 1}
BEST = "0.2, the best of 2 on held-out training patients"


@pytest.mark.parametrize(
    ("recipe", "tuning", "words"),
    [
        ({"learning_rate": 0.01}, {}, "0.01"),
        ({"tune": TUNE}, FOUND, BEST),
        ({"tune": TUNE}, {}, ""),
        ({"phases": [HEAD, ALL], "learning_rate": 0.5}, {}, "0.5"),
        ({"phases": [HEAD, ALL], "learning_rate": 0.25}, {}, "0.5 in phase 1; 0.25 in phase 2"),
        ({"phases": [HEAD, ALL], "tune": TUNE}, FOUND, f"0.5 in phase 1; {BEST} in phase 2"),
    ],
)
def test_rates(recipe: dict[str, Any], tuning: dict[str, Any], words: str) -> None:
    record = CellRecord(spec={"recipe": Recipe.from_dict(recipe).to_dict()}, tuning=tuning)
    assert rate_in_words(record) == words


def test_how_each_phase_went() -> None:
    ended = [
        {"train_layers": "head", "steps": 125, "epochs": 2.0, "ended_by": "epochs"},
        {"train_layers": "last_2", "steps": 400, "epochs": 0.64, "ended_by": "patience"},
        {"train_layers": "all", "steps": 50, "epochs": 0.08, "ended_by": "diverged"},
    ]
    assert phases_in_words(CellRecord(train={"phases": ended})) == (
        "the head only for 125 steps (2 epochs); the head and the last 2 blocks for 400 steps "
        "(0.64 epochs, ended by its patience); all layers for 50 steps (0.08 epochs, then diverged)"
    )
    assert phases_in_words(CellRecord(train={"phases": ended[:1]})) == ""
    assert phases_in_words(CellRecord()) == ""


def test_in_which_phases_frozen_layers_were_stored() -> None:
    def told(stored: list[int], phases: int) -> str:
        spec = {"features": {str(phase): "id" for phase in stored}}
        return frozen_in_words(CellRecord(spec=spec, train={"phases": [{}] * phases}))

    once = "computed once for each image, and what they make of it stored"
    assert told([], 1) == frozen_in_words(CellRecord()) == ""
    assert told([0], 1) == once
    assert told([1], 3) == f"{once}, for phase 2"
    assert told([10, 2, 1], 11) == f"{once}, for phases 2, 3 and 11"


def test_calibrated_norms_are_told_beside_the_proof_of_the_weights() -> None:
    done = {"phase": 0, "keeps_function": False, "norms": ["a", "b"], "images": 600, "constant": 1}
    drawn = {"source": "random", "seed": 3}
    assert weights_sentence({**drawn, "calibration": done}) == weights_sentence(drawn) + (
        " Before the first step, 2 batch norms took their statistics from 600 training images."
    )
    loaded = {"source": "cell", "calibration": {**done, "phase": 1, "keeps_function": True}}
    assert weights_sentence(loaded).endswith(
        " Before phase 2, 2 batch norms took their statistics from 600 training images, with scale "
        "and shift by which outputs stay."
    )


@pytest.mark.parametrize(
    ("difference", "words"), [(0.93, "by 93.0 % from"), (57286800.0, "by 57.3 M times their size")]
)
def test_a_probe_of_features_that_were_next_to_nothing(difference: float, words: str) -> None:
    proof = {"source": "cell", "probe": {"images": 2, "relative_difference": difference}}
    assert words in weights_sentence(proof).replace("\u202f", " ")
