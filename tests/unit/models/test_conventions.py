"""Input conventions, against the formulas of their sources written out for grey levels 0 to 255."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from transfergrid.catalog.conventions import CONVENTIONS, declared_input
from transfergrid.models.initial import initial_model
from transfergrid.models.normalise import Normalise, Preprocessing
from transfergrid.models.pretraining import write_weights
from transfergrid.models.zoo import build
from transfergrid.planning.paths import PROJECT
from transfergrid.runtime.errors import UserError

Images = NDArray[np.float64]

LCNET = {"name": "lcnet_050", "timm": "lcnet_050.ra2_in1k", "factory": None}
CAFFE = np.array([103.939, 116.779, 123.68])


def imagenet(rgb: Images) -> Images:
    return (rgb / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]


def bgr_caffe(rgb: Images) -> Images:
    return rgb[..., ::-1] - CAFFE


def bgr_caffe_255(rgb: Images) -> Images:
    return (rgb[..., ::-1] - CAFFE) / 255


def bgr_pm1(rgb: Images) -> Images:
    return (rgb[..., ::-1] - 127.5) * 2 / 255


LITERAL: dict[str, Callable[[Images], Images]] = {
    "imagenet": imagenet,
    "bgr_caffe": bgr_caffe,
    "bgr_caffe_255": bgr_caffe_255,
    "bgr_pm1": bgr_pm1,
    "mixture": bgr_caffe,
}
LEVELS = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3), -1).reshape(1, -1, 18, 3)


def normalised(settings: dict[str, Any]) -> Images:
    expected = Preprocessing.from_dict(declared_input(settings)["input"])
    levels = torch.from_numpy(LEVELS.astype(np.uint8))
    return Normalise(expected)(levels).permute(0, 2, 3, 1).double().numpy()


@pytest.mark.parametrize("name", [convention.name for convention in CONVENTIONS])
def test_a_convention_is_its_formula(name: str) -> None:
    expected = LITERAL[name](LEVELS.astype(np.float64))
    # float32 has 24 bits; the largest intermediate is the largest output.
    assert np.abs(normalised({"input": name}) - expected).max() <= 2**-21 * np.abs(expected).max()
    assert declared_input({"input": name})["input"]["source"] == f"convention {name}"


def test_the_documentation_has_every_convention_as_it_is() -> None:
    text = (PROJECT / "docs" / "data.md").read_text(encoding="utf-8")
    for convention in CONVENTIONS:
        assert f"| `{convention.name}` | {convention.told} |" in text, convention.name


def test_the_mixture_scales_radimagenets_weights_alone() -> None:
    scaled = normalised({"input": "mixture", "layout": "radimagenet"})
    assert np.array_equal(scaled, normalised({"input": "bgr_caffe_255"}))
    assert np.array_equal(
        normalised({"input": "mixture", "layout": None}), normalised({"input": "bgr_caffe"})
    )


def test_a_grey_image_has_three_channels_of_a_caffe_convention() -> None:
    grey = torch.full((1, 2, 2), 200, dtype=torch.uint8)
    expected = Preprocessing.from_dict(declared_input({"input": "bgr_caffe"})["input"])
    seen = Normalise(expected)(grey)[0, :, 0, 0].double().numpy()
    assert seen == pytest.approx(200 - CAFFE, abs=1e-4)


def test_nothing_is_declared_where_nothing_is_said() -> None:
    assert declared_input({"input": None}) == declared_input({}) == {}
    own = declared_input({"input": {"mean": [0, 0, 0], "std": [1, 1, 1]}})["input"]
    assert (own["channel_order"], own["source"]) == ("rgb", "study")


def test_a_declared_input_takes_the_place_of_the_weights_own(tmp_path: Path) -> None:
    save_file(dict(build(LCNET, 7, 0, seed=9).state_dict()), tmp_path / "w.safetensors")
    own = {"kind": "file", "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]}
    given = declared_input({"input": "bgr_pm1"})
    proof = write_weights(
        own | given, LCNET, tmp_path / "w.safetensors", tmp_path / "weights" / "w-1"
    )
    assert proof["preprocessing"]["channel_order"] == "bgr"
    spec = {"cell": {"truncation": 0}, "architecture": {**LCNET, "input_px": 64}, "seed": 0}
    released = {"kind": "file", "id": "w-1", "source_cell": None, "sha256": None}
    drawn = {"kind": "random", "id": None, "source_cell": None, "sha256": None}
    for weights in (released, drawn):
        _, preprocessing, told = initial_model(
            {**spec, "weights": weights | given}, tmp_path, outputs=1
        )
        assert (preprocessing.mean, preprocessing.std) == ((0.5,) * 3, (0.5,) * 3)
        assert preprocessing.source == "convention bgr_pm1"
        assert told["preprocessing"] == preprocessing.to_dict()
    # What is recorded of a resampling is not the convention's to say.
    assert preprocessing.interpolation == "bicubic"


def test_one_channel_weights_take_no_convention_that_tells_channels_apart(tmp_path: Path) -> None:
    state = dict(build(LCNET, 7, 0, seed=9).state_dict())
    state["conv_stem.weight"] = state["conv_stem.weight"].sum(1, keepdim=True)
    save_file(state, tmp_path / "grey.safetensors")
    rule = {"first_convolution": "conv_stem.weight"}
    grey = {"kind": "file", "mean": [0.5] * 3, "std": [0.2] * 3, "key_rule": rule}
    with pytest.raises(UserError, match="one-channel weights have one mean"):
        write_weights(
            grey | declared_input({"input": "bgr_caffe"}),
            LCNET,
            tmp_path / "grey.safetensors",
            tmp_path / "weights" / "w-1",
        )
    assert not (tmp_path / "weights").exists()
