"""Stored features against the network that they stand for; kills, flipped bits and full disks."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from unit.training.tiny import SIZES, TinyNet, make_cache, make_spec

from transfergrid.data.store import file_of_test, open_split, read_card
from transfergrid.evaluation import extraction
from transfergrid.evaluation.extraction import JOURNAL, extract
from transfergrid.evaluation.features import Features
from transfergrid.models.initial import initial_model
from transfergrid.models.normalise import Normalise
from transfergrid.planning.features import Features as Planned
from transfergrid.planning.features import features_of
from transfergrid.planning.prefix import Prefix
from transfergrid.runtime.errors import Stopped, UserError
from transfergrid.runtime.hashing import sha256_file
from transfergrid.runtime.sealed import read_sealed

FILES = [f"{name}.npy" for name in SIZES]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "BATCH_SIZE", 4)
    monkeypatch.setattr(extraction, "PIECE", 8)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a job that was never stopped."""
    results = tmp_path_factory.mktemp("uninterrupted")
    make_cache(results)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extraction, "BATCH_SIZE", 4)
        patch.setattr(extraction, "PIECE", 8)
        return content(make(results))


def planned(seed: int = 0, factory: str = "network") -> Planned:
    spec = make_spec(factory)
    made_of = {key: spec[key] for key in ("architecture", "weights")} | {"dataset": "tiny-0"}
    return features_of(made_of, seed, "random", Prefix(0, True))


def make(results: Path, check: Callable[[], None] = lambda: None, **of: object) -> Path:
    features = planned(**of)  # type: ignore[arg-type]
    extract(features.id, features.made_from, results, "cpu", check)
    return results / "features" / features.id


def opened(results: Path, folder: Path) -> Features:
    return Features.of(folder.name, results, read_card(results / "cache" / "tiny-0"))


def stops_after(batches: int) -> Callable[[], None]:
    left = iter(range(batches))

    def check() -> None:
        if next(left, None) is None:
            raise Stopped

    return check


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_features_are_the_input_of_the_networks_classifier(tmp_path: Path) -> None:
    make_cache(tmp_path)
    folder = make(tmp_path)
    model, preprocessing, _ = initial_model(make_spec(), tmp_path, 1)
    assert isinstance(model, TinyNet)
    model.eval()
    for name in SIZES:
        split = open_split(tmp_path / "cache" / "tiny-0", name)
        shown = Normalise(preprocessing)(torch.from_numpy(np.array(split.images)))
        with torch.inference_mode():
            expected = model.last(model.stem(shown)).mean((2, 3)).numpy()
        found = opened(tmp_path, folder).rows_of(split)
        assert found.dtype == np.float32 and isinstance(found, np.memmap)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    receipt = read_sealed(folder / "receipt.json")
    assert receipt["files"] == {name: sha256_file(folder / name) for name in FILES}
    assert set(content(folder)) == {*FILES, "receipt.json", JOURNAL}


@pytest.mark.parametrize("batches", [0, 1, 4, 13, 20, 25])
def test_a_stopped_job_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, uninterrupted: dict[str, bytes], batches: int
) -> None:
    make_cache(tmp_path)
    with pytest.raises(Stopped):
        make(tmp_path, stops_after(batches))
    features = tmp_path / "features" / planned().id
    assert not (features / "receipt.json").exists()
    # Of all 26 batches those of whole pieces are not computed again.
    assert content(make(tmp_path, stops_after(26 - batches + 1))) == uninterrupted


def test_what_a_kill_left_half_written_is_not_used(
    tmp_path: Path, uninterrupted: dict[str, bytes]
) -> None:
    make_cache(tmp_path)
    with pytest.raises(Stopped):
        make(tmp_path, stops_after(9))
    folder = tmp_path / "features" / planned().id
    growing = folder / "train.npy.part"
    data = bytearray(growing.read_bytes())
    data[150] ^= 1  # in the first piece
    growing.write_bytes(bytes(data) + b"half a piece")
    assert content(make(tmp_path)) == uninterrupted


def test_a_journal_of_other_circumstances_is_not_gone_on_from(tmp_path: Path) -> None:
    make_cache(tmp_path)
    with pytest.raises(Stopped):
        make(tmp_path, stops_after(9))
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        with pytest.raises(Stopped):
            make(tmp_path, stops_after(25))
        make(tmp_path)
    finally:
        torch.set_num_threads(threads)


def test_a_full_disk_is_a_sentence_and_leaves_what_is_whole(
    tmp_path: Path, uninterrupted: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_cache(tmp_path)
    real, left = os.fsync, iter(range(9))

    def full(descriptor: int) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(UserError, match="no space left"):
            make(tmp_path)
    folder = tmp_path / "features" / planned().id
    assert not (folder / "receipt.json").exists()
    ((name, pieces),) = read_sealed(folder / JOURNAL)["growing"].items()
    size = SIZES[name.removesuffix(".npy")]
    header, rows = len(uninterrupted[name]) - size * 8 * 4, min(8 * len(pieces), size)
    assert (folder / f"{name}.part").stat().st_size == header + rows * 8 * 4
    assert content(make(tmp_path)) == uninterrupted


def test_a_lost_receipt_costs_no_forward_pass_and_a_damaged_file_only_its_own(
    tmp_path: Path, uninterrupted: dict[str, bytes]
) -> None:
    make_cache(tmp_path)
    folder = make(tmp_path)
    (folder / "receipt.json").unlink()
    assert content(make(tmp_path, stops_after(0))) == uninterrupted
    damaged = bytearray((folder / "valid.npy").read_bytes())
    damaged[-1] ^= 1
    (folder / "valid.npy").write_bytes(damaged)
    (folder / "test.npy").unlink()
    assert content(make(tmp_path, stops_after(8 + 5))) == uninterrupted


def test_training_cannot_open_what_it_is_tested_on(tmp_path: Path) -> None:
    make_cache(tmp_path)
    features = opened(tmp_path, make(tmp_path))
    cache = tmp_path / "cache" / "tiny-0"
    assert file_of_test(None) == "test.npy" and file_of_test(2) == "part2.npy"
    assert len(features.rows_of(open_split(cache, "train"), "test.npy")) == SIZES["train"]
    with pytest.raises(UserError, match="no training opens that"):
        features.rows_of(open_split(cache, "test"), "test.npy")


def test_features_that_do_not_fit_their_images_are_refused(tmp_path: Path) -> None:
    make_cache(tmp_path)
    folder = make(tmp_path)
    cache = tmp_path / "cache" / "tiny-0"
    features = opened(tmp_path, folder)
    features.verify(FILES).wait()
    np.save(folder / "train.npy", np.zeros((7, 8), np.float32))
    with pytest.raises(UserError, match="does not fit its images; remove"):
        features.rows_of(open_split(cache, "train"))
    with pytest.raises(UserError, match="not the file that was written"):
        features.verify(["train.npy"]).wait()
    (folder / "receipt.json").unlink()
    with pytest.raises(UserError, match="is missing; run snakemake"):
        opened(tmp_path, folder)


def test_features_of_other_images_are_refused(tmp_path: Path) -> None:
    make_cache(tmp_path)
    folder = make(tmp_path)
    card = read_card(tmp_path / "cache" / "tiny-0")
    other = type(card)(**{**vars(card), "content_sha256": "1"})
    with pytest.raises(UserError, match="made from other images"):
        Features.of(folder.name, tmp_path, other)


def test_damaged_pixels_leave_no_receipt(tmp_path: Path) -> None:
    make_cache(tmp_path)
    images = np.load(tmp_path / "cache" / "tiny-0" / "test.npy")
    np.save(tmp_path / "cache" / "tiny-0" / "test.npy", images + 1)
    with pytest.raises(UserError, match="not the file that was written"):
        make(tmp_path)
    assert not (tmp_path / "features" / planned().id / "receipt.json").exists()


def test_a_network_that_draws_before_its_classifier_has_no_features(tmp_path: Path) -> None:
    make_cache(tmp_path)
    with pytest.raises(UserError, match="draws at random"):
        make(tmp_path, factory="dropout_network")
