from __future__ import annotations

import json
from pathlib import Path

import pytest
from unit.training.tiny import make_cache, make_spec

from transfergrid.evaluation import ahead
from transfergrid.evaluation.predict import score_cell
from transfergrid.training.loop import train

CODE = "0123456789abcdef"
MADE = ("scores/valid.npz", "scores/test.npz", "receipts/evaluate.json")


@pytest.fixture()
def scored(tmp_path: Path) -> tuple[Path, dict[str, bytes]]:
    """A trained cell with scores ready, and what evaluation makes of it."""
    make_cache(tmp_path)
    spec = make_spec(epochs=2, keep_checkpoints=1)
    folder = tmp_path / "cells" / train(spec, tmp_path, threads=1)["cell"]
    score_cell(spec, tmp_path)
    expected = {name: (folder / name).read_bytes() for name in MADE}
    for name in MADE:
        (folder / name).unlink()
    score_cell(spec, tmp_path, into=ahead.begin(folder))
    ahead.sign(folder, CODE, 1)
    assert not (folder / "scores" / "test.npz").exists()
    return folder, expected


def test_what_lies_ready_becomes_what_evaluation_makes(scored) -> None:
    folder, expected = scored
    assert ahead.take_over(folder, CODE, 1)
    assert {name: (folder / name).read_bytes() for name in MADE} == expected
    assert not (folder / ahead.FOLDER).exists()
    assert not ahead.take_over(folder, CODE, 1)


def edit(path: Path, key: str) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), key: "edited"}))


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / "ahead" / "note.json").unlink(),
        lambda folder: (folder / "ahead" / "note.json").write_text("["),
        lambda folder: edit(folder / "ahead" / "note.json", "code"),
        lambda folder: edit(folder / "receipts" / "train.json", "status"),
        lambda folder: (folder / "ahead" / "scores" / "test.npz").write_bytes(b"torn"),
        lambda folder: (folder / "ahead" / "scores" / "valid.npz").unlink(),
        lambda folder: (folder / "ahead" / "receipts" / "evaluate.json").unlink(),
        lambda folder: (folder / "receipts" / "train.json").unlink(),
    ],
)
def test_what_is_not_as_evaluation_would_make_it_is_cleared_away(scored, harm) -> None:
    folder, _ = scored
    harm(folder)
    assert not ahead.take_over(folder, CODE, 1)
    assert not any((folder / name).exists() for name in MADE)
    assert not (folder / ahead.FOLDER).exists()


@pytest.mark.parametrize(("made", "asked", "good"), [(2, 1, False), (None, 2, True)])
def test_scores_of_other_threads_are_taken_from_a_gpu_only(scored, made, asked, good) -> None:
    # On the CPU, the number of threads may decide a last bit.
    folder, _ = scored
    ahead.sign(folder, CODE, made)
    assert ahead.take_over(folder, CODE, asked) is good


def test_new_scores_have_an_empty_place(scored) -> None:
    folder, _ = scored
    assert not ahead.begin(folder).exists()
