"""Masks learned with a decoder of the user's own, from its study to a cell that goes on from it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from unit.training.disc_cells import PX, RECIPE, planned, scored_cell, study

from transfergrid.models.initial import initial_model
from transfergrid.models.mask_network import mask_cost
from transfergrid.models.trained import Trained
from transfergrid.planning import decoders, unchanged
from transfergrid.planning.planned import PlannedStudy, plan_study
from transfergrid.planning.study import load_study
from transfergrid.planning.unchanged import hold_network
from transfergrid.reporting.loading import load_cell
from transfergrid.runtime import environment
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.sealed import write_sealed

MODULE = """
from torch import cat, nn
from torch.nn import functional
from transfergrid.models.maps import levels_of, maps_of

class Sum(nn.Module):
    def __init__(self, encoder, outputs, px):
        super().__init__()
        self.encoder = encoder
        self.maps = levels_of(encoder, (px, px)).maps
        self.steps = nn.ModuleList(nn.Conv2d(self.maps[k].channels, 8, 1) for k in range({maps}))
        self.head = nn.Conv2d(8 * {maps}, outputs, 3, padding=1)

    def forward(self, images):
        last, between = maps_of(self.encoder, images)
        maps = [last, *(between[level.place] for level in self.maps[1:])]
        size = images.shape[2:]
        made = [functional.interpolate(s(m), size=size) for s, m in zip(self.steps, maps)]
        return self.head(cat(made, dim=1))
"""
OWN = {**RECIPE, "epochs": 2, "decoder": "my_decoder:Sum"}


@pytest.fixture()
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_decoder.py").write_text(MODULE.format(maps=2))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_decoder", raising=False)
    return tmp_path


def plan(folder: Path, **sections: Any) -> PlannedStudy:
    return plan_study(load_study(study(folder, **sections)))


def test_a_cell_has_its_decoder_s_code_and_another_goes_on_from_it(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unchanged, "hold", lambda code: None)  # it would be held for other tests
    usual, _ = planned(study(own, recipe=RECIPE))
    spec, name = planned(study(own, recipe=OWN))
    assert spec["recipe"].keys() == usual["recipe"].keys()
    assert spec["architecture"]["decoder"] == "my_decoder:Sum" and spec["architecture"]["code"]
    hold_network(spec)
    assert scored_cell(own, recipe=OWN) == (spec, name)
    cell = Trained.of(own / "cells" / name)
    learned = cell.tensors(str(cell.best()))
    assert {key.split(".")[0] for key in learned} == {"encoder", "steps", "head"}
    assert learned["steps.1.weight"].shape[0] == 8 and "steps.2.weight" not in learned
    counted = sum(t.numel() for key, t in learned.items() if not key.startswith("encoder"))
    costs = [mask_cost(s["architecture"], 1, 2, PX).params for s in (spec, usual)]
    assert 0 < counted < costs[0] < costs[1]

    weights = {"kind": "cell", "id": None, "source_cell": name, "sha256": None}
    network, _, _ = initial_model({**usual, "weights": weights}, own, outputs=5)
    stem = network.state_dict()["conv_stem.weight"]
    assert torch.equal(stem, learned["encoder.conv_stem.weight"])

    (own / "my_decoder.py").write_text(MODULE.format(maps=1))
    with pytest.raises(UserError, match="the code of my_decoder:Sum was edited after this job"):
        hold_network(spec)
    assert planned(study(own, recipe=OWN))[1] != name


def test_a_loaded_cell_runs_the_code_that_it_was_trained_with_and_none_unasked(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unchanged, "hold", lambda code: None)  # it would be held for other tests
    monkeypatch.chdir(own)
    results = own / "results"
    results.mkdir()
    _, name = scored_cell(results, recipe={**OWN, "epochs": 1})
    film = np.full((PX, PX), 90, np.uint8)
    assert load_cell(name).predict([film]).shape == (1, 1, PX, PX)

    elsewhere = own / "models" / name
    shutil.copytree(results / "cells" / name, elsewhere)
    del sys.modules["my_decoder"]
    refused = "needs code that is not TransferGrid's, my_decoder:Sum, which .* own_code=True"
    with pytest.raises(UserError, match=refused):
        load_cell(elsewhere)
    write_sealed(elsewhere / "released.json", {"selection": "best", "about": "told"})
    with pytest.raises(UserError, match=refused):
        load_cell(elsewhere)
    assert "my_decoder" not in sys.modules
    assert load_cell(elsewhere, own_code=True).predict([film]).shape == (1, 1, PX, PX)

    (own / "my_decoder.py").write_text(MODULE.format(maps=2).replace("dim=1)", "dim=1).neg()"))
    with pytest.raises(
        UserError, match=f"cell {name} cannot be loaded: the code of my_decoder:Sum"
    ):
        load_cell(name)
    with pytest.raises(UserError, match="cannot be loaded: the code of my_decoder:Sum was edited"):
        load_cell(elsewhere, own_code=True)


def test_a_decoder_deeper_than_the_cut_network_is_refused_at_planning(own: Path) -> None:
    (own / "my_decoder.py").write_text(MODULE.format(maps=6))
    with pytest.raises(
        UserError,
        match=r"'plain' with architecture 'lcnet_050', 2 of its blocks removed: decoder "
        r"my_decoder:Sum on MobileNetV3, which has \d maps \(a pixel every [\d, ]+ pixels of an "
        r"image\), failed with IndexError .*; let it take no more maps than there are",
    ):
        plan(own, recipe=OWN)


def test_a_decoder_may_compute_while_it_is_made(own: Path) -> None:
    """As in a training, and unlike on the meta device."""
    plain = mask_cost(planned(study(own, recipe=OWN))[0]["architecture"], 1, 2, PX)
    rates = "self.rates = [r.item() for r in torch.linspace(0, 0.1, 3)]\n        self.head ="
    module = f"import torch\n{MODULE.format(maps=2).replace('self.head =', rates, 1)}"
    (own / "my_decoder.py").write_text(module)
    del sys.modules["my_decoder"]
    (cell,) = plan(own, recipe=OWN).targets
    assert mask_cost(json.loads(cell.spec)["architecture"], 1, 2, PX) == plain
    assert sys.modules["my_decoder"].torch is torch


def test_what_has_nothing_to_do_with_maps_is_not_told_to_take_fewer(own: Path) -> None:
    (own / "my_decoder.py").write_text(MODULE.format(maps=2).replace("px):", "px, depth):", 1))
    with pytest.raises(UserError, match=r"failed with TypeError .*'depth'\); correct it\.$"):
        plan(own, recipe=OWN)


def test_what_fits_is_tried_once(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = own / ".snakemake" / "transfergrid" / "decoders.json"
    memory.parent.mkdir(parents=True)
    monkeypatch.chdir(own)
    content = yaml.safe_load(study(own, recipe=OWN).read_text())
    content["grid"][0]["seeds"] = [0, 1]
    (own / "study.yaml").write_text(yaml.safe_dump(content))
    both = plan_study(load_study(own / "study.yaml"))
    assert len(both.targets) == 2 and len(json.loads(memory.read_text())["right"]) == 1
    monkeypatch.setattr(decoders, "_tried", None)
    again = plan_study(load_study(own / "study.yaml"))
    assert [cell.name for cell in again.targets] == [cell.name for cell in both.targets]


def test_what_fitted_with_another_version_of_a_package_is_tried_again(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = own / ".snakemake" / "transfergrid" / "decoders.json"
    memory.parent.mkdir(parents=True)
    monkeypatch.chdir(own)
    (own / "my_decoder.py").write_text(f"import yaml\n{MODULE.format(maps=2)}")
    tried: list[int] = []

    def try_them(networks: tuple[str, ...]) -> tuple[None, ...]:
        tried.append(len(networks))
        return (None,) * len(networks)

    monkeypatch.setattr(decoders, "_tried", try_them)
    for version, times in (("6", 1), ("6", 1), ("7", 2)):
        decoders._packages_of.cache_clear()
        monkeypatch.setattr(environment, "_version", lambda package, version=version: version)
        plan(own, recipe=OWN)
        assert len(tried) == times
    decoders._packages_of.cache_clear()


def test_decoders_are_for_masks_and_have_to_be_there(own: Path) -> None:
    films = {"kind": "phantom", "patients": 60, "image_px": PX}
    with pytest.raises(UserError, match="says with decoder how masks are learned, and data set"):
        plan(own, datasets={"discs": films}, recipe=OWN)
    with pytest.raises(UserError, match="module 'no_such' of 'no_such:Sum' was not found; put"):
        plan(own, recipe={**OWN, "decoder": "no_such:Sum"})
    with pytest.raises(UserError, match="'my_decoder' has no function 'Product'; it defines Sum"):
        plan(own, recipe={**OWN, "decoder": "my_decoder:Product"})


def test_trials_of_a_rate_have_the_decoder_of_their_protocol(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoders, "_tried", lambda networks: (None,) * len(networks))
    tune = {**RECIPE, "tune": {"learning_rates": [1e-3, 1e-2], "epochs": 1}}
    protocols = {"plain": {}, "own": {"decoder": "my_decoder:Sum"}}
    content = yaml.safe_load(study(own, recipe=tune, protocols=protocols).read_text())
    content["grid"][0]["protocols"] = ["plain", "own"]
    (own / "study.yaml").write_text(yaml.safe_dump(content))
    found = plan_study(load_study(own / "study.yaml"))
    specs = [json.loads(cell.spec)["architecture"] for cell in found.trials]
    assert sorted(spec.get("decoder") or "" for spec in specs) == ["", "", *["my_decoder:Sum"] * 2]
