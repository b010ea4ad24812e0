"""A network in two parts: what is frozen and gives features, and what learns from these.

Both parts are the network's own modules, so the features of the first, given to the second, are the
network's outputs bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from transfergrid.models.truncation import layers_of_last
from transfergrid.models.zoo import head_of
from transfergrid.planning.prefix import Prefix
from transfergrid.runtime.errors import UserError


class Front(nn.Module):
    """From images to features: a network whose weights are frozen, in evaluation mode."""

    def __init__(self, network: nn.Module, pooled: bool) -> None:
        """Take a network and whether its features are what goes into its classifier.

        Otherwise they are its last map, and the network is one of timm's.
        """
        super().__init__()
        self.network, self.pooled = network, pooled

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, C) features, or maps as (B, H, W, C), of a network's input (B, 3, H, W)."""
        if not self.pooled:
            features: Tensor = self.network.forward_features(images)  # type: ignore[operator]
            return features.permute(0, 2, 3, 1)
        return _before_head(self.network, images)[0]


class Tail(nn.Module):
    """From stored features to logits: the part of a network that learns, and shares its weights."""

    def __init__(self, network: nn.Module, prefix: Prefix, truncation: int) -> None:
        """Take the network that learns, and where the features were taken.

        Args:
            network: The whole network, truncated by `truncation`.
            prefix: Where the features end.
            truncation: Blocks that the network lacks.

        Raises:
            UserError: The network cannot be divided there.
        """
        super().__init__()
        self.network, self.pooled = network, prefix.pooled
        # A tuple, so that the modules are not registered a second time.
        last = prefix.drop - truncation
        self._layers: Sequence[nn.Module] = (
            () if prefix.pooled else tuple(layers_of_last(network, last))
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, outputs) logits of (B, C) features or (B, C, H, W) maps."""
        if self.pooled:
            logits: Tensor = head_of(self.network)(features)
            return logits
        for layer in self._layers:
            features = layer(features)
        logits = self.network.forward_head(features)  # type: ignore[operator]
        return logits


def as_input(features: Tensor) -> Tensor:
    """Return stored features as `Tail` takes them: maps as (B, C, H, W) in channels_last memory."""
    return features.permute(0, 3, 1, 2) if features.ndim == 4 else features


def is_linear(names: Iterable[str]) -> bool:
    """Tell whether tensors of these names are one linear layer, weight and bias, and no more."""
    split = [name.rpartition(".") for name in names]
    parts = {part for _, _, part in split}
    return len({layer for layer, _, _ in split}) == 1 and {"weight"} <= parts <= {"weight", "bias"}


def linear(tensors: Mapping[str, Tensor]) -> nn.Linear:
    """Return the linear layer whose weight, and bias if it has one, are all that is given."""
    own = {name.rpartition(".")[2]: tensor for name, tensor in tensors.items()}
    outputs, width = own["weight"].shape
    layer = nn.Linear(width, outputs, bias="bias" in own)
    layer.load_state_dict(own, strict=True)
    return layer


def check_division(front: Front, images: Tensor) -> None:
    """Refuse a network whose features may not stand for its images, after trying a few.

    Args:
        front: The network, on any device.
        images: (B, 3, H, W) its input.

    Raises:
        UserError: Something random happens before its classifier, or something after it.
    """
    network, name = front.network, type(front.network).__name__
    with torch.inference_mode():
        front.eval()
        expected = front(images)
        if front.pooled:
            features, logits = _before_head(network, images)
            if not torch.equal(head_of(network)(features), logits):
                raise UserError(
                    f"the outputs of {name} are not those of its classifier; its features cannot "
                    "stand for its images: write frozen_prefix: computed in its recipe."
                )
        _train_head(network)
        for _ in range(2):
            if not torch.equal(front(images), expected):
                raise UserError(
                    f"{name} draws at random before its classifier, such as dropout does; its "
                    "features cannot stand for its images: write frozen_prefix: computed in its "
                    "recipe."
                )
        front.eval()


def _train_head(network: nn.Module) -> None:
    """Put a network into the mode in which its head alone is trained.

    Layers without weights, such as dropout, then do what they do in training.
    """
    weight = head_of(network).weight
    network.train()
    for module in network.modules():
        weights = list(module.parameters())
        if weights and not any(found is weight for found in weights):
            module.eval()


def _before_head(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return what goes into a network's classifier, and the network's outputs."""
    seen: list[Tensor] = []
    handle = head_of(network).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        logits = network(images)
    finally:
        handle.remove()
    return seen[0], logits
