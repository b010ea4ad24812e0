"""What a stage makes is in its declared form, and one receipt tells of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from transfergrid.planning.gathered import digest_of, read_study, write_gathered
from transfergrid.planning.stamps import StampName
from transfergrid.reporting.tables.analysis import analyse, in_order
from transfergrid.reporting.tables.stage_files import read_made, read_made_table, seal_stage
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import canonical_json, short_hash

MADE = pd.DataFrame({"b": [1.5], "a": ["x"]})


def made(study: Any, results: Path, workers: int) -> dict[str, pd.DataFrame]:
    return {"made": MADE}


def test_columns_stand_as_they_are_declared(tmp_path: Path) -> None:
    study = {"name": "s", "run": f"{__name__}:made", "columns": {"made": ["a", "b"]}}
    analyse("made", study, tmp_path)
    assert (tmp_path / "s" / "tables" / "made.csv").read_text() == "a,b\nx,1.5\n"
    assert list(read_made_table(tmp_path / "s", "made")) == ["a", "b"]
    for columns in ({"made": ["a"]}, {"made": ["a", "b", "c"]}, {"other": ["a", "b"]}, {}):
        with pytest.raises(ValueError, match="made"):
            analyse("made", {**study, "columns": columns}, tmp_path)
    assert list(in_order(pd.DataFrame(), ["a", "b"], "empty")) == ["a", "b"]


def test_a_file_has_one_receipt_and_a_broken_one_of_others_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    for name in ("a", "b"):
        (tmp_path / "tables" / f"{name}.csv").write_text(f"{name}\n")
    seal_stage(tmp_path, "old", ["tables/a.csv"])
    seal_stage(tmp_path, "other", ["tables/b.csv"])
    (tmp_path / "tables" / "a.csv").write_text("new\n")
    seal_stage(tmp_path, "new", ["tables/a.csv"])
    receipts = tmp_path / "receipts"
    assert sorted(path.name for path in receipts.iterdir()) == ["new.json", "other.json"]
    (receipts / "other.json").write_text("{}")
    assert read_made(tmp_path, "tables/a.csv") == b"new\n"
    with pytest.raises(UserError, match=r"other\.json"):
        read_made(tmp_path, "tables/b.csv")
    (receipts / "other.json").unlink()
    with pytest.raises(UserError, match=r"no stage has made .*b\.csv; run snakemake"):
        read_made(tmp_path, "tables/b.csv")


@pytest.mark.parametrize("name", [".tmp-0123456789abcdef-other.json", "another.json"])
def test_receipts_that_other_jobs_write_and_remove_meanwhile_are_no_concern(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "b.csv").write_text("b\n")
    seal_stage(tmp_path, "stage", ["tables/b.csv"])
    # A link to nothing is listed as a file is, and is not there when it is opened.
    (tmp_path / "receipts" / name).symlink_to(tmp_path / "renamed")
    assert read_made(tmp_path, "tables/b.csv") == b"b\n"
    seal_stage(tmp_path, "stage", ["tables/b.csv"])
    with pytest.raises(UserError, match=r"no stage has made .*a\.csv; run snakemake"):
        read_made(tmp_path, "tables/a.csv")


def test_half_of_a_receipt_is_not_a_broken_one(tmp_path: Path) -> None:
    seal_stage(tmp_path, "stage", [])
    (tmp_path / "receipts" / ".tmp-0123456789abcdef-other.json").write_text('{"files')
    with pytest.raises(UserError, match=r"no stage has made .*a\.csv; run snakemake"):
        read_made(tmp_path, "tables/a.csv")


def test_a_stage_takes_the_cells_of_its_own_plan_alone(tmp_path: Path) -> None:
    cells = [{"cell": "one"}]
    content = {"name": "s", "code": None, "gathered": digest_of(cells)}
    stamp = tmp_path / "stamps" / str(StampName("s", "tuning", short_hash(content)))
    stamp.parent.mkdir()
    stamp.write_text(canonical_json(content))
    with pytest.raises(UserError, match=r"gathered\.json is missing"):
        read_study(stamp)
    write_gathered(cells, tmp_path / "s")
    assert read_study(stamp)["cells"] == cells
    write_gathered([*cells, {"cell": "two"}], tmp_path / "s")
    with pytest.raises(UserError, match="belong to different plans"):
        read_study(stamp)
    told = json.loads((tmp_path / "s" / "gathered.json").read_text())
    (tmp_path / "s" / "gathered.json").write_text(json.dumps({**told, "cells": cells}))
    with pytest.raises(UserError, match="seal is broken"):
        read_study(stamp)
