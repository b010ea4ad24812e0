from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from datasets.chexpert.make import make

from transfergrid.data.cache import build_cache
from transfergrid.data.kinds import read_manifest
from transfergrid.data.store import SPLITS, open_split, read_card
from transfergrid.runtime.errors import UserError

DECLARATION = {"id": "chex-12345678", "kind": "chexpert", "image_px": 16, "score_tasks": 5}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("store")
    make(root, np.random.default_rng(0))
    card = build_cache(DECLARATION, root, root / "cache" / "chex-12345678", workers=2)
    return root, root / "cache" / "chex-12345678", card


@pytest.fixture
def cache(made, tmp_path):
    shutil.copytree(made[1], tmp_path / "cache")
    return tmp_path / "cache"


def test_a_split_comes_back_as_the_manifest_had_it(made):
    root, cache, _ = made
    manifest = read_manifest(DECLARATION, root)
    for name in SPLITS:
        rows = manifest.table[manifest.table["split"] == name]
        split = open_split(cache, name)
        np.testing.assert_array_equal(split.labels, rows[list(manifest.tasks)])
        assert split.labels.dtype == np.float32
        for column in ("image_id", "study_id", "patient_id"):
            values = getattr(split, column)
            assert values.dtype.kind == "U"
            assert values.tolist() == rows[column].tolist()
        assert split.images.shape == (len(rows), 16, 16)
        assert split.images.dtype == np.uint8
        assert isinstance(split.images, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            split.images[0] = 0


def test_the_card_is_a_record(made):
    _, cache, card = made
    record = read_card(cache)
    assert record.tasks == tuple(card["tasks"])
    assert record.score_tasks == tuple(card["score_tasks"])
    assert record.splits == card["splits"]
    assert record.content_sha256 == card["content_sha256"]


_OPENED: list[str] | None = None


def _watch(event, arguments):
    if event == "open" and _OPENED is not None:
        _OPENED.append(str(arguments[0]))


sys.addaudithook(_watch)


@pytest.mark.parametrize("name", ["train", "valid"])
def test_training_never_opens_the_test_images(made, name):
    global _OPENED
    _OPENED = []
    try:
        split = open_split(made[1], name)
        split.images.sum()
        opened = _OPENED
    finally:
        _OPENED = None
    arrays = {path.rpartition("/")[2] for path in opened if path.endswith(".npy")}
    assert arrays == {f"{name}.npy"}


def test_training_never_reads_the_test_labels(cache):
    expected = {name: open_split(cache, name) for name in ("train", "valid")}
    (cache / "test.npy").unlink()
    index = cache / "index.parquet"
    data = bytearray(index.read_bytes())
    group = pq.ParquetFile(index).metadata.row_group(SPLITS.index("test"))
    for i in range(group.num_columns):
        chunk = group.column(i)
        starts = [o for o in (chunk.dictionary_page_offset, chunk.data_page_offset) if o]
        data[min(starts) : min(starts) + chunk.total_compressed_size] = bytes(
            chunk.total_compressed_size
        )
    index.write_bytes(data)
    for name, split in expected.items():
        again = open_split(cache, name)
        np.testing.assert_array_equal(again.labels, split.labels)
        np.testing.assert_array_equal(again.image_id, split.image_id)
    with pytest.raises(UserError, match="its test part cannot be read"):
        open_split(cache, "test")


def test_the_index_has_no_statistics_that_would_tell_of_test_labels(made):
    metadata = pq.ParquetFile(made[1] / "index.parquet").metadata
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            assert metadata.row_group(group).column(column).statistics is None


def test_reading_a_cache_needs_neither_pandas_nor_pillow(made):
    program = (
        "import sys; from transfergrid.data.store import open_split, read_card\n"
        f"card = read_card({str(made[1])!r}); split = open_split({str(made[1])!r}, 'train')\n"
        "assert len(split.images)\n"
        "print(sorted({'pandas', 'PIL', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_an_unknown_split_is_named(made):
    with pytest.raises(UserError, match="'tset' is no split of a cache; choose one of train"):
        open_split(made[1], "tset")


@pytest.mark.parametrize("name", ["card.json", "index.parquet", "train.npy"])
def test_a_missing_or_broken_file_is_told(cache, name):
    (cache / name).write_bytes(b"{")
    with pytest.raises(UserError, match=r"cache .* is broken: .*; delete the folder"):
        open_split(cache, "train")
    (cache / name).unlink()
    with pytest.raises(UserError, match=r"cache .* is broken: .*; delete the folder"):
        open_split(cache, "train")


def test_a_card_without_a_key_is_told(cache):
    card = json.loads((cache / "card.json").read_text())
    del card["aggregate"]
    (cache / "card.json").write_text(json.dumps(card))
    with pytest.raises(UserError, match=r"card\.json cannot be read \('aggregate'\)"):
        read_card(cache)


def test_an_index_that_does_not_fit_is_told(cache):
    np.save(cache / "train.npy", np.load(cache / "train.npy")[1:])
    with pytest.raises(UserError, match=r"the index does not fit train\.npy"):
        open_split(cache, "train")


def test_an_index_in_another_order_is_told(cache):
    whole = pq.read_table(cache / "index.parquet")
    of = {name: whole.filter(pc.equal(whole["split"], name)) for name in SPLITS}
    np.save(cache / "valid.npy", np.load(cache / "test.npy"))
    with pq.ParquetWriter(cache / "index.parquet", whole.schema) as writer:
        for name in ("train", "test", "valid"):
            writer.write_table(of[name])
    with pytest.raises(UserError, match=r"the index does not fit valid\.npy"):
        open_split(cache, "valid")
