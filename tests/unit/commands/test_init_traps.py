"""What `init` must not take for something else, as no one would notice from the scores."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from transfergrid.commands.guesses import Guess, guess_columns
from transfergrid.runtime.errors import UserError


def guessed(**columns: list[Any]) -> dict[str, Guess]:
    frame = pd.DataFrame(
        {"film": [f"f{n}" for n in range(60)], "nodule": [n % 2 for n in range(60)]}
    )
    frame = frame.assign(**columns).astype(object).map(str)
    return {guess.key: guess for guess in guess_columns(frame, "film")}


PARTS = ["train"] * 30 + ["val"] * 15 + ["test"] * 15


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("is_test", [n // 45 for n in range(60)]),
        ("train", [n // 45 for n in range(60)]),
        ("fold", [n // 45 for n in range(60)]),
        ("split", [n // 20 for n in range(60)]),
        ("subset", ["AB"[n // 45] for n in range(60)]),
        ("phase", ["train"] * 45 + ["test"] * 15),
    ],
)
def test_a_column_that_may_set_a_test_part_apart_is_not_ignored(
    name: str, values: list[Any]
) -> None:
    with pytest.raises(UserError, match=f"column '{name}' has .*, which are not train, valid and"):
        guessed(**{name: values})


def test_parts_are_found_in_a_column_of_any_name() -> None:
    split = guessed(phase=PARTS)["split"].value
    assert split == {"column": "phase", "train": ["train"], "valid": ["val"], "test": ["test"]}


def test_labels_may_be_called_after_tests_and_sets() -> None:
    found = guessed(
        covid_test=[n // 30 for n in range(60)], data_set=["ab"[n % 2] for n in range(60)]
    )
    assert found["label_columns"].value == ["nodule", "covid_test"] and "split" not in found


def test_numbers_of_the_sexes_are_no_labels() -> None:
    found = guessed(PatientSex=[n // 30 for n in range(60)], male=[n // 30 for n in range(60)])
    assert found["label_columns"].value == ["nodule"]


def test_a_column_called_label_comes_before_other_columns_of_0_and_1() -> None:
    found = guessed(label=["abc"[n % 3] for n in range(60)])
    assert found["label_columns"].value == ["label"]
    assert found["task_kind"].why.endswith("columns of 0 and 1 are not learned: nodule")
    assert guessed(label=[n // 30 for n in range(60)])["label_columns"].value == ["nodule", "label"]


def test_columns_with_uncertain_labels_are_said_to_be_left_out() -> None:
    found = guessed(edema=[n % 3 - 1 for n in range(60)])["label_columns"]
    assert found.value == ["nodule"] and found.why.endswith("left out edema, with -1 as well")


@pytest.mark.parametrize("name", ["MRN", "case_id", "pat_id", "patient"])
def test_columns_of_patients(name: str) -> None:
    assert guessed(**{name: [n // 2 for n in range(60)]})["patient_column"].value == name


@pytest.mark.parametrize("name", ["inpatient", "outpatient_film", "subjective_quality"])
def test_columns_that_only_sound_like_patients(name: str) -> None:
    assert guessed(**{name: [n % 5 for n in range(60)]})["patient_column"].value is None
