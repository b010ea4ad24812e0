"""The CBR family: small networks of convolution, batch norm and ReLU, and their slim ones.

After Raghu, Zhang, Kleinberg and Bengio (2019, Transfusion), who published no code and no weights.
Kernels, widths and pools are known from secondary sources. These do not say how convolutions are
padded: here by half their kernel, and pools by one pixel, so that any size of image will do.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import relu

from transfergrid.models.truncation import truncate

MOST_POOLS = 4
"""Blocks that halve the map; in the tall network the fifth does not."""


class Block(nn.Module):
    """Convolution without bias, batch norm, ReLU, and perhaps a max pool that halves the map."""

    def __init__(self, inputs: int, width: int, kernel: int, pool: bool) -> None:
        """Take the channels before and after it, the side of its kernel, and whether it pools."""
        super().__init__()
        self.conv = nn.Conv2d(inputs, width, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1) if pool else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, width, h, w) of (B, inputs, H, W); a pool halves H and W, rounded up."""
        pooled: Tensor = self.pool(relu(self.norm(self.conv(features))))
        return pooled


class CBR(nn.Module):
    """Blocks named ``stem``, ``block1``, ``block2`` and so on, global average pooling, ``fc``.

    Its methods are those of timm's networks.
    """

    def __init__(self, kernel: int, widths: Sequence[int], outputs: int) -> None:
        """Take the side of all kernels, the channels of each block, and the number of logits."""
        super().__init__()
        self._names = ["stem", *(f"block{number}" for number in range(1, len(widths)))]
        before = 3
        for number, (name, width) in enumerate(zip(self._names, widths, strict=True)):
            self.add_module(name, Block(before, width, kernel, pool=number < MOST_POOLS))
            before = width
        self.num_features = before
        self.fc = nn.Linear(before, outputs)

    def forward_layers(self) -> tuple[list[str], list[int]]:
        """Name its layers in order and give the place of each block's last: each is a block."""
        return [*self._names], list(range(len(self._names)))

    def prune_intermediate_layers(self, indices: Sequence[int]) -> None:
        """Remove the blocks after the last one in `indices`; the classifier no longer fits."""
        keep = max(indices) + 1
        for name in self._names[keep:]:
            delattr(self, name)
        del self._names[keep:]
        self.num_features = int(self.get_submodule(self._names[-1]).conv.out_channels)  # type: ignore[union-attr,arg-type]

    def get_classifier(self) -> nn.Linear:
        """Return the classifier."""
        return self.fc

    def reset_classifier(self, outputs: int, pool: str | None = None) -> None:
        """Draw a new classifier; the pooling is always global average pooling."""
        self.fc = nn.Linear(self.num_features, outputs)

    def forward_features(self, images: Tensor) -> Tensor:
        """Return the last map (B, width, h, w) of images (B, 3, H, W)."""
        features = images
        for name in self._names:
            features = self.get_submodule(name)(features)
        return features

    def forward_head(self, features: Tensor) -> Tensor:
        """Return (B, outputs) logits of the last map."""
        logits: Tensor = self.fc(features.mean((2, 3)))
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, outputs) logits of images (B, 3, H, W)."""
        return self.forward_head(self.forward_features(images))


def _network(
    kernel: int, widths: Sequence[int], outputs: int, truncation: int, slim: int | None
) -> CBR:
    """Draw a network whole and cut it.

    Args:
        kernel: Side of its kernels.
        widths: Channels of each block.
        outputs: Number of logits.
        truncation: Blocks to remove.
        slim: Number of first blocks that keep their channels, while later ones have half of them;
            None for all.
    """
    whole = len(widths) if slim is None else slim
    kept = [width if number < whole else width // 2 for number, width in enumerate(widths)]
    model = CBR(kernel, kept, outputs)
    if truncation:
        truncate(model, truncation)
        model.reset_classifier(outputs)
    return model


def cbr_larget(outputs: int, truncation: int, slim: int | None = None) -> CBR:
    """Build the tall network: five blocks, of which the last does not pool."""
    return _network(7, (32, 64, 128, 256, 512), outputs, truncation, slim)


def cbr_largew(outputs: int, truncation: int, slim: int | None = None) -> CBR:
    """Build the wide network."""
    return _network(7, (64, 128, 256, 512), outputs, truncation, slim)


def cbr_small(outputs: int, truncation: int, slim: int | None = None) -> CBR:
    """Build the small network."""
    return _network(7, (32, 64, 128, 256), outputs, truncation, slim)


def cbr_tiny(outputs: int, truncation: int, slim: int | None = None) -> CBR:
    """Build the tiny network with the widths of the published text.

    The published number of parameters, as it is remembered, is that of `cbr_tiny_32`.
    """
    return _network(5, (64, 128, 256, 512), outputs, truncation, slim)


def cbr_tiny_32(outputs: int, truncation: int, slim: int | None = None) -> CBR:
    """Build the tiny network with the widths that give the number of parameters."""
    return _network(5, (32, 64, 128, 256), outputs, truncation, slim)
