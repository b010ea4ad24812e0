"""The program that computes features: killed as a process, and started twice at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from unit.runtime import fake_gpus
from unit.training import tiny
from unit.training.tiny import make_cache, make_spec

from transfergrid.evaluation.extraction import JOURNAL, PIECE
from transfergrid.planning.features import Features, features_of
from transfergrid.planning.paths import PROJECT
from transfergrid.planning.prefix import Prefix
from transfergrid.planning.records import RECEIPT
from transfergrid.planning.stamps import LOCATION, StampName
from transfergrid.runtime.hashing import canonical_json, short_hash
from transfergrid.runtime.sealed import read_sealed

pytestmark = pytest.mark.slow

SIZES = {"train": 10 * PIECE, "valid": PIECE + 40, "test": 2 * PIECE + 70}
PIECES = 10 + 2 + 3
SECONDS = 300


@pytest.fixture
def planned(tmp_path: Path) -> Features:
    """Features to make of a cache of many pieces in the current folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny, "SIZES", SIZES)
        make_cache(tmp_path / "results")
    spec = make_spec()
    architecture = {**spec["architecture"], "timm": "lcnet_050.ra2_in1k", "factory": None}
    made_of = {"architecture": architecture, "weights": spec["weights"], "dataset": "tiny-0"}
    features = features_of(made_of, 0, "random", Prefix(0, True))
    name = StampName(features.id, LOCATION, short_hash(features.note))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / str(name)).write_text(canonical_json(features.note))
    return features


def start(folder: Path, features: Features, results: str = "results") -> subprocess.Popen[str]:
    """Start the program on a machine of two GPUs that PyTorch does not see."""
    programs = fake_gpus.install(folder / "bin", [0, 1])
    words = ["--id", features.id, "--notes", "notes", "--results", results]
    return subprocess.Popen(
        [sys.executable, PROJECT / "workflow" / "scripts" / "features.py", *words],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT / "src"),
            "TRANSFERGRID_GPU_LOCKS": str(folder / "locks"),
        },
        stderr=subprocess.PIPE,
        text=True,
    )


def made(folder: Path) -> int:
    """Return the number of pieces that the journal says are on disk."""
    try:
        journal = read_sealed(folder / JOURNAL)
    except FileNotFoundError:
        return 0
    whole = sum(-(-SIZES[name.removesuffix(".npy")] // PIECE) for name in journal["files"])
    return whole + sum(len(pieces) for pieces in journal["growing"].values())


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def kill_in_the_middle(victim: subprocess.Popen[str], folder: Path) -> None:
    """Kill the program once some pieces are on disk."""
    end = time.monotonic() + SECONDS
    while made(folder) < 3 and victim.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.002)
    victim.kill()
    victim.communicate()


def test_killed_and_then_doubled_it_ends_with_the_bytes_of_one_never_stopped(
    tmp_path: Path, planned: Features
) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "cache").symlink_to(tmp_path / "results" / "cache")
    never_stopped = start(tmp_path, planned, "whole")
    folder = tmp_path / "results" / "features" / planned.id
    for _ in range(5):
        kill_in_the_middle(start(tmp_path, planned), folder)
        if not (folder / RECEIPT).exists():
            break
        shutil.rmtree(folder)  # a busy machine let it come to its end before this test looked
    assert 3 <= made(folder) <= PIECES and not (folder / RECEIPT).exists()

    both = [start(tmp_path, planned) for _ in range(2)]
    told = [process.communicate(timeout=SECONDS)[1] for process in (never_stopped, *both)]
    assert [process.returncode for process in (never_stopped, *both)] == [0, 0, 0], told
    expected = content(tmp_path / "whole" / "features" / planned.id)
    assert content(folder) == expected
    assert set(expected) == {RECEIPT, JOURNAL, "train.npy", "valid.npy", "test.npy"}
    # Each had a GPU of its own, whoever did the work.
    assert {text.split("on GPU-")[1][:8] for text in told[1:]} == {"00000000", "00000001"}
