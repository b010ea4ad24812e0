"""Networks without the maps or layers that a study asks for are told before they are trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from unit.planning.made_up_plan import grid, planned

from transfergrid.commands import checks_networks
from transfergrid.commands.checks_asked import CHECKS
from transfergrid.commands.checks_networks import check_networks
from transfergrid.commands.network_trial import fault_of
from transfergrid.commands.tables_read import TablesRead
from transfergrid.planning.planned import PlannedStudy

VIT = "test_vit.r160_in1k"
"""A transformer of timm's, of half a million weights."""


def study(folder: Path, network: str, **sections: Any) -> PlannedStudy:
    axes = grid(architectures=[network], pretrainings=["random"], truncations=[0])
    data = {"films": {"kind": "phantom", "image_px": 160}}
    return planned(folder, {"datasets": data, **axes, **sections})


def told(made: PlannedStudy, folder: Path) -> list[tuple[str, str]]:
    found = check_networks(made, TablesRead(folder / "results"))
    return [(one.level, one.told) for one in found]


def test_a_network_without_maps_or_blocks_is_refused(tmp_path: Path) -> None:
    made = study(tmp_path, VIT, cams={}, similarity={})
    maps, blocks = told(made, tmp_path)  # once for both seeds
    assert maps[0] == blocks[0] == "error"
    assert f"architecture '{VIT}', 0 of its blocks removed: VisionTransformer has no l" in maps[1]
    assert "write similarity.layers: [pooled]" in blocks[1]
    assert check_networks in CHECKS.values()


def test_what_is_asked_for_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def tried(trials: list[Any]) -> list[None]:
        seen.extend(trials)
        return [None] * len(trials)

    monkeypatch.setattr(checks_networks, "_tried", tried)
    assert not told(study(tmp_path, VIT), tmp_path)
    # Of networks in the table, planning knows.
    assert not told(study(tmp_path, "lcnet_050", cams={}, similarity={}), tmp_path)
    assert not seen
    assert not told(study(tmp_path, VIT, similarity={"layers": ["pooled"]}), tmp_path)
    (trial,) = seen
    assert (trial["asked"], trial["layers"], trial["px"]) == ("layers", ["pooled"], 160)
    assert fault_of(json.loads(json.dumps(trial))) is None


def test_what_cannot_be_tried_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks_networks, "_TRIAL", "transfergrid.no_such_module")
    (warning,) = told(study(tmp_path, VIT, cams={}), tmp_path)
    assert warning[0] == "warning" and warning[1].startswith("1 network(s) cannot be tried")


def test_a_network_that_fails_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = {"architecture": {"factory": "unit.training.tiny:nothing"}, "truncation": 0, "px": 32}
    told = fault_of({**trial, "asked": "maps", "layers": None})
    assert told is not None and "unit.training.tiny has no such function" in told
    own = {"factory": "unit.training.tiny:network"}
    assert fault_of({**trial, "architecture": own, "asked": "maps", "layers": None}) is None
    assert "similarity.layers names 'block9'" in str(
        fault_of({**trial, "architecture": own, "asked": "layers", "layers": ["block9"]})
    )
    (tmp_path / "broken_net.py").write_text("def network(outputs, truncation): return 1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    own = {"factory": "broken_net:network"}
    assert "it cannot be tried (ZeroDivisionError: division by zero)." in str(
        fault_of({**trial, "architecture": own, "asked": "maps", "layers": None})
    )
