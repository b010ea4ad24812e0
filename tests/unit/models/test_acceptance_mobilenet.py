"""One backbone with weights of three sources, from TensorFlow, without a hub: acceptance images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from transfergrid.models.normalise import Normalise
from transfergrid.models.pretraining import fetch
from transfergrid.models.zoo import build, padding_of
from transfergrid.runtime.errors import UserError

WEIGHTS = Path(__file__).resolve().parents[4] / "shared/data/weights"
HALF = {"mean": [0.5] * 3, "std": [0.5] * 3}
FILE: dict[str, Any] = {"kind": "file", "padding": "same", **HALF}
MOBILENET = {"name": "mobilenetv2_100", "timm": "mobilenetv2_100.ra_in1k", "factory": None}
SAME = {**MOBILENET, "options": {"pad_type": "same"}}

pytestmark = pytest.mark.skipif(not WEIGHTS.is_dir(), reason="needs the weights of shared/data")


def released(source: str) -> tuple[nn.Module, Normalise, dict[str, Any]]:
    path = WEIGHTS / f"mobilenetv2_100_tf_{source}.safetensors"
    state, preprocessing, record = fetch(FILE, SAME, path)
    network = build(SAME, record["classifier_outputs"], 0, seed=0).eval()
    network.load_state_dict(state)
    return network, Normalise(preprocessing), record


def photograph(name: str) -> Tensor:
    """The centre of a photograph whose shorter side is 256 px, as uint8 (1, 224, 224, 3)."""
    image = Image.open(WEIGHTS / f"{name}.bmp").convert("RGB")
    scale = 256 / min(image.size)
    large = image.resize(
        (round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC
    )
    left, top = (large.width - 224) // 2, (large.height - 224) // 2
    return torch.from_numpy(np.array(large.crop((left, top, left + 224, top + 224))))[None]


def most_likely(network: nn.Module, images: Tensor) -> tuple[int, float]:
    with torch.inference_mode():
        likely = network(images).softmax(1)[0].max(0)
    return int(likely.indices), float(likely.values)


def test_photographs_get_their_names_from_the_network_as_it_was_trained() -> None:
    network, normalise, record = released("imagenet")
    assert (record["padding"], record["norms"], padding_of(network)) == ("same", "folded", "same")
    assert (record["missing"], record["unexpected"]) == ([], [])
    assert record["licence"] == "Apache-2.0" and record["origin"].startswith("google-coral")
    # The list begins with the background, which the network has no output for.
    background, *names = (WEIGHTS / "imagenet_labels.txt").read_text(encoding="utf-8").splitlines()
    assert (background, len(names)) == ("background", record["classifier_outputs"])
    for image, name, probability in (
        ("cat", "Egyptian cat", 0.96),
        ("bird", "chickadee", 1.00),
        ("dragonfly", "dragonfly", 0.96),
    ):
        place, sure = most_likely(network, normalise(photograph(image)))
        assert name in names[place], (image, names[place])
        assert sure == pytest.approx(probability, abs=0.005), image
    # The same tensors in the network that pads evenly: nearly the same names, other features.
    other = build(MOBILENET, record["classifier_outputs"], 0, seed=0).eval()
    other.load_state_dict(network.state_dict())
    place, sure = most_likely(other, normalise(photograph("cat")))
    assert "Egyptian cat" in names[place] and sure < 0.8


@pytest.mark.parametrize(
    ("source", "classes", "image", "place", "probability"),
    [("inat_birds", 965, "bird", 659, 0.93), ("inat_insects", 1022, "dragonfly", 912, None)],
)
def test_birds_and_insects_are_told_by_networks_of_their_own(
    source: str, classes: int, image: str, place: int, probability: float | None
) -> None:
    network, normalise, record = released(source)
    assert (record["classifier_outputs"], record["norms"]) == (classes, "folded")
    found, sure = most_likely(network, normalise(photograph(image)))
    assert found == place
    if probability is not None:
        assert sure == pytest.approx(probability, abs=0.005)


def test_the_files_are_refused_where_they_would_be_read_wrongly() -> None:
    path = WEIGHTS / "mobilenetv2_100_tf_imagenet.safetensors"
    with pytest.raises(UserError, match="with same padding, but mobilenetv2_100.ra_in1k pads symm"):
        fetch(FILE, MOBILENET, path)
    untold = {key: value for key, value in FILE.items() if key != "padding"}
    with pytest.raises(UserError, match="folded into its convolutions.*say in which"):
        fetch(untold, SAME, path)
