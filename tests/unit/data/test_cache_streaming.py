"""Few images in memory, and films asked of the disk before they are read."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
from datasets.medmnist.make import make as make_npz
from PIL import Image

from transfergrid.data import arrays, blocks
from transfergrid.data.cache import build_cache
from transfergrid.data.images import ImageFiles


def test_few_images_are_in_memory_at_once(tmp_path, monkeypatch):
    make_npz(tmp_path / "a.npz", np.random.default_rng(0), images=(400, 20, 20))
    lock, alive, most = threading.Lock(), [0], [0]
    decode, update = blocks._decode, arrays.hashlib.sha256

    def counted(*arguments):
        with lock:
            alive[0] += 1
            most[0] = max(most[0], alive[0])
        return decode(*arguments)

    class Sink:
        def __init__(self, data=b""):
            self.sha256 = update(data)

        def update(self, data):
            with lock:
                alive[0] -= 1
            self.sha256.update(data)

        def hexdigest(self):
            return self.sha256.hexdigest()

    monkeypatch.setattr(blocks, "_decode", counted)
    monkeypatch.setattr(arrays, "hashlib", SimpleNamespace(sha256=Sink))
    try:
        declaration = {"kind": "medmnist", "image_px": 28}
        build_cache(declaration, tmp_path / "a.npz", tmp_path / "cache" / "a-12345678", 2)
    finally:
        monkeypatch.undo()
    # Blocks of images: those ahead, and the one that is written.
    assert 2 < most[0] <= 2 * blocks._AHEAD + 1


def test_films_are_fetched_before_they_are_read(tmp_path, monkeypatch):
    table = ["path,finding,split"]
    for number in range(210):
        Image.fromarray(np.full((4, 4), number, np.uint8)).save(tmp_path / f"{number}.png")
        split = ("test", "train", "train", "valid", "train", "train")[number // 35]
        table.append(f"{number}.png,{number % 2},{split}")
    (tmp_path / "films.csv").write_text("\n".join(table) + "\n")
    declaration = {
        "kind": "csv",
        "table": "films.csv",
        "image_column": "path",
        "label_columns": ["finding"],
        "split": {"column": "split", "train": ["train"], "valid": ["valid"], "test": ["test"]},
        "image_px": 4,
    }
    told = []
    for name in ("fetch", "decoded"):
        real = getattr(ImageFiles, name)
        monkeypatch.setattr(
            ImageFiles,
            name,
            lambda source, index, name=name, real=real: (
                told.append((name, index)) or real(source, index)
            ),
        )
    build_cache(declaration, tmp_path, tmp_path / "cache" / "films-12345678", 1)
    fetched = [index for name, index in told if name == "fetch"]
    order = [index for name, index in told if name == "decoded"]
    # Each once and in the order of reading; all but the first ones, which are read at once.
    assert sorted(order) == list(range(210))
    assert len(fetched) > 180 and fetched == order[-len(fetched) :]
    assert all(told.index(("fetch", index)) < told.index(("decoded", index)) for index in fetched)
