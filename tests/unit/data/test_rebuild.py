"""A cache or weights made again are made by the code that their id stands for, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from unit.planning.made_up_plan import grid, planned

from transfergrid.data.rebuild import rebuild_cache
from transfergrid.models.rebuild import prepare_weights
from transfergrid.planning import inputs as sources
from transfergrid.runtime.errors import UserError

READER = """
def read(declaration, root):
    raise RuntimeError("the reader of {when}")
"""


def test_a_reader_that_was_edited_after_planning_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    reader = tmp_path / "reader_of_a_rebuild.py"
    reader.write_text(READER.format(when="then"))
    own = {"kind": "reader_of_a_rebuild:read", "root": str(tmp_path), "tables": []}
    study = planned(tmp_path, {"datasets": {"films": {**own, "image_px": 64}}, "grid": GRID})
    note = study.datasets["films"].location
    reader.write_text(READER.format(when="later"))
    with pytest.raises(UserError, match="the label tables or the reader of data set 'films'"):
        rebuild_cache(note, tmp_path / "results", 1)
    assert not (tmp_path / "results").exists()
    reader.write_text(READER.format(when="then"))
    with pytest.raises(RuntimeError, match="the reader of then"):
        rebuild_cache(note, tmp_path / "results", 1)


GRID = grid(datasets=["films"], pretrainings=["random"], truncations=[0], seeds=[0])["grid"]


def test_code_that_was_edited_after_planning_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "w.safetensors"
    file.write_bytes(b"1")
    settings = {"pretrainings": {"file": {"kind": "file", "path": str(file)}}}
    study = planned(tmp_path, {**settings, **grid(pretrainings=["file"])})
    (weights,) = study.weights.values()
    monkeypatch.setattr(sources, "prepare_fingerprint", lambda kind: "0" * 16)
    monkeypatch.setattr(sources, "stage_fingerprint", lambda stage: "0" * 16)
    with pytest.raises(UserError, match="the label tables or the reader of data set 'films'"):
        rebuild_cache(study.datasets["films"].location, tmp_path / "results", 1)
    with pytest.raises(UserError, match="the file or the code behind lcnet_050-file"):
        prepare_weights(weights.location, tmp_path / "results")
    assert not (tmp_path / "results").exists()
