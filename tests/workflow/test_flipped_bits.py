"""A bit that flips in any file of a finished study is seen, by readers and `doctor --verify`."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from tests.workflow.conftest import Workspace

from transfergrid.commands.verify import all_checks, find_faults, verify
from transfergrid.data.store import RECEIPT, open_split, read_card
from transfergrid.evaluation.cam import cam_cell
from transfergrid.evaluation.cam_record import read_record as read_maps
from transfergrid.evaluation.ensemble import read_ensemble
from transfergrid.evaluation.predict import score_cell
from transfergrid.evaluation.scores import read_cell_scores
from transfergrid.models.initial import initial_model
from transfergrid.planning.naming import cell_name
from transfergrid.planning.records import read_kept, read_spec, read_train, restore
from transfergrid.reporting.figures.files import read_drawn
from transfergrid.reporting.records import read_record, read_tuning
from transfergrid.reporting.tables.stage_files import read_made_table
from transfergrid.runtime.errors import UserError
from transfergrid.training.choice import choose_rate
from transfergrid.training.loop import train
from transfergrid.training.tuning import recipe_of

pytestmark = pytest.mark.slow


@pytest.fixture()
def results(tuned: Workspace, tmp_path: Path) -> Path:
    shutil.copytree(tuned.folder / "results", tmp_path / "results", symlinks=True)
    return tmp_path / "results"


def flip(path: Path) -> None:
    """Flip a bit in the middle of a file and give it back its times."""
    status, data = path.stat(), bytearray(path.read_bytes())
    data[_middle(path, len(data))] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _middle(path: Path, size: int) -> int:
    """Return a place in the middle; in an archive that of its largest array, not of a header."""
    if path.suffix != ".npz":
        return size // 2
    with ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda member: member.compress_size)
    return largest.header_offset + 30 + len(largest.filename) + 64 + largest.compress_size // 2


def test_doctor_finds_every_flipped_bit(results: Path) -> None:
    (whole,) = verify(results)
    assert whole.level == "ok"
    files = {p for p in results.rglob("*") if p.is_file() and p.stat().st_size}
    names = {path: str(path.relative_to(results)) for path in files}
    # The index is read by nobody but people, and written again after every page.
    own = (".lock", "index.html")
    kept = {p for p in files if "logs/" not in names[p] and not p.name.endswith(own)}
    # What names the hashes of others is flipped on its own.
    marks = {p for p in kept if "receipts/" in names[p] or p.name in ("train.json", RECEIPT)}
    for some in (kept - marks, marks):
        before = {path: path.read_bytes() for path in some}
        for path in some:
            flip(path)
        found = "\n".join(find_faults(list(all_checks(results))))
        assert not {names[path] for path in some if str(path) not in found}
        for path, data in before.items():
            path.write_bytes(data)
    assert not find_faults(list(all_checks(results)))


Read = Callable[[Path, dict[str, Any]], object]


def cache(results: Path, spec: dict[str, Any]) -> Path:
    return results / "cache" / spec["dataset"]["id"]


def own(results: Path, spec: dict[str, Any]) -> Path:
    return results / "cells" / cell_name(spec)


READERS: dict[str, tuple[str, Read]] = {
    "the card of a cache": ("cache/films-*/card.json", lambda r, s: read_card(cache(r, s))),
    "the index of a cache": (
        "cache/films-*/index.parquet",
        lambda r, s: [open_split(cache(r, s), split) for split in ("train", "valid", "test")],
    ),
    "pixels, by training": ("cache/films-*/train.npy", lambda r, s: train(s, r, fresh=True)),
    "pixels, by scoring": ("cache/films-*/test.npy", lambda r, s: score_cell(s, r)),
    "pixels, by maps": (
        "cache/films-*/test.npy",
        lambda r, s: cam_cell(s, r, {"films": 1, "tasks": None}, "cpu", None),
    ),
    "a source's checkpoint": (
        "cells/*source*/checkpoints/*.safetensors",
        lambda r, s: initial_model(s, r, 14),
    ),
    "a source's proof": ("cells/*source*/proof.json", lambda r, s: initial_model(s, r, 14)),
    "a checkpoint, by scoring": ("{cell}/checkpoints/*.safetensors", lambda r, s: score_cell(s, r)),
    "a checkpoint, by maps": (
        "{cell}/checkpoints/*.safetensors",
        lambda r, s: cam_cell(s, r, {"films": 1, "tasks": None}, "cpu", None),
    ),
    "a proof, by scoring": ("{cell}/proof.json", lambda r, s: score_cell(s, r)),
    "training's receipt": ("{cell}/receipts/train.json", lambda r, s: score_cell(s, r)),
    "a specification": ("{cell}/spec.json", lambda r, s: read_spec(own(r, s) / "spec.json")),
    "a record": ("{cell}/train.json", lambda r, s: read_train(own(r, s))),
    "a history": ("{cell}/history.jsonl", lambda r, s: read_record(cell_name(s), r)),
    "the card of a cell": ("{cell}/card.json", lambda r, s: read_kept(own(r, s), "card.json")),
    "a copy": ("{cell}/finished.json", lambda r, s: restore(own(r, s), "card.json")),
    "scores": ("{cell}/scores/test.npz", lambda r, s: read_cell_scores(own(r, s), "test")),
    "scoring's receipt": (
        "{cell}/receipts/evaluate.json",
        lambda r, s: read_cell_scores(own(r, s), "test"),
    ),
    "an ensemble": (
        "small/ensemble/*/best/test.parquet",
        lambda r, s: [read_ensemble(p) for p in r.glob("small/ensemble/*/best/test.parquet")],
    ),
    "a table": ("small/tables/cells.csv", lambda r, s: read_made_table(r / "small", "cells")),
    "a figure": ("small/figures/score.svg", lambda r, s: read_drawn(r / "small")),
    "maps": (
        "small/cams/*.npz",
        lambda r, s: [read_maps(path) for path in r.glob("small/cams/*.npz")],
    ),
    "a choice": ("tuning/*/tuning.json", lambda r, s: recipe_of(s, r)),
    "a choice, in tables": (
        "tuning/*/tuning.json",
        lambda r, s: read_tuning(s["tuning"]["id"], r),
    ),
    "a trial": ("cells/*trial*/train.json", lambda r, s: choose_rate(s["tuning"]["trials"], r)),
}


@pytest.mark.parametrize("what", READERS)
def test_a_reader_stops_at_a_flipped_bit(results: Path, what: str) -> None:
    pattern, read = READERS[what]
    folder = next((results / "cells").glob("films-*textures*-finetune-*"))
    spec = json.loads((folder / "spec.json").read_text())
    flipped = list(results.glob(pattern.replace("{cell}", f"cells/{folder.name}")))
    assert flipped
    for path in flipped:
        flip(path)
    with pytest.raises(UserError) as told:
        read(results, spec)
    text = str(told.value)
    assert any(str(path) in text or str(path.parent) in text for path in flipped)
    assert "snakemake" in text and ("remove" in text or "delete" in text)
