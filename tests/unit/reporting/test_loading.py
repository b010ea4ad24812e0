"""Which studies have ensembles of a cell, as their stamps tell while runs write them."""

from __future__ import annotations

from pathlib import Path

from transfergrid.reporting.loading import studies_of
from transfergrid.runtime.hashing import canonical_json, short_hash


def test_stamps_that_a_run_is_writing_or_removing_are_left_out(tmp_path: Path) -> None:
    stamps = tmp_path / "stamps"
    stamps.mkdir()
    content = {"targets": ["a-cell"], "evaluation": {"selections": ["top2", "last"]}}
    name = f"one.ensembles.{short_hash(content)}"
    (stamps / name).write_text(canonical_json(content))
    (stamps / f".tmp-0123456789abcdef-{name}").write_text("")
    (stamps / "one.ensembles.00000000").symlink_to("removed since the folder was listed")
    assert studies_of(tmp_path / "cells" / "a-cell") == {"one": ["top2", "last"]}
    assert studies_of(tmp_path / "cells" / "another") == {}
