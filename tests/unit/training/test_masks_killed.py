"""A training of masks that is killed ends with the bits of one that never was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from unit.training.disc_cells import MOVED, RECIPE, cache_of, planned, study
from unit.training.test_resume import KilledError, hearing, kill, killed_at, outcome

from transfergrid.data.cache import build_cache
from transfergrid.planning.records import FINISHED
from transfergrid.tasks.learn.segmentation import Segmentation
from transfergrid.training import loop
from transfergrid.training.checkpoints import Checkpoints
from transfergrid.training.loop import train

STEPS = 9


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path, dict[str, Any]]:
    """Return a specification, the results with its cache, and what a whole training leaves."""
    results = tmp_path_factory.mktemp("masks")
    # Dice over a batch is what could tell micro-batches apart.
    recipe = {**RECIPE, "augmentation": MOVED, "accumulate": 2, "dice": {"over": "batch"}}
    spec, name = planned(study(results, recipe=recipe))
    build_cache(spec["dataset"], results / "discs.npz", cache_of(spec, results), 1)
    train(spec, results, threads=1)
    return spec, results, outcome(results / "cells" / name)


@pytest.fixture
def began(
    whole: tuple[dict[str, Any], Path, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Return results with the cache and nothing else, where each step leaves its state."""
    monkeypatch.setattr(loop, "STATE_SECONDS", 0.0)
    (tmp_path / "cache").symlink_to(whole[1] / "cache")
    return tmp_path


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [
        (Segmentation, "follow", 9),  # between the micro-batches of a step
        (Segmentation, "stored", 3),  # in the third validation
        (Checkpoints, "offer", 2),
    ],
)
def test_killed_where_masks_are_at_work(
    whole: tuple[dict[str, Any], Path, dict[str, Any]],
    began: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    call: int,
) -> None:
    spec, _, expected = whole
    told: list[str] = []
    with monkeypatch.context() as patch:
        killed_at(patch, owner, name, call, after=True)
        with pytest.raises(KilledError):
            train(spec, began, threads=1)
    train(spec, began, threads=1, watcher=hearing(told))
    (folder,) = (began / "cells").iterdir()
    assert told[0].startswith("continuing at step ") and outcome(folder) == expected


def test_a_killed_process_is_gone_on_with(
    whole: tuple[dict[str, Any], Path, dict[str, Any]], began: Path
) -> None:
    spec, _, expected = whole
    kill(spec, began)
    (folder,) = (began / "cells").iterdir()
    assert list(folder.glob(".tmp-*")) and not (folder / FINISHED).exists()
    told: list[str] = []
    train(spec, began, threads=1, watcher=hearing(told))
    assert told[0].startswith(f"continuing at step 6 of {STEPS}") and outcome(folder) == expected
