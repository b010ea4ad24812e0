from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets.chexpert.make import make as make_chexpert
from datasets.csv.make import make as make_csv
from datasets.medmnist.make import make as make_npz
from PIL import Image

from transfergrid.data import blocks, store
from transfergrid.data.admission import difference
from transfergrid.data.cache import build_cache
from transfergrid.data.crossvalidation import truth
from transfergrid.data.kinds import read_manifest
from transfergrid.data.store import SPLITS, open_split, read_card, verify_pixels
from transfergrid.planning.records import is_whole
from transfergrid.runtime.errors import UserError

CSV: dict[str, Any] = {
    "id": "own-12345678",
    "kind": "csv",
    "image_px": 12,
    "table": "labels.csv",
    "image_column": "image",
    "label_columns": ["Mass", "Micro-Calcification"],
    "patient_column": "patient",
    "channels": "grey",
    "folds": {"k": 4, "seed": 1, "valid": "next"},
}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("films")
    make_csv(root, np.random.default_rng(0))
    return root


@pytest.fixture(scope="module", params=["next", 0.3])
def made(request: Any, films: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    declaration = {**CSV, "folds": {**CSV["folds"], "valid": request.param}}
    cache = tmp_path_factory.mktemp("cache") / "own-12345678"
    build_cache(declaration, films, cache, 2)
    return declaration, cache


@pytest.fixture
def cache(made: Any, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made[1], tmp_path / "cache"))


def edited(films: Path, tmp_path: Path, change: Any) -> Path:
    shutil.copytree(films, tmp_path / "films")
    frame = pd.read_csv(tmp_path / "films" / "labels.csv", dtype=str, keep_default_na=False)
    change(frame).to_csv(tmp_path / "films" / "labels.csv", index=False)
    return tmp_path / "films"


def test_each_image_is_decoded_once(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    real = blocks.decoded

    def counted(source: Any, index: int) -> Any:
        decoded.append(index)
        return real(source, index)

    monkeypatch.setattr(blocks, "decoded", counted)
    build_cache(CSV, films, tmp_path / "cache", 1)
    assert sorted(decoded) == list(range(len(pd.read_csv(films / "labels.csv"))))


def test_folds_are_one_store_of_every_image(made: Any, films: Path, tmp_path: Path) -> None:
    declaration, cache = made
    arrays = sorted(path.name for path in cache.glob("*.npy"))
    assert arrays == [f"part{number}.npy" for number in range(4)]
    once = {**declaration, "folds": None}
    once["split"] = {"column": "part", "train": ["development"], "valid": ["tuning"]}
    once["split"]["test"] = ["holdout"]
    build_cache(once, films, tmp_path / "once", 2)
    single = {}
    for name in SPLITS:
        split = open_split(tmp_path / "once", name)
        single |= dict(zip(split.image_id.tolist(), np.asarray(split.images), strict=True))
    assert sum(len(np.load(cache / name)) for name in arrays) == len(single)
    manifest = read_manifest(declaration, films)
    table, folds = manifest.table, manifest.folds
    assert folds is not None
    for fold in range(4):
        for name in SPLITS:
            split = open_split(cache, name, fold)
            rows = folds.rows(name, fold)
            assert sorted(split.image_id) == sorted(table.loc[rows, "image_id"])
            for row, image in enumerate(split.image_id.tolist()):
                assert np.array_equal(split.images[row], single[image])
            here = table.set_index("image_id").loc[split.image_id]
            np.testing.assert_array_equal(split.labels, here[list(manifest.tasks)])
            assert split.patient_id.tolist() == here["patient_id"].tolist()
        people = [set(open_split(cache, name, fold).patient_id) for name in SPLITS]
        assert not people[0] & people[1] and not people[0] & people[2] and not people[1] & people[2]


def test_the_card_counts_parts_and_what_each_fold_sees(made: Any) -> None:
    cache = made[1]
    for fold in range(4):
        card = read_card(cache, fold)
        assert (card.folds, set(card.parts or ())) == (4, {f"part{n}" for n in range(4)})
        for name in SPLITS:
            split = open_split(cache, name, fold)
            counts = card.splits[name]
            assert counts["images"] == len(split.images)
            assert counts["patients"] == len(set(split.patient_id))
            assert counts["positives"]["mass"] == (split.labels[:, 0] == 1).sum()
    assert any("Cross-validation in 4 folds, patients drawn at random" in n for n in card.notes)
    for wrong in (None, 4):
        with pytest.raises(UserError, match="data set 'own' has folds 0 to 3"):
            read_card(cache, wrong)


_OPENED: list[str] | None = None


def _watch(event: str, arguments: Any) -> None:
    if event == "open" and _OPENED is not None:
        _OPENED.append(str(arguments[0]))


sys.addaudithook(_watch)


@pytest.mark.parametrize("fold", range(4))
def test_a_fold_learns_without_the_part_that_it_tests_on(cache: Path, fold: int) -> None:
    global _OPENED
    expected = {name: open_split(cache, name, fold) for name in ("train", "valid")}
    (cache / f"part{fold}.npy").unlink()
    index = cache / "index.parquet"
    data = bytearray(index.read_bytes())
    group = pq.ParquetFile(index).metadata.row_group(fold)
    for i in range(group.num_columns):
        chunk = group.column(i)
        starts = [o for o in (chunk.dictionary_page_offset, chunk.data_page_offset) if o]
        data[min(starts) : min(starts) + chunk.total_compressed_size] = bytes(
            chunk.total_compressed_size
        )
    index.write_bytes(data)
    _OPENED = []
    try:
        for name, before in expected.items():
            again = open_split(cache, name, fold)
            assert np.array_equal(np.asarray(again.images), np.asarray(before.images))
            np.testing.assert_array_equal(again.labels, before.labels)
            verify_pixels(cache, again).wait()
        opened = {Path(path).name for path in _OPENED}
    finally:
        _OPENED = None
    assert f"part{fold}.npy" not in opened
    assert len([name for name in opened if name.endswith(".npy")]) == 3
    with pytest.raises(UserError, match=f"its part{fold} part cannot be read"):
        open_split(cache, "test", fold)


@pytest.mark.parametrize("name", ["train", "valid"])
def test_a_training_that_opens_its_test_part_raises(
    made: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_parts_of", lambda split, fold, k: range(k))
    with pytest.raises(UserError, match=f"the {name} images of fold 2 were looked for in part2, "):
        open_split(made[1], name, 2)


def test_a_store_in_parts_notices_what_was_changed(made: Any, cache: Path) -> None:
    assert is_whole(cache)
    train = open_split(cache, "train", 0)
    array = np.load(cache / "part2.npy")
    array[0, 0, 0] ^= 1
    np.save(cache / "part2.npy", array)
    with pytest.raises(UserError, match=r"part2\.npy"):
        verify_pixels(cache, train).wait()
    table = pq.read_table(cache / "index.parquet")
    for column in ("truth_mass", "valid"):
        values = table.column(column).to_pylist()
        values[-1] = 1 - values[-1] if column == "truth_mass" else [0, 1, 2]
        field = table.schema.field(column)
        changed = table.set_column(
            table.schema.get_field_index(column), field, pa.array(values, field.type)
        )
        sizes = [len(np.load(made[1] / f"part{number}.npy")) for number in range(4)]
        with pq.ParquetWriter(cache / "index.parquet", changed.schema) as writer:
            for number, size in enumerate(sizes):
                writer.write_table(changed.slice(sum(sizes[:number]), size), row_group_size=size)
        with pytest.raises(UserError, match="the part3 rows of index.parquet are not those"):
            open_split(cache, "test", 3)
    (cache / "part0.npy").unlink()
    assert not is_whole(cache)


def test_another_draw_is_another_content(films: Path, tmp_path: Path) -> None:
    origins = []
    for seed in (1, 2):
        declaration = {**CSV, "folds": {**CSV["folds"], "seed": seed}}
        build_cache(declaration, films, tmp_path / str(seed), 2, origins.append)
    assert origins[0].content_sha256 != origins[1].content_sha256
    found = difference(*origins)
    assert (list(found.changed), list(found.added)) == ([], [])
    assert set(found.relabelled) <= {f"part{number}" for number in range(4)} != set()


def test_a_fold_without_a_class_is_named_and_kept(films: Path, tmp_path: Path) -> None:
    def rare(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(Mass=["1" if p in ("001", "003") else "0" for p in frame["patient"]])

    root = edited(films, tmp_path, rare)
    manifest = read_manifest(CSV, root)
    lacking = [
        note for note in manifest.notes if "tests no image that is positive for mass" in note
    ]
    assert 2 <= len(lacking) < 4
    build_cache(CSV, root, tmp_path / "cache", 2)
    ranked = {read_card(tmp_path / "cache", fold).ranked_tasks for fold in range(4)}
    assert ("micro_calcification",) in ranked
    assert ("mass", "micro_calcification") in ranked
    for fold in range(4):
        card = read_card(tmp_path / "cache", fold)
        labels = open_split(tmp_path / "cache", "valid", fold).labels
        assert ("mass" in card.ranked_tasks) == bool((labels[:, 0] == 1).any())


def test_groups_keep_near_duplicates_in_one_part(films: Path, tmp_path: Path) -> None:
    def grouped(frame: pd.DataFrame) -> pd.DataFrame:
        numbers = frame["patient"].astype(int)
        return frame.assign(g=["" if n > 8 else str(n // 3) for n in numbers])

    root = edited(films, tmp_path, grouped)
    copy = root / "images" / "copy.png"
    shutil.copy(next((root / "images").glob("000a*.png")), copy)
    frame = pd.read_csv(root / "labels.csv", dtype=str, keep_default_na=False)
    row = frame.iloc[[0]].assign(image="images/copy.png", patient="901")
    pd.concat([frame, row]).to_csv(root / "labels.csv", index=False)
    declaration = {**CSV, "folds": {**CSV["folds"], "group_column": "g"}}
    manifest = read_manifest(declaration, root)
    part = manifest.table.groupby("patient_id")["split"].first()
    for low in (0, 3, 6):
        assert part[[f"{low + n:03d}" for n in range(3)]].nunique() == 1
    assert part["901"] == part["000"]
    assert any("4 folds, groups drawn at random" in note for note in manifest.notes)
    build_cache(declaration, root, tmp_path / "cache", 2)
    apart = {**CSV, "folds": {**CSV["folds"], "column": "f", "k": 3}}
    frame = pd.read_csv(root / "labels.csv", dtype=str, keep_default_na=False)
    f = [str((int(p) + 1) % 3) for p in frame["patient"]]
    frame.assign(f=f).to_csv(root / "labels.csv", index=False)
    with pytest.raises(UserError, match=r"more than one part, .* give equal images one group"):
        build_cache(apart, root, tmp_path / "other", 2)


@pytest.mark.parametrize("policy", ["ignore", "ones", "smooth"])
def test_chexperts_guesses_are_learned_from_and_never_scored(tmp_path: Path, policy: str) -> None:
    make_chexpert(tmp_path, np.random.default_rng(0))
    declaration = {"kind": "chexpert", "image_px": 8, "uncertain": policy, "folds": {"k": 3}}
    manifest = read_manifest(declaration, tmp_path)
    published = pd.concat(
        pd.read_csv(path) for path in sorted(tmp_path.glob("*/*.csv")) if path.name != "none"
    )
    published["image_id"] = published["Path"].str.partition("/")[2]
    frame = published.set_index("image_id").loc[manifest.table["image_id"]]
    for task, column in (("edema", "Edema"), ("pneumonia", "Pneumonia")):
        learned = manifest.table[task].to_numpy()
        scored = truth(manifest)[:, manifest.tasks.index(task)]
        uncertain = (frame[column] == -1).to_numpy()
        assert np.isnan(scored[uncertain]).all()
        assert np.array_equal(scored[~uncertain], frame[column].fillna(0)[~uncertain])
        train = uncertain & manifest.table["image_id"].str.startswith("train/").to_numpy()
        assert train.any()
        assert {
            "ignore": np.isnan(learned[train]).all(),
            "ones": (learned[train] == 1).all(),
            "smooth": ((learned[train] > 0.5) & (learned[train] < 0.9)).all(),
        }[policy]
    build_cache(declaration | {"id": "c-1"}, tmp_path, tmp_path / "cache", 2)
    column = manifest.tasks.index("edema")
    tested = np.concatenate(
        [open_split(tmp_path / "cache", "test", fold).labels[:, column] for fold in range(3)]
    )
    assert set(tested[~np.isnan(tested)].tolist()) <= {0.0, 1.0}
    assert np.isnan(tested).sum() == (frame["Edema"] == -1).sum()


def test_data_sets_without_patients_are_dealt_out_by_their_labels(tmp_path: Path) -> None:
    path = make_npz(tmp_path / "tiny.npz", np.random.default_rng(0)) or tmp_path / "tiny.npz"
    manifest = read_manifest({"kind": "medmnist", "folds": {"k": 3}}, path)
    assert any("3 folds, images dealt out by their labels" in note for note in manifest.notes)
    assert any("Its own splits were pooled" in note for note in manifest.notes)
    counts = manifest.table.groupby("split")[list(manifest.tasks)].sum()
    rare = counts.sum().idxmin()
    assert counts[rare].max() - counts[rare].min() <= 1


def test_drawn_films_can_be_cut_into_folds_and_keep_their_regions(tmp_path: Path) -> None:
    from transfergrid.data.regions import true_regions

    declaration = {"kind": "phantom", "set": "chest", "patients": 30, "valid_patients": 10}
    declaration |= {"test_patients": 10, "image_px": 16, "folds": {"k": 3}}
    declaration |= {"tasks": ["Pleural Effusion", "Edema"], "score_tasks": None, "resize": "crop"}
    manifest = read_manifest(declaration, tmp_path)
    assert manifest.table["image_id"].str.partition("/")[0].nunique() == 3
    regions = true_regions(declaration)
    assert regions is not None
    for image in manifest.table["image_id"]:
        regions.find(image, "edema")


def test_a_reader_of_ones_own_may_give_groups(films: Path) -> None:
    from transfergrid.data.crossvalidation import cross_validated

    manifest = read_manifest({**CSV, "folds": {"k": 3}}, films)
    bare = replace(manifest, folds=None, notes=())
    with pytest.raises(UserError, match=r"returned no groups; have it fill Manifest\.groups"):
        cross_validated(bare, {"kind": "a:b", "folds": {"k": 3, "by": "group"}}, films)
    with pytest.raises(UserError, match=r"no published folds; have it fill Manifest\.published"):
        cross_validated(bare, {"kind": "a:b", "folds": {"k": 3, "column": "f"}}, films)
    groups = np.array([str(int(p) // 6) for p in manifest.table["patient_id"]])
    cut = cross_validated(replace(bare, groups=groups), {"kind": "a:b", "folds": {"k": 3}}, films)
    assert (cut.table.groupby(groups)["split"].nunique() == 1).all()


def test_images_of_a_store_in_parts_are_those_of_the_files(films: Path, made: Any) -> None:
    split = open_split(made[1], "test", 1)
    with Image.open(films / split.image_id[0]) as picture:
        assert abs(float(split.images[0].mean()) - np.asarray(picture.convert("L")).mean()) < 25
