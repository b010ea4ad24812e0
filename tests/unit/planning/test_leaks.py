"""What planning lets through, against the images that the readers really put into each split."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from datasets.chexpert.make import make as make_chexpert
from datasets.csv.make import make as make_csv
from datasets.nih14.make import LISTED, make_lists
from datasets.nih14.make import make as make_nih14
from datasets.shenzhen.make import make as make_shenzhen
from unit.data.discs import discs
from unit.planning.made_up_plan import STUDY, grid, planned

from transfergrid.data.kinds import read_manifest
from transfergrid.planning.inputs import Dataset, resolve_dataset
from transfergrid.planning.leaks import leaks
from transfergrid.planning.passed_on import passed_on
from transfergrid.planning.study import load_study

RANDOM = {"random": {"valid": 0.2, "test": 0.3}, "seed": 0}
COLUMN = {"column": "part", "train": ["development"], "valid": ["tuning"], "test": ["holdout"]}
PLAIN = {
    "kind": "csv",
    "table": "labels.csv",
    "image_column": "image",
    "label_columns": ["Mass"],
    "patient_column": "patient",
}
CSV: list[dict[str, Any]] = [
    {"split": RANDOM},
    {"split": RANDOM, "image_px": 8, "label_columns": ["Micro-Calcification"]},
    {"split": {**RANDOM, "seed": 1}},
    {"split": RANDOM, "patient_column": None},
    {"split": COLUMN},
    {"split": {**COLUMN, "train": ["holdout"], "test": ["development"]}},
    {"folds": {"k": 3}},
    {"folds": {"k": 3}, "image_px": 8, "label_columns": ["Micro-Calcification"]},
    {"folds": {"k": 3, "seed": 1}},
    {"folds": {"k": 3, "valid": 0.3}},
    {"folds": {"k": 4}},
    {"folds": {"k": 3, "by": "stratified"}},
    {"folds": {"k": 3, "by": "stratified"}, "label_columns": ["Micro-Calcification"]},
    {"folds": {"k": 3}, "patient_column": None},
    {"folds": {"k": 3, "column": "part"}, "label_columns": ["Micro-Calcification"]},
    {"folds": {"k": 3, "group_column": "image"}, "score_tasks": ["mass"]},
]
MASKS = {
    **{key: value for key, value in PLAIN.items() if key != "label_columns"},
    "kind": "mask_table",
    "layers": [{"structures": ["mass"], "files": ["image"]}],  # none is opened
}
MASKED: list[dict[str, Any]] = [
    {"split": RANDOM},
    {"split": {**RANDOM, "seed": 1}},
    {"split": COLUMN, "exclusive": True, "image_px": 8},
    {"folds": {"k": 3}},
    {"folds": {"k": 3}, "field_of_view": {"files": ["image"]}},
    {"folds": {"k": 3, "by": "stratified"}},
    {"folds": {"k": 3}, "patient_column": None},
]
ARCHIVES: list[dict[str, Any]] = [
    {"kind": kind, **own, **cut}
    for kind, own in (("medmnist", {}), ("mask_npz", {"structures": ["disc"], "image_px": 16}))
    for cut in ({}, {"folds": {"k": 3}}, {"folds": {"k": 3, "by": "patient"}})
]
CHEXPERT: list[dict[str, Any]] = [
    {},
    {"tasks": 5, "uncertain": "ones", "image_px": 8},
    {"views": "frontal"},
    {"validation_share": 0.3},
    {"test_split": "valid", "validation_share": 0.3},
    {"folds": {"k": 3}},
    {"folds": {"k": 3}, "tasks": 5, "uncertain": "ones"},
    {"folds": {"k": 3}, "views": "frontal"},
    {"folds": {"k": 3, "by": "stratified"}, "tasks": 5},
]
NIH14: list[dict[str, Any]] = [
    {},
    {"image_px": 8, "tasks": ["effusion"]},
    {"validation_share": 0.3},
    {"split": "random"},
    {"split": "random", "validation_share": 0.3},
    {"split": "random", "seed": 1},
    {"split": "random", "test_share": 0.3},
    {"folds": {"k": 3}},
    {"folds": {"k": 3, "seed": 1}},
    {"folds": {"k": 3, "by": "stratified"}},
    {"lists": LISTED},
    {"lists": LISTED, "image_px": 8, "tasks": ["effusion"]},
    {"lists": {part: f"other/{name}" for part, name in LISTED.items()}},
]
TEN = {part: f"ShenzenCXR_{part}_data.txt" for part in ("train", "valid", "test")}
SHENZHEN: list[dict[str, Any]] = [
    {},
    {"image_px": 8},
    {"seed": 1},
    {"test_share": 0.3},
    {"lists": TEN},
    {"lists": TEN, "image_px": 8},
    {"lists": {**TEN, "train": TEN["test"], "test": TEN["train"]}},
    {"folds": {"k": 3}},
    {"folds": {"k": 3}, "image_px": 8},
    {"folds": {"k": 4}},
]
NAMES = ("train", "valid", "test")


def resolved(folder: Path, settings: list[dict[str, Any]]) -> list[Dataset]:
    """Resolve data sets as a study does, defaults filled in."""
    datasets = {f"d{i}": {"root": str(folder), **one} for i, one in enumerate(settings)}
    study = {**STUDY, "datasets": {**STUDY["datasets"], **datasets}}
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    entries = load_study(folder / "study.yaml").config["datasets"]
    return [resolve_dataset(name, entries[name]) for name in datasets]


def archive(path: Path) -> Path:
    """Write films with masks and with labels, several a patient, which only masks know."""
    discs(path, {"train": 24, "val": 8, "test": 8})
    with np.load(path) as stored:
        arrays = dict(stored)
    labels = {
        f"{split}_labels": np.arange(len(arrays[f"{split}_images"])) % 2
        for split in ("train", "val", "test")
    }
    np.savez(path, **arrays, **labels)
    return path


def splits(dataset: Dataset, by_row: bool = False) -> dict[str, dict[str, set[Any]]]:
    """Return the images of each split by fold, as the reader has them, by their ids or rows."""
    manifest = read_manifest(dataset.declaration, dataset.root)
    ids = np.arange(len(manifest.table)) if by_row else manifest.table["image_id"].to_numpy()
    if manifest.folds is None:
        split = manifest.table["split"].to_numpy()
        return {"all": {name: set(ids[split == name]) for name in NAMES}}
    folds = manifest.folds
    return {
        str(fold): {name: set(ids[folds.rows(name, fold)]) for name in NAMES}
        for fold in range(folds.k)
    }


@pytest.mark.parametrize("kind", ["csv", "chexpert", "nih14", "shenzhen"])
def test_what_is_let_through_has_learned_no_test_image(kind: str, tmp_path: Path) -> None:
    if kind == "csv":
        make_csv(tmp_path, np.random.default_rng(0), patients=60)
        datasets = resolved(tmp_path, [{**PLAIN, **one} for one in CSV])
    elif kind == "nih14":
        make_nih14(tmp_path, np.random.default_rng(0))
        make_lists(tmp_path)
        (tmp_path / "other").mkdir()
        for part, other in {"train": "test", "test": "train", "valid": "valid"}.items():
            (tmp_path / "other" / LISTED[part]).write_text((tmp_path / LISTED[other]).read_text())
        every = {"kind": "nih14", "score_tasks": ["effusion"]}
        datasets = resolved(tmp_path, [{**every, **one} for one in NIH14])
    elif kind == "shenzhen":
        make_shenzhen(tmp_path, np.random.default_rng(0))
        datasets = resolved(tmp_path, [{"kind": "shenzhen", **one} for one in SHENZHEN])
    else:
        make_chexpert(tmp_path, np.random.default_rng(0))
        every = {"kind": "chexpert", "score_tasks": ["edema", "cardiomegaly"]}
        datasets = resolved(tmp_path, [{**every, **one} for one in CHEXPERT])
    found = {dataset.name: splits(dataset) for dataset in datasets}
    passed = learned = 0
    for target, source in itertools.product(datasets, datasets):
        for fold, other in itertools.product(found[target.name], found[source.name]):
            seen = found[source.name][other]
            leaked = found[target.name][fold]["test"] & (seen["train"] | seen["valid"])
            if leaks(target, fold, source, other):
                learned += bool(leaked)
            else:
                assert not leaked, (target.declaration, fold, source.declaration, other)
                passed += target is not source
    assert passed >= 8  # two data sets that are split alike are let through
    assert learned >= 50


def test_labels_and_masks_of_the_same_films_are_divided_alike_or_refused(tmp_path: Path) -> None:
    make_csv(tmp_path, np.random.default_rng(0), patients=60)
    labels = CSV[:8]
    tables = [{**PLAIN, **one} for one in labels], [{**MASKS, **one} for one in MASKED]
    root = {"root": str(archive(tmp_path / "discs.npz"))}
    both = [{**one, **root} for one in ARCHIVES]
    datasets = resolved(tmp_path, [*tables[0], *tables[1], *both])
    names = [dataset.name for dataset in datasets]
    found = {dataset.name: splits(dataset, by_row=True) for dataset in datasets}
    passed = set()
    for target, source in itertools.product(datasets, datasets):
        same = (target.root, target.declaration["kind"]) == (
            source.root,
            source.declaration["kind"],
        )
        if same or target.root != source.root:
            continue
        for fold, other in itertools.product(found[target.name], found[source.name]):
            seen = found[source.name][other]
            learned = found[target.name][fold]["test"] & (seen["train"] | seen["valid"])
            if not leaks(target, fold, source, other):
                assert not learned, (target.declaration, fold, source.declaration, other)
                passed.add((names.index(target.name), names.index(source.name)))
    first, npz = len(labels), len(labels) + len(MASKED)
    # Random, by column, and in folds by patient: from labels to masks, and back.
    alike = {(0, first), (1, first), (2, first + 1), (4, first + 2), (npz, npz + 3)}
    alike |= {(6, first + 3), (7, first + 3), (6, first + 4), (7, first + 4)}
    assert passed == alike | {(b, a) for a, b in alike}


def test_lists_of_one_name_may_be_two_lists(tmp_path: Path) -> None:
    roots = [tmp_path / name for name in ("one", "two", "three")]
    for root in roots:
        make_shenzhen(root, np.random.default_rng(0))
    lists = [(roots[1] / TEN[part]).read_text() for part in ("train", "test")]
    (roots[1] / TEN["train"]).write_text(lists[1])
    (roots[1] / TEN["test"]).write_text(lists[0])
    one, two, three = (resolved(root, [{"kind": "shenzhen", "lists": TEN}])[0] for root in roots)
    two, three = replace(two, name="two"), replace(three, name="three")
    assert leaks(one, "all", two, "all") and not leaks(one, "all", three, "all")


@pytest.mark.parametrize("cut", [{"split": RANDOM}, {"folds": {"k": 3}}])
def test_near_duplicates_are_told_by_looks_which_then_decide_the_split(
    cut: dict[str, Any], tmp_path: Path
) -> None:
    make_csv(tmp_path, np.random.default_rng(0))
    group = {**PLAIN, **cut, "patient_column": None, "group": "duplicates", "image_px": 32}
    looks = [{"image_px": 64}, {"resize": "pad"}, {"channels": "rgb"}, {"white": 255}]
    others = [{"group": None}, *looks, {"label_columns": ["Micro-Calcification"]}]
    first, *rest = resolved(tmp_path, [group, *({**group, **other} for other in others)])
    fold = "all" if "split" in cut else "0"
    found = [leaks(first, fold, other, fold) for other in rest]
    assert found == [True, True, True, True, True, False]
    alone = resolved(tmp_path, [{**group, "group": None, **look} for look in ({}, *looks)])
    # Without groups, folds of images without patients are dealt out by labels alone.
    assert not any(leaks(alone[0], fold, other, fold) for other in alone[1:])


def test_what_was_learned_before_is_followed_through_the_chain() -> None:
    def entry(cell: str, role: str, data: str, source: str | None) -> dict[str, Any]:
        return {"cell": cell, "role": role, "dataset_id": data, "source_cell": source}

    cells = [
        entry("a", "target", "films", "b"),
        entry("b", "source", "films", "c"),
        entry("c", "source", "shapes", "d"),
        entry("d", "source", "photos", None),
        entry("e", "target", "films", "d"),
        entry("f", "target", "others", None),
        entry("g", "target", "others", "d"),
    ]
    assert [pair[:2] for pair in passed_on(cells)] == [
        ("films", "shapes"),
        ("films", "photos"),
        ("others", "photos"),
    ]
    assert not any(pair.folds for pair in passed_on(cells))


def test_folds_are_kept_along_the_chain() -> None:
    def entry(cell: str, role: str, data: str, source: str | None, **fold: str) -> dict[str, Any]:
        return {"cell": cell, "role": role, "dataset_id": data, "source_cell": source, **fold}

    cells = [
        entry("a0", "target", "films", "b0", fold="0"),
        entry("a1", "target", "films", "b1", fold="1"),
        entry("b0", "source", "shapes", "c", fold="0"),
        entry("b1", "source", "shapes", "c", fold="2"),
        entry("c", "source", "photos", None),
    ]
    shapes, photos = passed_on(cells)
    assert shapes == ("films", "shapes", (("0", "0"), ("1", "2")))
    assert photos == ("films", "photos", ())  # which are not cut into folds


def test_released_chest_weights_are_told_from_their_own_films_along_the_chain(
    tmp_path: Path,
) -> None:
    make_nih14(tmp_path / "nih", np.random.default_rng(0))
    make_shenzhen(tmp_path / "tb", np.random.default_rng(0))
    (tmp_path / "w.pth.tar").write_bytes(b"1")
    chest = {"kind": "release", "release": "imagenet_chestxray14"}
    films = {"kind": "nih14", "root": str(tmp_path / "nih"), "score_tasks": ["effusion"]}
    data = {
        "nih": films,
        "tb": {"kind": "shenzhen", "root": str(tmp_path / "tb"), "image_px": 64},
    }
    pretrainings = {
        "chest": {**chest, "path": str(tmp_path / "w.pth.tar")},
        "kept": {"of": "chest", "derive": [{"keep": {"through": 2}}]},
        "tb": {"kind": "cell", "dataset": "tb", "protocol": "source", "pretraining": "chest"},
    }
    found = {}
    for name in pretrainings:
        for target in data:
            axes = {"architectures": ["resnet50"], "truncations": [0], "seeds": [0]}
            cells = grid(datasets=[target], pretrainings=[name], **axes)
            study = {"datasets": data, "pretrainings": pretrainings, **cells}
            if target == name:
                continue
            told = [one for one in planned(tmp_path, study).warnings if "goes back to" in one]
            found[name, target] = told
    assert not found["chest", "tb"] and not found["kept", "tb"]
    for name in pretrainings:
        (told,) = found[name, "nih"]
        assert f"pretraining '{name}' goes back to release 'imagenet_chestxray14', which" in told
        assert "learned from films of nih14, and data set 'nih' holds such films" in told


@pytest.mark.parametrize(
    ("masks", "films", "leaking"),
    [
        ({}, {}, False),
        ({"patients": 50}, {"patients": 90}, False),  # a film belongs to its split by name
        ({"folds": {"k": 3}}, {}, True),
        ({"folds": {"k": 3}}, {"folds": {"k": 3}}, True),
        ({"folds": {"k": 3}, "seed": 1}, {}, False),
    ],
)
def test_drawn_films_are_the_same_with_masks_and_with_labels(
    tmp_path: Path, masks: dict[str, Any], films: dict[str, Any], leaking: bool
) -> None:
    path = tmp_path / "study.yaml"
    data = {"masks": {"kind": "mask_phantom", **masks}, "films": {"kind": "phantom", **films}}
    path.write_text(yaml.safe_dump({**STUDY, "datasets": {**STUDY["datasets"], **data}}))
    settings = load_study(path).config["datasets"]
    target, source = (resolve_dataset(name, settings[name]) for name in ("masks", "films"))
    assert leaks(target, "0" if masks.get("folds") else "all", source, "all") == leaking
    assert leaks(source, "all", target, "0" if masks.get("folds") else "all") == leaking
