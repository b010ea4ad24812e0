from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from transfergrid.training.checkpoints import Checkpoints, Kept

SCORES = st.lists(st.sampled_from([0.5, 0.6, 0.7, 0.8, math.nan]), min_size=1, max_size=12)


def offer_all(folder: Path, best: int, scores: list[float]) -> Checkpoints:
    checkpoints = Checkpoints(folder, best)
    for step, score in enumerate(scores, 1):
        weights = {"w": torch.full((2, 3), float(step)).t()}
        checkpoints.offer(weights, step, score, last=step == len(scores))
    return checkpoints


@given(scores=SCORES, best=st.integers(1, 5))
def test_the_best_and_the_last_are_kept(
    tmp_path_factory: pytest.TempPathFactory, scores: list[float], best: int
) -> None:
    folder = tmp_path_factory.mktemp("kept")
    checkpoints = offer_all(folder, best, scores)
    ranked = sorted(
        range(1, len(scores) + 1),
        key=lambda s: (math.isnan(scores[s - 1]), -scores[s - 1] if scores[s - 1] > 0 else 0, s),
    )
    expected = sorted({*ranked[:best], len(scores)})
    assert [kept.step for kept in checkpoints.kept] == expected
    checkpoints.prune()
    index = json.loads((folder / "index.json").read_text())
    assert [entry["step"] for entry in index["checkpoints"]] == expected
    assert index["last"] == f"step-{len(scores):08d}.safetensors"
    assert index["best"] == f"step-{ranked[0]:08d}.safetensors"
    assert {p.name for p in folder.iterdir()} == {
        "index.json",
        *(f"step-{step:08d}.safetensors" for step in expected),
    }
    for entry in index["checkpoints"]:
        stored = load_file(folder / entry["file"])["w"]
        assert torch.equal(stored, torch.full((3, 2), float(entry["step"])))
        score = scores[entry["step"] - 1]
        assert entry["valid_score"] == (None if math.isnan(score) else score)


def test_with_none_to_keep_the_last_is_not_kept_either(tmp_path: Path) -> None:
    checkpoints = offer_all(tmp_path, 0, [0.5, 0.6])
    assert checkpoints.kept == []
    assert list(tmp_path.iterdir()) == []


def test_dropped_files_stay_until_pruned(tmp_path: Path) -> None:
    checkpoints = offer_all(tmp_path, 1, [0.5, 0.6, 0.7])
    assert len(list(tmp_path.glob("step-*"))) == 3
    checkpoints.prune()
    assert [p.name for p in tmp_path.glob("step-*")] == ["step-00000003.safetensors"]


def test_a_checkpoint_that_does_not_rank_is_not_written(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, 1)
    checkpoints.kept = [Kept("step-00000001.safetensors", 1, 0.9)]
    checkpoints.offer({"w": torch.zeros(1)}, 2, 0.8, last=False)
    assert not list(tmp_path.glob("step-*"))


def test_no_checkpoints_give_an_empty_index(tmp_path: Path) -> None:
    Checkpoints(tmp_path / "new", 3).prune()
    index = json.loads((tmp_path / "new" / "index.json").read_text())
    assert index == {"metric": "", "best": None, "last": None, "checkpoints": []}


def test_of_a_loss_the_lowest_is_best(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, 2, "brier", -1.0)
    for step, score in enumerate([0.3, 0.1, math.nan, 0.2, 0.1], 1):
        checkpoints.offer({"w": torch.zeros(1)}, step, score, last=False)
    assert [kept.step for kept in checkpoints.kept] == [2, 5]
    assert checkpoints.index()["best"] == "step-00000002.safetensors"
    assert checkpoints.index()["metric"] == "brier"


def test_what_never_learns_is_stored_once(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, 2, frozen=frozenset({"body"}))
    body = torch.arange(1000.0)
    for step, score in ((1, 0.5), (2, 0.4), (3, 0.6)):
        checkpoints.offer({"body": body, "head": torch.ones(step)}, step, score, last=step == 3)
        if step == 1:
            written = (tmp_path / "frozen.safetensors").stat().st_mtime_ns
    checkpoints.prune()
    assert (tmp_path / "frozen.safetensors").stat().st_mtime_ns == written
    assert torch.equal(load_file(tmp_path / "frozen.safetensors")["body"], body)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "frozen.safetensors",
        "index.json",
        "step-00000001.safetensors",
        "step-00000003.safetensors",
    ]
    assert set(load_file(tmp_path / "step-00000003.safetensors")) == {"head"}
    checkpoints.clear()
    checkpoints.prune()
    assert [path.name for path in tmp_path.iterdir()] == ["index.json"]
