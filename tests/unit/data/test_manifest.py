from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfergrid.data.manifest import (
    Manifest,
    choice,
    chosen_tasks,
    identifier,
    identifiers,
    validate,
)
from transfergrid.runtime.errors import UserError


class Blank:
    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def read(self, index):
        return np.zeros((2, 2), np.uint8)

    def name(self, index):
        return str(index)


def manifest(task_kind="multilabel", **changes):
    rows = []
    for split in ("train", "valid", "test"):
        for patient in range(3):
            for view in ("a", "b"):
                person = f"{split}{patient}"
                a, b = float(patient == 0), float(patient == 1)
                c = float(patient == 2)
                labels = (a, b, c) if task_kind == "multiclass" else (a, b, 1 - a)
                rows.append((f"{person}{view}", f"{person}/1", person, view, split, *labels))
    columns = ["image_id", "study_id", "patient_id", "view", "split", "p", "q", "r"]
    table = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys("pqr", np.float32))
    made = Manifest(
        table=table,
        tasks=("p", "q", "r"),
        score_tasks=("p", "q"),
        task_kind=task_kind,
        images=Blank(len(table)),
        patients_known=True,
        studies_known=True,
    )
    return replace(made, **changes)


def altered(column, rows, value, **changes):
    made = manifest(**changes)
    table = made.table.copy()
    table.loc[rows, column] = value
    return replace(made, table=table)


@pytest.mark.parametrize("task_kind", ["multilabel", "multiclass"])
def test_a_sound_manifest_passes_unchanged(task_kind):
    made = manifest(task_kind)
    checked = validate(made)
    assert checked == made
    assert checked.notes == ()


def test_unknown_patients_become_a_note_once():
    checked = validate(validate(manifest(patients_known=False)))
    assert len(checked.notes) == 1
    assert checked.notes[0].startswith("Patients are unknown")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (manifest(task_kind="ordinal"), "task_kind is 'ordinal'; allowed are multilabel"),
        (manifest(tasks=("p", "p")), "each once"),
        (manifest(tasks=()), "name at least one"),
        (manifest(score_tasks=()), "score_tasks are ''"),
        (manifest(score_tasks=("z",)), "score_tasks are 'z'; choose from p, q, r"),
        (manifest(tasks=("p", "q", "s")), "has no column 's'"),
        (manifest(table=manifest().table.astype({"q": float})), "task q are float64"),
        (manifest(images=Blank(5)), "18 rows and 5 images"),
        (altered("image_id", 3, "train0a"), r"1 image\(s\) are listed more than once: train0a;"),
        (altered("patient_id", 4, ""), "row 5 has no patient_id"),
        (altered("study_id", 4, None), "row 5 has no study_id"),
        (altered("split", 0, "dev"), "split 'dev' is none of train, valid, test"),
        (altered("split", range(6, 12), "train"), "split valid has no image"),
        (
            altered("patient_id", [12, 13, 14, 15], ["train0", "train0", "valid1", "valid1"]),
            r"patient train0 \(train and test\), valid1 \(valid and test\) is in more than one",
        ),
        (altered("study_id", [16, 17], "train2/1"), r"study train2/1 \(train and test\)"),
        (altered("study_id", [2, 3], "train0/1"), "study train0/1 belongs to two patients"),
        (altered("p", 1, 1.25), "train0b has label 1.25 for task p; in train a label is from 0"),
        (altered("p", 1, -1), "train0b has label -1 for task p"),
        (altered("q", 7, 0.5), "valid0b has label 0.5 for task q; in valid a label is 0, 1 or"),
        (altered("q", 7, np.inf), "valid0b has label inf"),
        (altered("r", 12, 1), "study test0/1 have different labels for task r"),
        (altered("r", 12, np.nan), "study test0/1 have different labels for task r"),
        (altered("p", [0, 1], 0, task_kind="multiclass"), "train0a is not of exactly one class"),
        (altered("q", 5, 1, task_kind="multiclass"), "train2b is not of exactly one class"),
        (altered("q", 5, np.nan, task_kind="multiclass"), "train2b is not of exactly one class"),
        (altered("q", range(6, 12), 0), r"task q has 0 positive\(s\) and 6 negative\(s\) in valid"),
        (altered("p", range(12, 18), 1), r"task p has 6 positive\(s\) and 0 negative\(s\) in test"),
        (altered("p", [12, 13], np.nan), r"task p has 0 positive\(s\) and 4 negative\(s\) in test"),
    ],
)
def test_a_fault_is_told_in_one_sentence(broken, message):
    with pytest.raises(UserError, match=message) as caught:
        validate(broken)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_an_unscored_or_training_task_of_one_class_is_noted():
    checked = validate(altered("r", range(12, 18), 1))
    assert checked.notes == ("No image of test is negative for r.",)
    checked = validate(altered("p", range(6), 0.2))
    assert checked.notes == ("No image of train is positive for p.",)
    checked = validate(altered("r", range(6), 1, score_tasks=("q",)))
    checked.table.loc[range(6), "p"] = 1
    assert validate(checked).notes[-1] == "No image of train is negative for p, r."


def test_all_tasks_that_cannot_be_scored_are_named_with_those_that_can():
    told = r"task p has 0 .* in valid, and a score needs both; name others .*, such as \[q\], or"
    with pytest.raises(UserError, match=told):
        validate(altered("p", range(6, 12), 0))
    both = altered("p", range(6, 12), 0)
    both.table.loc[range(12, 18), "q"] = 1
    with pytest.raises(UserError, match="p has .* valid, task q has .* test, .* needs both; split"):
        validate(both)


def test_many_patients_in_two_splits_are_counted():
    rows = range(12, 18)
    broken = altered("patient_id", rows, [f"train{i // 2}" for i in range(6)])
    table = pd.concat(
        [
            broken.table.assign(
                **{
                    "image_id": broken.table["image_id"] + str(copy),
                    "patient_id": broken.table["patient_id"] + str(copy),
                    "study_id": broken.table["study_id"] + str(copy),
                }
            )
            for copy in range(3)
        ],
        ignore_index=True,
    )
    with pytest.raises(UserError, match=r"\(train and test\), \.\.\. \(9 in all\)"):
        validate(replace(broken, table=table, images=Blank(len(table))))


def test_soft_training_labels_pass():
    validate(altered("q", [4, 5], 0.7))


@given(st.text(max_size=20))
def test_identifiers_are_stable_words(name):
    made = identifier(name)
    assert identifier(made) == made
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")


def test_identifiers_of_published_names():
    assert identifiers(["Pleural Effusion", "No Finding"], "column") == (
        "pleural_effusion",
        "no_finding",
    )
    with pytest.raises(UserError, match="column 'a-b' makes a second task 'a_b'"):
        identifiers(["a b", "a-b"], "column")
    with pytest.raises(UserError, match="column '--' has no letter"):
        identifiers(["--"], "column")


def test_choices():
    assert choice({}, "resize", ("crop", "pad")) == "crop"
    assert choice({"resize": "pad"}, "resize", ("crop", "pad")) == "pad"
    with pytest.raises(UserError, match=r"resize is 'pat' \(did you mean 'pad'\?\); allowed are"):
        choice({"resize": "pat"}, "resize", ("crop", "pad"))
    assert chosen_tasks(None, ("a", "b"), "tasks") == ("a", "b")
    assert chosen_tasks(["B"], ("a", "b"), "tasks") == ("b",)
    with pytest.raises(UserError, match="tasks names 'C', which is no task here; there are a, b"):
        chosen_tasks(["C"], ("a", "b"), "tasks")
    with pytest.raises(UserError, match="tasks is an empty list"):
        chosen_tasks([], ("a", "b"), "tasks")
