"""Padding: of networks, of weights, and of the arms of a contrast."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor
from unit.planning.made_up_plan import grid, names, planned

from transfergrid.models.zoo import build, padding_of
from transfergrid.planning.architectures import find_architecture, known_architectures
from transfergrid.planning.padding import padding_of as declared_padding
from transfergrid.planning.weight_notes import weight_notes
from transfergrid.runtime.errors import UserError

SAME = {"of": "lcnet_050", "options": {"pad_type": "same"}}
VARIANT = {"architectures": {"lcnet_same": SAME}}
# timm takes pad_type for these and changes nothing.
FIXED = ("efficientnet_h_b5.sw_r448_e450_in1k", "efficientnet_x_b5.sw_r448_e450_in1k")


def test_what_planning_says_of_padding_is_what_timm_builds() -> None:
    some = ["efficientnet_b1_pruned", "tf_mobilenetv3_small_075", "tinynet_e", "efficientnet_x_b3"]
    listed = [str(row.timm) for row in known_architectures().values() if row.padding]
    smallest = [name for name in listed if "_b" not in name or "_b0" in name]
    for name in [*smallest, *some]:
        with torch.device("meta"):
            assert declared_padding(name) == padding_of(timm.create_model(name)), name


def test_planning_knows_which_networks_take_a_padding() -> None:
    modules = ("efficientnet", "mobilenetv3")
    takes = {name for module in modules for name in timm.list_models(module=module)}
    known = {name for name in timm.list_models() if declared_padding(name) is not None}
    assert known == {name for name in takes if not name.startswith("test_")}
    for name in FIXED:
        own = {"mine": {"of": name, "options": {"pad_type": "same"}}}
        with pytest.raises(UserError, match=f"pad_type, which {name.split('.')[0]} does not take"):
            find_architecture("mine", own)


@pytest.mark.parametrize("pad_type", ["same", "symmetric"])
def test_a_variant_pads_as_it_says_and_keeps_every_tensor(pad_type: str) -> None:
    for name in ("lcnet_050", "tf_efficientnet_lite0"):
        own = {"mine": {"of": name, "options": {"pad_type": pad_type}}}
        variant, base = find_architecture("mine", own), find_architecture(name, {})
        assert (variant.padding, variant.family) == (pad_type, base.family)
        assert variant.max_truncation == base.max_truncation
        assert variant.imagenet_top1 is None  # which was measured with the pinned padding
        ours = build(variant.record(64), 3, 0, seed=5)
        plain = build(base.record(64), 3, 0, seed=5)
        assert padding_of(ours) == pad_type
        states = [model.state_dict() for model in (ours, plain)]
        assert all(torch.equal(tensor, states[1][key]) for key, tensor in states[0].items())
        images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            equal = torch.equal(ours.eval()(images), plain.eval()(images))
        assert equal is (base.padding == pad_type)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"of": "resnet18", "options": {"pad_type": "same"}}, "pad_type, which resnet18 does not"),
        ({"of": "lcnet_05", "options": {"pad_type": "same"}}, "no known network.*'lcnet_050'"),
        ({"of": "lcnet_050", "options": {"pad_type": "valid"}}, "'valid'; allowed are same, symm"),
        ({"of": "lcnet_050", "options": {"act_layer": "gelu"}}, "no setting 'act_layer'; allowed"),
        ({"of": "lcnet_050", "options": {}}, "0 entries; at least 1"),
        ({"of": "lcnet_050"}, "lacks the setting 'options'"),
        ({"of": "lcnet_050", "factory": "a:b", **SAME}, "no setting 'factory'"),
        ({}, "lacks the setting 'factory'"),
    ],
)
def test_impossible_variants_are_refused(
    tmp_path: Path, entry: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        planned(tmp_path, {"architectures": {"mine": entry}, **grid(architectures=["mine"])})


def test_options_are_part_of_a_cell_and_costs_are_those_of_the_network(tmp_path: Path) -> None:
    study = planned(tmp_path, {**VARIANT, **grid(architectures=["lcnet_same"])})
    for cell in study.cells:
        spec = json.loads(cell.spec)["architecture"]
        assert (spec["options"], spec["of"]) == ({"pad_type": "same"}, "lcnet_050")
        assert (cell.network, cell.family) == ("lcnet_050", "LCNet")
    other = {"architectures": {"lcnet_same": {**SAME, "options": {"pad_type": "symmetric"}}}}
    assert not names(study) & names(
        planned(tmp_path, {**other, **grid(architectures=["lcnet_same"])})
    )


def test_arms_of_one_network_that_pad_differently_are_not_compared(tmp_path: Path) -> None:
    both = {**VARIANT, **grid(architectures=["lcnet_050", "lcnet_same"])}
    question = {"name": "pads", "kind": "contrast", "axis": "architecture"}
    for baseline in ("lcnet_050", "lcnet_same"):
        asked = {"questions": [{**question, "baseline": baseline}]}
        with pytest.raises(
            UserError, match=r"question 'pads' compares .*one network \(lcnet_050\)"
        ):
            planned(tmp_path, {**both, **asked})
    boost = {"name": "boost", "kind": "contrast", "axis": "pretraining", "baseline": "random"}
    assert planned(tmp_path, {**both, "questions": [boost]}).cells
    # Another network pads as it was designed to.
    others = grid(architectures=["lcnet_050", "tf_efficientnet_lite0"])
    assert planned(tmp_path, {**others, "questions": [{**question, "baseline": "lcnet_050"}]})


def file(folder: Path, change: dict[str, Tensor] | None = None, **metadata: str) -> str:
    state = dict(build({"timm": "lcnet_050.ra2_in1k"}, 7, 0, seed=9).state_dict())
    save_file({**state, **(change or {})}, folder / "w.safetensors", metadata or None)
    return str(folder / "w.safetensors")


def with_file(path: str, architecture: str = "lcnet_050", **settings: Any) -> dict[str, Any]:
    own = {"pretrainings": {"mine": {"kind": "file", "path": path, **settings}}}
    return {**VARIANT, **own, **grid(architectures=[architecture], pretrainings=["mine"])}


def test_weights_are_refused_by_a_network_that_pads_otherwise(tmp_path: Path) -> None:
    said = r"'mine' was trained with same padding, but architecture 'lcnet_050' pads symmetric"
    with pytest.raises(UserError, match=said):
        planned(tmp_path, with_file(file(tmp_path), padding="same"))
    with pytest.raises(UserError, match=said):
        planned(tmp_path, with_file(file(tmp_path, pad_type="same")))
    found = planned(tmp_path, with_file(file(tmp_path, pad_type="same"), "lcnet_same"))
    assert json.loads(found.targets[0].spec)["weights"]["padding"] == "same"
    with pytest.raises(UserError, match=r"says padding: symmetric, but the metadata .* say same"):
        planned(tmp_path, with_file(file(tmp_path, pad_type="same"), padding="symmetric"))
    with pytest.raises(UserError, match="pad_type 'valid' in its metadata; allowed are same"):
        planned(tmp_path, with_file(file(tmp_path, pad_type="valid")))


def test_timms_weights_are_those_of_the_network_as_timm_has_it(tmp_path: Path) -> None:
    hub = {**VARIANT, **grid(architectures=["lcnet_same"], pretrainings=["hub"])}
    with pytest.raises(
        UserError, match="'hub' was trained with symmetric padding, but .*pads same"
    ):
        planned(tmp_path, hub)
    lite = {"of": "tf_efficientnet_lite0", "options": {"pad_type": "same"}}
    axes = grid(architectures=["lite"], pretrainings=["wheel"], truncations=[0])
    assert planned(tmp_path, {"architectures": {"lite": lite}, **axes}).targets


def folded(state: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    """Norms that only add a bias."""
    state = dict(build({"timm": "lcnet_050.ra2_in1k"}, 7, 0, seed=9).state_dict())
    biases = [name.replace("running_mean", "bias") for name in state if "running_mean" in name]
    return {name: torch.full_like(state[name], 0.25) for name in biases}


def test_folded_norms_need_a_word_on_padding_and_a_recipe_that_keeps_them(tmp_path: Path) -> None:
    path = file(tmp_path, folded())
    with pytest.raises(UserError, match="'mine': weight file .* folded .* say in which"):
        planned(tmp_path, with_file(path))
    study = with_file(path, padding="symmetric")
    (warning,) = planned(tmp_path, study).warnings
    assert "'mine' has folded batch norms, and protocol 'finetune'" in warning
    for recipe in ({"norms": "frozen"}, {"train_layers": "head"}):
        assert planned(tmp_path, {**study, "protocols": {"finetune": recipe}}).warnings == ()
    borrowed = {
        "pretrainings": {**study["pretrainings"], "drawn": {"kind": "statistics", "of": "mine"}}
    }
    assert planned(tmp_path, {**study, **borrowed, **grid(pretrainings=["drawn"])}).warnings == ()


@pytest.mark.parametrize(
    ("through", "norms", "told"),
    [
        (2, "train", "trains with norms: train, .* starts to learn; write norms: frozen"),
        (2, "calibrate", "calibrates them before anything learns, .*; write norms: frozen"),
        (2, "frozen", None),
        (0, "calibrate", None),
        ("all", "calibrate", None),
    ],
)
def test_blocks_with_folded_norms_keep_them_beside_drawn_ones(
    tmp_path: Path, through: int | str, norms: str, told: str | None
) -> None:
    study = with_file(file(tmp_path, folded()), padding="symmetric")
    kept = {"of": "mine", "derive": [{"keep": {"through": through}}]}
    changes = {
        "pretrainings": {**study["pretrainings"], "kept": kept},
        "protocols": {"finetune": {"norms": norms}},
        **grid(pretrainings=["kept"]),
    }
    warnings = planned(tmp_path, {**study, **changes}).warnings
    assert len(warnings) == (told is not None)
    assert all(re.search(str(told), one) for one in warnings)


def test_notes_are_read_of_whole_safetensors_files_alone(tmp_path: Path) -> None:
    fresh = weight_notes(Path(file(tmp_path, source="a lab", licence="MIT")))
    assert (fresh.folded, fresh.padding) == (False, None)
    assert (fresh.source, fresh.licence) == ("a lab", "MIT")
    moved = {"bn1.running_mean": torch.ones(8)} | folded()
    assert not weight_notes(Path(file(tmp_path, moved))).folded
    scaled = folded() | {"bn1.weight": torch.full((8,), 1.5)}
    assert not weight_notes(Path(file(tmp_path, scaled))).folded
    path = Path(file(tmp_path, folded()))
    assert weight_notes(path).folded
    for data in (path.read_bytes()[:50], b"", b"\xff" * 40):
        path.write_bytes(data)
        assert weight_notes(path) == weight_notes(tmp_path / "none.safetensors")
