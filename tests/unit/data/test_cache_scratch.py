"""What a preparation writes aside goes with it, or with the next one."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from datasets.chexpert.make import make as make_chexpert
from datasets.csv.make import make as make_csv
from unit.data.declarations import CSV, DECLARATION, FOLDER

from transfergrid.data import cache as cache_module
from transfergrid.data.cache import build_cache
from transfergrid.data.kinds import read_manifest


def test_a_phantom_draws_into_a_scratch_folder_that_is_removed(tmp_path, monkeypatch):
    seen = []

    def read(options, root):
        make_chexpert(root, np.random.default_rng(options["seed"]))
        seen.append((root, sorted(path.name for path in root.iterdir())))
        return read_manifest({**options, "kind": "chexpert"}, root)

    monkeypatch.setattr(cache_module, "read_unchecked", read)
    declaration = {**DECLARATION, "kind": "phantom", "seed": 0}
    destination = tmp_path / "cache" / "chex-12345678"
    card = build_cache(declaration, None, destination, 2)
    assert card["synthetic"] is True
    assert seen[0][0].parent == destination.parent
    assert seen[0][1] == [FOLDER]
    assert list(destination.parent.iterdir()) == [destination]


ENDLESS = """
import sys, time
from pathlib import Path
from transfergrid.data import cache

def read(declaration, root):
    (root / "drawn.png").write_text("half")
    if sys.argv[2] == "drawing":
        print("ready", flush=True)
        time.sleep(60)
    return real({**declaration, "kind": "csv"}, Path(sys.argv[3]))

def write(*arguments):
    print("ready", flush=True)
    time.sleep(60)

real, cache.read_unchecked, cache.write_images = cache.read_unchecked, read, write
cache.build_cache(DECLARATION, None, Path(sys.argv[1]), 1)
"""


@pytest.mark.parametrize("moment", ["drawing", "decoding"])
def test_what_a_killed_preparation_left_goes_with_the_next(tmp_path, moment):
    make_csv(tmp_path / "data", np.random.default_rng(0))
    destination = tmp_path / "cache" / "own-12345678"
    program = ENDLESS.replace("DECLARATION", repr({**CSV, "kind": "phantom"}))
    words = [sys.executable, "-c", program, destination, moment, tmp_path / "data"]
    with subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline() == b"ready\n"
        child.kill()
    left = [path.name for path in destination.parent.iterdir()]
    assert len(left) == {"drawing": 1, "decoding": 2}[moment]
    assert all(name.startswith(".tmp-") for name in left)
    build_cache({**CSV, "kind": "csv"}, tmp_path / "data", destination, 1)
    assert list(destination.parent.iterdir()) == [destination]
