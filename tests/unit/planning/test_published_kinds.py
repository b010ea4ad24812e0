"""Published data sets in a study: what of them is hashed, counted and refused at planning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets.busi.make import make as make_busi
from datasets.cbis_ddsm.make import make as make_cbis_ddsm
from datasets.ddti.make import make as make_ddti
from datasets.drive.make import make as make_drive
from datasets.isic2018.make import make as make_isic2018
from datasets.kermany.make import make as make_kermany
from datasets.montgomery.make import make as make_montgomery
from datasets.mrnet.make import make as make_mrnet
from datasets.nih14.make import LISTED, make_lists
from datasets.nih14.make import make as make_nih14
from datasets.pcam.make import make_files as make_pcam
from datasets.shenzhen.make import make as make_shenzhen
from datasets.siim.make import make as make_siim
from unit.planning.made_up_plan import grid, planned

from transfergrid.commands.images import count_images
from transfergrid.data.cache import build_cache
from transfergrid.data.kinds import read_manifest
from transfergrid.planning.inputs import Dataset, check_dataset
from transfergrid.planning.leaks import leaks
from transfergrid.planning.tasks import possible_kinds
from transfergrid.runtime.errors import UserError

MAKERS: dict[str, Callable[..., None]] = {
    "busi": make_busi,
    "cbis_ddsm": make_cbis_ddsm,
    "ddti": make_ddti,
    "mrnet": make_mrnet,
    "nih14": make_nih14,
    "shenzhen": make_shenzhen,
    "kermany": make_kermany,
    "isic2018": make_isic2018,
    "pcam": make_pcam,
    "siim": make_siim,
    "montgomery": make_montgomery,
    "drive": make_drive,
}
NEEDED: dict[str, dict[str, Any]] = {
    "nih14": {"score_tasks": ["effusion"]},
    **{kind: {"image_px": 64} for kind in ("siim", "montgomery", "drive")},
}
"""What a small copy needs beside its root, so that it can be scored."""


def declared(tmp_path: Path, kind: str, **settings: Any) -> Dataset:
    """Plan a study of one data set, whose fake copy is made where there is none."""
    root = tmp_path / kind
    if not root.exists():
        MAKERS[kind](root, np.random.default_rng(0))
    data = {
        "datasets": {"x": {"kind": kind, "root": str(root), **NEEDED.get(kind, {}), **settings}}
    }
    axes = grid(datasets=["x"], pretrainings=["random"])
    return planned(tmp_path, {**data, **axes}).datasets["x"]


@pytest.mark.parametrize("kind", MAKERS)
def test_a_published_data_set_is_planned_counted_and_read(tmp_path: Path, kind: str) -> None:
    data = declared(tmp_path, kind)
    assert data.declaration["tables"]
    assert data.declaration["resize"] == ("crop" if kind in ("nih14", "shenzhen") else "stretch")
    assert data.declaration["aggregate"] == ("mean" if kind == "mrnet" else "max")
    manifest = read_manifest(data.declaration, data.root)
    images = count_images(data, (), tmp_path / "results")
    counts = manifest.table["split"].value_counts()
    assert images is not None and images.exact and images.tasks == len(manifest.tasks)
    assert [images.train, images.valid, images.test] == [*counts[["train", "valid", "test"]]]
    assert [found.name for found in possible_kinds(data.declaration)] == [manifest.task_kind]
    card = build_cache(data.declaration, data.root, tmp_path / "cache", 1)
    assert [card["splits"][split]["images"] for split in counts.index] == counts.tolist()
    assert set(manifest.notes) <= set(card["notes"])
    check_dataset(data.location)


@pytest.mark.parametrize("kind", MAKERS)
def test_folds_leave_the_shares_of_a_split_without_meaning(tmp_path: Path, kind: str) -> None:
    data = declared(tmp_path, kind, folds={"k": 3})
    manifest = read_manifest(data.declaration, data.root)
    assert manifest.folds is not None and manifest.folds.k == 3
    images = count_images(data, (), tmp_path / "results")
    assert images is not None and images.total == len(manifest.table)
    with pytest.raises(UserError, match=r"'x': folds say .* so validation_share has no meaning"):
        declared(tmp_path, kind, folds={"k": 3}, validation_share=0.2)


def test_shares_leave_something_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'x': validation_share and test_share are together 1"):
        declared(tmp_path, "busi", validation_share=0.5, test_share=0.5)


def test_an_image_more_in_a_folder_is_another_data_set(tmp_path: Path) -> None:
    before = declared(tmp_path, "busi")
    folder = tmp_path / "busi" / "Dataset_BUSI_with_GT" / "normal"
    (folder / "normal (9).png").write_bytes((folder / "normal (8).png").read_bytes())
    (folder / "notes.txt").touch()
    assert declared(tmp_path, "busi").id != before.id
    with pytest.raises(UserError, match="edited after x-.* was planned"):
        check_dataset(before.location)
    (folder / "normal (9).png").unlink()
    assert declared(tmp_path, "busi").id == before.id
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"'x' has its root at .*empty, which has no image in it"):
        declared(tmp_path, "busi", root=str(tmp_path / "empty"))


@pytest.mark.parametrize(
    ("kind", "file", "old", "new"),
    [
        ("ddti", "2.xml", "<tirads>4a<", "<tirads>2<"),
        ("mrnet", "MRNet-v1.0/valid-acl.csv", "1131,", "1130,"),
        ("cbis_ddsm", "calc_case_description_test_set.csv", "MALIGNANT", "BENIGN"),
    ],
)
def test_another_label_makes_another_data_set(
    tmp_path: Path, kind: str, file: str, old: str, new: str
) -> None:
    before = declared(tmp_path, kind)
    path = tmp_path / kind / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    assert declared(tmp_path, kind).id != before.id
    with pytest.raises(UserError, match="edited after x-.* was planned"):
        check_dataset(before.location)


def test_two_data_sets_of_a_publication_share_its_images(tmp_path: Path) -> None:
    def seen(target: Dataset, source: Dataset) -> bool:
        return leaks(target, "all", replace(source, name="y"), "all")

    busi = declared(tmp_path, "busi")
    below = str(tmp_path / "busi" / "Dataset_BUSI_with_GT")
    assert not seen(busi, declared(tmp_path, "busi", root=below))
    assert seen(busi, declared(tmp_path, "busi", root=below, seed=1))
    mass = declared(tmp_path, "cbis_ddsm", abnormalities="mass")
    assert not seen(mass, declared(tmp_path, "cbis_ddsm", abnormalities="mass", image_px=64))
    # A patient may be trained on for one kind of abnormality, and tested on for the other.
    assert seen(declared(tmp_path, "cbis_ddsm", abnormalities="calcification"), mass)


def test_a_share_to_test_on_has_no_meaning_beside_a_published_test_set(tmp_path: Path) -> None:
    shares = {"validation_share": 0.5, "test_share": 0.6}
    assert declared(tmp_path, "nih14", **shares).declaration["split"] == "official"
    with pytest.raises(UserError, match=r"'x': validation_share and test_share are together 1"):
        declared(tmp_path, "nih14", split="random", **shares)
    with pytest.raises(UserError, match=r"'x': folds say .* so split has no meaning; remove it"):
        declared(tmp_path, "nih14", split="random", folds={"k": 3})


def test_the_lists_of_films_decide_where_no_split_is_drawn(tmp_path: Path) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "official": {},
        "random": {"split": "random"},
        "folds": {"folds": {"k": 3}},
    }
    before = {name: declared(tmp_path, "nih14", **kind).id for name, kind in kinds.items()}
    path = tmp_path / "nih14" / "train_val_list.txt"
    path.write_text(path.read_text() + "\n")
    after = {name: declared(tmp_path, "nih14", **kind).id for name, kind in kinds.items()}
    assert [before[name] == after[name] for name in kinds] == [False, True, True]
    path.unlink()
    assert declared(tmp_path, "nih14", split="random").id == before["random"]
    with pytest.raises(UserError, match=r"train_val_list\.txt does not exist; add the official"):
        declared(tmp_path, "nih14")
    (tmp_path / "nih14" / "Data_Entry_2017_v2020.csv").unlink()
    with pytest.raises(UserError, match="has no table Data_Entry_2017"):
        declared(tmp_path, "nih14", split="random")


@pytest.mark.parametrize("kind", ["nih14", "shenzhen"])
def test_lists_that_a_study_names_leave_nothing_to_draw(tmp_path: Path, kind: str) -> None:
    plain = declared(tmp_path, kind)
    if kind == "nih14":
        make_lists(tmp_path / kind)
    parts = ("train", "valid", "test")
    lists = LISTED if kind == "nih14" else {part: f"ShenzenCXR_{part}_data.txt" for part in parts}
    data = declared(tmp_path, kind, lists=lists)
    assert data.id != plain.id == declared(tmp_path, kind, lists=None).id
    assert "lists" not in plain.declaration and set(lists.values()) < set(
        data.declaration["tables"]
    )
    for key, value in (("seed", 1), ("validation_share", 0.3), ("test_share", 0.3)):
        with pytest.raises(UserError, match=rf"'x': lists say .* so {key} has no meaning; remove"):
            declared(tmp_path, kind, lists=lists, **{key: value})
    with pytest.raises(UserError, match=r"'x': folds say .* so lists has no meaning; remove it"):
        declared(tmp_path, kind, lists=lists, folds={"k": 3})
    with pytest.raises(UserError, match=r"lists' lacks the setting 'test'"):
        declared(tmp_path, kind, lists={part: lists[part] for part in ("train", "valid")})
    path = tmp_path / kind / lists["train"]
    path.write_text(path.read_text() + "\n")
    assert declared(tmp_path, kind, lists=lists).id != data.id
    with pytest.raises(UserError, match="edited after x-.* was planned"):
        check_dataset(data.location)
