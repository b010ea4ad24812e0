from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn
from unit.training.tiny import TinyNet, make_cache, make_spec

from transfergrid.data.store import Card, Split, open_split
from transfergrid.evaluation.cam import _record, cam_cell, class_maps
from transfergrid.evaluation.cam_record import read_record, write_record
from transfergrid.models.normalise import Normalise, Preprocessing
from transfergrid.models.zoo import build
from transfergrid.runtime.errors import UserError
from transfergrid.training.loop import train

SETTINGS = {"films": 2, "tasks": None}
NETWORKS = [
    ("resnet18.tv_in1k", 0, "layer4", "CAM"),
    ("resnet18.tv_in1k", 2, "layer2", "CAM"),
    ("densenet121.tv_in1k", 1, "features", "CAM"),
    ("lcnet_050.ra2_in1k", 1, "blocks", "CAM"),
    ("lcnet_050.ra2_in1k", 0, "blocks", "Grad-CAM"),
    ("tf_efficientnet_lite0.in1k", 0, "bn2", "CAM"),
]


class TwoLayers(nn.Module):
    """A head that is no linear layer, and no method of timm's: hooks and gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU())
        self.hidden = nn.Linear(6, 5)
        self.fc = nn.Linear(5, 4)

    def get_classifier(self) -> nn.Linear:
        return self.fc

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(torch.tanh(self.hidden(self.body(images).amax((2, 3)))))


def moved(model: nn.Module) -> nn.Module:
    """Give batch norm statistics and the head weights that are not those of a fresh network."""
    torch.manual_seed(3)
    with torch.no_grad():
        model.train()(torch.rand(8, 3, 64, 64))
        model.get_classifier().weight.normal_()
        model.get_classifier().bias.normal_()
    return model.eval()


def by_captum(model: nn.Module, layer: nn.Module, inputs: Tensor, task: int) -> Tensor:
    return LayerGradCam(model, layer).attribute(inputs, target=task)[:, 0].detach()


@pytest.mark.parametrize(("name", "truncation", "layer", "method"), NETWORKS)
def test_maps_are_captums_grad_cam(name: str, truncation: int, layer: str, method: str) -> None:
    model = moved(build({"timm": name}, 4, truncation, seed=1))
    inputs = torch.rand(2, 3, 64, 64)
    found = class_maps(model, inputs, [0, 2])
    assert found.method == method
    for position, task in enumerate((0, 2)):
        expected = by_captum(model, model.get_submodule(layer), inputs, task)
        expected = expected * expected[0].numel()
        scale = float(expected.abs().max())
        assert torch.allclose(found.maps[:, position], expected, atol=1e-4 * scale)
    with torch.no_grad():
        assert torch.allclose(found.logits, model(inputs), atol=1e-5)


def test_the_mean_of_a_cam_and_the_bias_are_the_logit() -> None:
    model = moved(build({"timm": "resnet18.tv_in1k"}, 4, 1, seed=1))
    found = class_maps(model, torch.rand(3, 3, 64, 64), range(4))
    bias = model.get_classifier().bias
    assert torch.allclose(found.maps.mean((2, 3)) + bias, found.logits, atol=1e-3)


def test_networks_of_ones_own_are_hooked() -> None:
    model, inputs = moved(TinyNet(3)), torch.rand(2, 3, 20, 20)
    found = class_maps(model, inputs, [1])
    assert found.method == "CAM"
    expected = by_captum(model, model.last, inputs, 1)
    assert torch.allclose(found.maps[:, 0], expected * expected[0].numel(), atol=1e-5)
    other = moved(TwoLayers())
    found = class_maps(other, inputs, [2])
    assert found.method == "Grad-CAM"
    expected = by_captum(other, other.body, inputs, 2)
    assert torch.allclose(found.maps[:, 0], expected * expected[0].numel(), atol=1e-5)


def test_a_network_without_a_map_is_refused_in_a_sentence() -> None:
    model = build({"timm": "vit_tiny_patch16_224.augreg_in21k_ft_in1k"}, 2, 0, seed=0).eval()
    with pytest.raises(UserError, match="no class activation map; leave it out"):
        class_maps(model, torch.rand(1, 3, 224, 224), [0])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    results = tmp_path_factory.mktemp("results")
    make_cache(results)
    spec = make_spec(epochs=3, keep_checkpoints=2)
    train(spec, results, threads=1)
    return results, spec


def test_films_are_the_first_positives_under_the_best_checkpoint(
    trained: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    results, spec = trained
    record = cam_cell(spec, results, SETTINGS)
    split = open_split(results / "cache" / "tiny-0", "test")
    ids = sorted(split.image_id[split.labels[:, 0] == 1])[:2]
    first = record.film_task == record.film_task[0]
    assert record.film_image[first].tolist() == ids
    rows = [split.image_id.tolist().index(name) for name in ids]
    assert np.array_equal(record.film_pixels[first], split.images[rows])
    assert record.film_map.max() <= 1 and record.film_map.min() >= 0
    assert len(record.hit) == 0  # nothing knows where the findings of these images are
    folder = next((results / "cells").iterdir())
    index = json.loads((folder / "checkpoints" / "index.json").read_text())["checkpoints"]
    assert record.step == max(index, key=lambda c: c["valid_score"])["step"]
    write_record(tmp_path / "a.npz", record)
    write_record(tmp_path / "b.npz", read_record(tmp_path / "a.npz"))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_an_unknown_task_and_a_changed_checkpoint_are_refused(
    trained: tuple[Path, dict[str, Any]],
) -> None:
    results, spec = trained
    with pytest.raises(UserError, match=r"cams\.tasks names 'moon'"):
        cam_cell(spec, results, {"films": 1, "tasks": ["moon"]})
    folder = next((results / "cells").iterdir())
    for path in folder.glob("checkpoints/*.safetensors"):
        path.write_bytes(b"")
    with pytest.raises(UserError, match="not the file that was written"):
        cam_cell(spec, results, SETTINGS)


class Bright(nn.Module):
    """Sees brightness: its only feature is the film, shrunk to a map of 4 by 4."""

    def __init__(self, outputs: int, weight: float, bias: float) -> None:
        super().__init__()
        self.shrink = nn.AvgPool2d(8)
        self.fc = nn.Linear(3, outputs)
        with torch.no_grad():
            self.fc.weight.fill_(weight)
            self.fc.bias.fill_(bias)

    def get_classifier(self) -> nn.Linear:
        return self.fc

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.shrink(images).mean((2, 3)))


class Corner:
    """Knows one region: where the films below are bright."""

    def find(self, image_id: str, task: str) -> np.ndarray | None:
        mask = np.zeros((32, 32), dtype=bool)
        mask[8:16, 16:24] = True
        return None if image_id == "b" else mask


def bright_films() -> tuple[Split, Card]:
    images = np.full((4, 32, 32), 20, dtype=np.uint8)
    images[:, 8:16, 16:24] = 250
    names = np.array(list("dbca"))
    labels = np.array([[1], [1], [1], [0]], dtype=np.float32)
    split = Split(images, labels, names, names, names)
    counts: dict[str, Any] = {"images": 4}
    card = Card(
        *("films", "phantom", "multilabel", ("finding",), ("finding",), "known", "known"),
        *(32, "crop", 1, True, "max", {"test": counts}, "", ()),
    )
    return split, card


@pytest.mark.parametrize(("weight", "hit", "blank"), [(1.0, 1, 0), (-1.0, 0, 1)])
def test_a_network_that_sees_brightness_points_at_what_is_bright(
    weight: float, hit: float, blank: float
) -> None:
    split, card = bright_films()
    model = Bright(1, weight, 0.5).eval()
    normalise = Normalise(Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)))
    best = {"step": 7}
    record = _record(
        model, normalise, split, card, Corner(), ["finding"], 1, best, torch.device("cpu")
    )
    # "a" is negative, and nothing is known of "b".
    assert record.film_image.tolist() == ["c"]
    assert sorted(record.mark_image.tolist()) == ["c", "d"]
    assert record.map_px.tolist() == [4, 4]
    assert set(record.hit) == {hit}
    assert set(record.blank) == {blank}
    assert (record.iou > 0.4).all() if hit else (record.iou == 0).all()
    assert (record.random_iou < 0.3).all()
    y, x = record.film_peak[0]
    assert (8 <= y < 16 and 16 <= x < 24) == bool(hit)
    expected = 1 / (1 + np.exp(-(0.5 + weight * 3 * split.images[0].mean() / 255)))
    assert record.film_probability[0] == pytest.approx(expected, abs=1e-5)
