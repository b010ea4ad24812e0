from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from datasets.chexpert.make import make
from datasets.nih14.make import make as make_nih14
from tests.unit.planning.made_up_plan import grid, names, planned

from transfergrid.planning.inputs import region_file
from transfergrid.planning.plan import Plan
from transfergrid.planning.planned import PlannedStudy
from transfergrid.runtime.errors import UserError


@pytest.mark.parametrize("kind", ["chexpert", "nih14"])
def test_regions_are_part_of_the_maps_and_of_no_cell(tmp_path: Path, kind: str) -> None:
    (make if kind == "chexpert" else make_nih14)(tmp_path, np.random.default_rng(0))
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "secret_place.json").write_text("{}")

    def with_regions(file: Path | None) -> PlannedStudy:
        data = {"kind": kind, "root": str(tmp_path), "regions": file and str(file)}
        settings = {"datasets": {"films": data}, **grid(datasets=["films"], seeds=[0])}
        return planned(tmp_path, {**settings, "cams": {}, "pretrainings": {}})

    plain = with_regions(None)
    here, there = (with_regions(tmp_path / p / "secret_place.json") for p in ("here", "there"))
    assert names(plain) == names(here)
    assert plain.stamps["gather"] == here.stamps["gather"]
    assert plain.stamps["cams"] != here.stamps["cams"] == there.stamps["cams"]
    for name, content in here.stamps.values():
        assert "secret_place" not in json.dumps(content), name
    (file,) = here.stamps["cams"][1]["regions"].values()
    (note,) = [n for name, n in Plan({"s": here}).notes.items() if name.startswith(f"{file}.")]
    path = region_file(note)
    assert path == tmp_path / "here" / "secret_place.json"
    path.write_text("{ }")
    with pytest.raises(UserError, match="were edited after films-regions-"):
        region_file(note)
    assert with_regions(path).stamps["cams"] != here.stamps["cams"]
    with pytest.raises(UserError, match="has its regions in .*none, which is not a file"):
        with_regions(tmp_path / "none")
