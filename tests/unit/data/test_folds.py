from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfergrid.data.folds import draw, from_column, from_file, whole_units, with_validation
from transfergrid.data.stacked import Stacked
from transfergrid.runtime.errors import UserError

ids = st.lists(st.sampled_from("abcdefgh"), min_size=6, max_size=40)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30))
def test_patients_that_share_a_group_are_one_unit(pairs: list[tuple[int, int]]) -> None:
    patients = np.array([f"p{patient}" for patient, _ in pairs])
    groups = np.array([f"g{group}" for _, group in pairs])
    unit = whole_units(patients, groups).tolist()
    # The oracle merges names until nothing changes.
    of = {name: name for name in [*patients, *groups]}
    for _ in of:
        for a, b in zip(patients, groups, strict=True):
            of[a] = of[b] = min(of[a], of[b])
    for i in range(len(pairs)):
        for j in range(len(pairs)):
            assert (unit[i] == unit[j]) == (of[patients[i]] == of[patients[j]])


@settings(max_examples=60)
@given(ids, st.integers(2, 5), st.sampled_from(["next", 0.3]), st.booleans(), st.integers(0, 3))
def test_every_unit_is_tested_once_and_none_is_torn(
    names: list[str], k: int, valid: Any, dealt: bool, seed: int
) -> None:
    units = np.array([*names, *"abcdef"])
    labels = np.array([[hash(name) % 2, ord(name) % 3 == 0] for name in units], np.float32)
    options = {"k": k, "seed": seed, "valid": valid}
    folds = draw(options, units, labels if dealt else None, "patients")
    for name in units:
        assert len(set(folds.part[units == name])) == 1
        assert len(np.unique(folds.valid[units == name], axis=0)) == 1
    sizes = Counter(dict(zip(units, folds.part, strict=True)).values())
    assert len(sizes) == k
    assert max(sizes.values()) - min(sizes.values()) <= 1
    tested = np.stack([folds.rows("test", fold) for fold in range(k)])
    assert (tested.sum(axis=0) == 1).all()
    for fold in range(k):
        split = [folds.rows(name, fold) for name in ("train", "valid", "test")]
        assert (np.stack(split).sum(axis=0) == 1).all()
        if valid == "next":
            assert np.array_equal(split[1], folds.rows("test", (fold + 1) % k))
        else:
            others = set(units[~split[2]])
            assert len(set(units[split[1]])) == max(1, round(0.3 * len(others)))


def test_the_order_of_rows_changes_nothing() -> None:
    units = np.array([f"p{i // 2}" for i in range(40)])
    labels = np.array([[i // 2 % 3 == 0] for i in range(40)], np.float32)
    mixed = np.random.default_rng(0).permutation(40)
    for truth in (None, labels):
        options = {"k": 4, "seed": 3, "valid": 0.2}
        one = draw(options, units, truth, "patients")
        other = draw(options, units[mixed], None if truth is None else truth[mixed], "patients")
        assert np.array_equal(one.part[mixed], other.part)
        assert np.array_equal(one.valid[mixed], other.valid)
        assert not np.array_equal(one.part, draw({**options, "seed": 4}, units, truth, "p").part)


@given(st.integers(2, 6), st.integers(0, 5), st.data())
def test_units_are_dealt_out_evenly_by_their_labels(k: int, seed: int, data: Any) -> None:
    count = data.draw(st.integers(3 * k, 60))
    rng = np.random.default_rng(seed)
    labels = (rng.random((count, 2)) < [0.15, 0.4]).astype(np.float32)
    folds = draw({"k": k, "seed": seed}, np.arange(count).astype(str), labels, "images")
    rare = int(labels.sum(axis=0).argmin())
    for task, most in ((rare, 1), (1 - rare, 2)):
        positives = np.bincount(folds.part, weights=labels[:, task], minlength=k)
        assert positives.max() - positives.min() <= most


def test_too_many_folds_are_refused() -> None:
    units = np.array(list("abcab"))
    with pytest.raises(UserError, match=r"folds.k is 4, and there are 3 patients; .* from 2 to 3"):
        draw({"k": 4}, units, None, "patients")


def test_a_column_of_folds_counts_its_values_in_order() -> None:
    values = np.array(["10", "2", "2", "9"])
    part, names = from_column(values, {"k": 3, "column": "fold"})
    assert (part.tolist(), names) == ([2, 0, 0, 1], ["2", "9", "10"])
    with pytest.raises(UserError, match=r"folds.k is 5, and the column 'fold' of folds has 3"):
        from_column(values, {"k": 5, "column": "fold"})
    folds = with_validation({"k": 3}, values, part)
    assert folds.valid[:, 2].tolist() == [False, True, True, False]


IMAGES = np.array(["a", "b", "c", "d"])
PARTS = {  # image: its part in folds 0 and 1
    "a": ["test", "valid"],
    "b": ["test", "train"],
    "c": ["train", "test"],
    "d": ["valid", "test"],
}


def write(path: Any, parts: dict[str, list[str]]) -> Any:
    rows = [(image, fold, part) for image in parts for fold, part in enumerate(parts[image])]
    pd.DataFrame(rows, columns=["image", "fold", "part"]).to_csv(path, index=False)
    return path


def test_published_folds_are_read_as_they_are(tmp_path: Any) -> None:
    folds = from_file(write(tmp_path / "folds.csv", PARTS), IMAGES, 2)
    for row, image in enumerate(IMAGES):
        for fold in range(2):
            assert folds.rows(PARTS[image][fold], fold)[row]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"d": ["train", "train"]}, "tests image d in no fold; give every image the part test"),
        ({"d": ["test", "test"]}, "tests image d in folds 0, 1; give every image the part test"),
        ({"d": ["test"]}, "gives image d no part in fold 1 .1 pairs"),
        ({"d": []}, "gives image d no part in fold 0 .2 pairs"),
        ({"d": ["train", "test", "train"]}, "has the fold '2' in row 9; allowed are 0 to 1"),
        (
            {"d": ["tuning", "test"]},
            "has the part 'tuning' in row 7; allowed are train, valid, test",
        ),
        ({"e": ["train", "test"]}, "names 1 image.* that the data set does not have, such as e"),
        ({"./d": ["train", "test"]}, "gives image d to fold 0 twice; keep one row"),
    ],
)
def test_faults_of_published_folds_are_named(tmp_path: Any, change: Any, message: str) -> None:
    path = write(tmp_path / "folds.csv", {**PARTS, **change})
    with pytest.raises(UserError, match=message):
        from_file(path, IMAGES, 2)


@given(st.data())
def test_stacked_rows_read_like_one_array(data: Any) -> None:
    rng = np.random.default_rng(0)
    maps = [rng.integers(0, 256, (n, 3, 2), dtype=np.uint8) for n in (4, 1, 6)]
    rows = [
        np.sort(rng.choice(len(m), size=n, replace=False))
        for m, n in zip(maps, (3, 1, 5), strict=True)
    ]
    whole = np.concatenate([m[row] for m, row in zip(maps, rows, strict=True)])
    stacked = Stacked(maps, rows)
    assert (len(stacked), stacked.shape, stacked.dtype) == (9, whole.shape, whole.dtype)
    some = np.array(data.draw(st.lists(st.integers(-9, 8), max_size=12)), dtype=np.int64)
    part = slice(*sorted(data.draw(st.tuples(st.integers(0, 9), st.integers(0, 9)))))
    assert np.array_equal(stacked[some], whole[some])
    assert np.array_equal(stacked[part], whole[part])
    assert np.array_equal(stacked[4], whole[4])
    assert np.array_equal(np.asarray(stacked), whole)
    out = np.empty((len(some), 3, 2), np.uint8)
    assert np.take(stacked, some, axis=0, out=out) is out
    assert np.array_equal(out, whole[some])
