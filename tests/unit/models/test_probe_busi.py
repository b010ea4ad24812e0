"""Weights as we load them know something of another field: a probe of breast ultrasound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from unit.models.test_acceptance_mobilenet import SAME, WEIGHTS, released

from transfergrid.models.normalise import Normalise
from transfergrid.models.zoo import build

PX = 96
ULTRASOUND = WEIGHTS.parent / "classification" / "busi_128px.npz"

pytestmark = pytest.mark.skipif(not ULTRASOUND.is_file(), reason="needs BUSI of shared/data")


@pytest.fixture(scope="module")
def published() -> Any:
    with np.load(ULTRASOUND) as file:
        return {name: file[name] for name in file.files if name.endswith(("images", "labels"))}


def smaller(images: NDArray[np.uint8]) -> Tensor:
    """Images as uint8 (N, PX, PX, 3)."""
    small = [np.array(Image.fromarray(each).resize((PX, PX))) for each in images]
    return torch.from_numpy(np.stack(small))[..., None].expand(-1, -1, -1, 3)


def features(network: nn.Module, normalise: Normalise, images: Tensor) -> NDArray[np.float32]:
    """What the classifier of a network would see, in evaluation mode."""
    network.eval()
    found = []
    with torch.inference_mode():
        for some in images.split(64):
            maps = network.forward_features(normalise(some))  # type: ignore[operator]
            found.append(network.forward_head(maps, pre_logits=True))  # type: ignore[operator]
    return torch.cat(found).numpy()


def probe(network: nn.Module, normalise: Normalise, data: dict[str, NDArray[Any]]) -> float:
    """Macro AUROC on the published test part, of a regression on the training part."""
    learn, test = (
        features(network, normalise, smaller(data[f"{part}_images"])) for part in ("train", "test")
    )
    line = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    line.fit(learn, data["train_labels"][:, 0])
    chances = line.predict_proba(test)
    return float(roc_auc_score(data["test_labels"][:, 0], chances, multi_class="ovr"))


def test_a_probe_of_imagenet_beats_random_weights_by_a_wide_margin(published: Any) -> None:
    network, normalise, record = released("imagenet")
    learned = probe(network, normalise, published)
    random = [
        probe(build(SAME, record["classifier_outputs"], 0, seed=seed), normalise, published)
        for seed in (0, 1)
    ]
    assert learned > 0.8
    assert learned > max(random) + 0.1
