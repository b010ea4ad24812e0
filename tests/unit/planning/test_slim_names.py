"""Slim networks and the CBR family as names in a study."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from unit.planning.made_up_plan import grid, planned

from transfergrid.planning.architectures import base_of, find_architecture, known_architectures
from transfergrid.runtime.errors import UserError


def test_a_slim_network_says_of_what_and_how_much_it_has_whole() -> None:
    assert base_of("resnet50_slim3") == ("resnet50", 3)
    assert base_of("cbr_tiny_32_slim1") == ("cbr_tiny_32", 1)
    for name in ("resnet50", "cbr_tiny_32", "densenet121_slim2", "resnet50_slim5", "", "mine"):
        assert base_of(name) is None
    of = {base_of(name): known for name, known in known_architectures().items()}
    assert of["resnet50", 3].widths == (1024, 512, 512, 256)
    assert of["resnet50", 3].imagenet_top1 is None
    assert {base for base, _ in filter(None, of)} == {
        *("resnet18", "resnet34", "resnet50", "resnet101"),
        *("cbr_larget", "cbr_largew", "cbr_small", "cbr_tiny", "cbr_tiny_32"),
    }


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("resnet50_slim5", "has 5 blocks, stem included; write resnet50_slim1 to resnet50_slim4"),
        ("cbr_small_slim0", "write cbr_small_slim1 to cbr_small_slim3"),
        ("densenet121_slim2", "densenet121 has no slim networks, which are built of resnet18, "),
        ("resnet50.a1_in1k_slim2", "resnet50.a1_in1k has no slim networks"),
        ("resnet50_slim2_slim1", "resnet50_slim2 has no slim networks"),
        ("nothing_slim2", "does not exist"),
        ("cbr_smal", "did you mean 'cbr_small'"),
    ],
)
def test_other_slim_networks_are_refused_in_a_sentence(name: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        find_architecture(name, {})


def test_a_users_own_network_may_have_such_a_name() -> None:
    own = {"mine_slim2": {"factory": "json:load", "family": "x", "max_truncation": 0}}
    assert find_architecture("mine_slim2", own).factory == "json:load"


def test_a_variant_of_a_slim_network_is_as_slim() -> None:
    found = find_architecture("mine", {"mine": {"of": "resnet18_slim2", "options": {}}})
    assert found.options == {"slim": 2} and found.record(64)["options"] == {"slim": 2}


def test_such_networks_are_cells_and_sources(tmp_path: Path) -> None:
    names = ["cbr_tiny_32", "cbr_small_slim2", "resnet18_slim3"]
    study = planned(tmp_path, grid(architectures=names, seeds=[0]))
    assert len(study.targets) == 12 and len(study.cells) == 15
    specs = [json.loads(cell.spec) for cell in study.cells]
    found = {spec["architecture"]["name"]: spec["architecture"] for spec in specs}
    code = found["cbr_tiny_32"].pop("code")
    assert found["cbr_small_slim2"].pop("code") == code
    assert found == {
        "cbr_tiny_32": {
            **{"name": "cbr_tiny_32", "timm": None, "input_px": 64},
            "factory": "transfergrid.models.cbr:cbr_tiny_32",
        },
        "cbr_small_slim2": {
            **{"name": "cbr_small_slim2", "of": "cbr_small_slim2", "timm": None, "input_px": 64},
            **{"factory": "transfergrid.models.cbr:cbr_small", "options": {"slim": 2}},
        },
        "resnet18_slim3": {
            **{"name": "resnet18_slim3", "of": "resnet18_slim3", "timm": "resnet18.tv_in1k"},
            **{"factory": None, "input_px": 64, "options": {"slim": 3}},
        },
    }
    assert {cell.network for cell in study.cells} == set(names)
    assert not any("unknown" in warning for warning in study.warnings)


@pytest.mark.parametrize(
    ("network", "pretraining", "told"),
    [
        ("cbr_small", "hub", "timm has no network 'cbr_small'; use kind file or cell"),
        ("resnet18_slim3", "hub", "takes the weights of resnet18, but architecture"),
        ("cbr_small", "wheel", "not 'cbr_small'"),
    ],
)
def test_weights_that_cannot_fit_are_refused(
    tmp_path: Path, network: str, pretraining: str, told: str
) -> None:
    axes = grid(architectures=[network], pretrainings=[pretraining], seeds=[0])
    with pytest.raises(UserError, match=told):
        planned(tmp_path, axes)


def test_a_cut_deeper_than_the_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'cbr_small' cannot be truncated by 3 blocks"):
        planned(tmp_path, grid(architectures=["cbr_small"], truncations=[3]))
