"""Cut the last k blocks off a network, and name the blocks of a network.

A network is a row of blocks, stem first; the classifier is separate. Dropping k blocks keeps the
features that the whole network computes at that depth, bit for bit. The blocks are

===================== ======= ====================================================================
network               blocks  what a block is
===================== ======= ====================================================================
DenseNet              4       a dense block with the transition before it; the final batch norm
                              belongs to the last one
ResNet                4       layer1 to layer4
Inception v3, v4      4       the layers between two changes of resolution
EfficientNet, MNASNet 7       a stage; the head convolution belongs to the last one
MobileNet v2, v3      6 or 7  a stage; the head convolution belongs to the last one (in v3 it
                              comes after the pooling)
LCNet                 6       as MobileNet v3
CBR                   3 or 4  a block with its pool; the network itself says so, by a method
                              ``forward_layers()``
===================== ======= ====================================================================

The stem (block 0) and the first block are always kept. Two consequences are intended: a cut
DenseNet ends on the raw concatenation, without the batch norm and ReLU that the next transition
would have applied, and a cut EfficientNet or MobileNet loses its head convolution together with the
first block removed. The sizes are then those in resources/truncation.csv.
"""

from __future__ import annotations

from bisect import bisect_left

from timm.models.densenet import DenseNet
from timm.models.efficientnet import EfficientNet
from timm.models.inception_v3 import InceptionV3
from timm.models.inception_v4 import InceptionV4
from timm.models.mobilenetv3 import MobileNetV3
from timm.models.resnet import ResNet
from torch import nn

from transfergrid.runtime.errors import UserError


def _staged(model: nn.Module) -> tuple[list[str], list[int]]:
    """Layers and block ends of networks made by the EfficientNet builder."""
    stages = [f"blocks.{i}" for i, _ in enumerate(model.blocks)]  # type: ignore[arg-type]
    head = [name for name in ("conv_head", "bn2", "norm_head") if hasattr(model, name)]
    ends = [1, *range(2, 1 + len(stages)), 1 + len(stages) + len(head)]
    return ["conv_stem", "bn1", *stages, *head], ends


def _layers(model: nn.Module) -> tuple[list[str], list[int]] | None:
    """Name the layers in forward order and give the index of each block's last; None if unknown."""
    own = getattr(model, "forward_layers", None)
    if own is not None:
        names, ends = own()
        return names, ends
    if isinstance(model, ResNet):
        layers = ["layer1", "layer2", "layer3", "layer4"]
        return ["conv1", "bn1", "maxpool", *layers], [2, 3, 4, 5, 6]
    if isinstance(model, DenseNet):
        return [f"features.{name}" for name, _ in model.features.named_children()], [
            *model.feature_ends
        ]
    if isinstance(model, InceptionV3):
        return [*model.layer_names], [*model.feature_ends]
    if isinstance(model, InceptionV4):
        return [f"features.{i}" for i, _ in enumerate(model.features)], [*model.stage_ends]
    if isinstance(model, EfficientNet | MobileNetV3):
        return _staged(model)
    return None


def max_truncation(model: nn.Module) -> int:
    """Return how many blocks may be dropped from a whole network; 0 where no cut is defined."""
    layers = _layers(model)
    return 0 if layers is None else len(layers[1]) - 2


def truncate(model: nn.Module, drop: int) -> nn.Module:
    """Remove the last `drop` blocks and the classifier of a whole network, in place.

    With `drop` = 0 nothing is removed. Call ``reset_classifier`` afterwards: the network has no
    classifier, and ``num_features`` is the width of the last map that is kept.

    Args:
        model: A whole network, timm's or CBR; load its weights before, not after.
        drop: Blocks to remove, 0 to ``max_truncation(model)``.

    Returns:
        `model` itself.

    Raises:
        UserError: `drop` is outside the allowed range.
    """
    largest = max_truncation(model)
    if not 0 <= drop <= largest:
        name = type(model).__name__
        if largest == 0:
            raise UserError(
                f"truncation {drop} is not defined for {name}; use 0, or a factory of your own "
                "that takes a truncation."
            )
        raise UserError(f"truncation {drop} is too deep for {name}; choose 0 to {largest}.")
    if drop == 0:
        return model  # timm's pruning would remove the head convolution even if no stage goes
    keep = largest + 1 - drop
    if isinstance(model, EfficientNet | MobileNetV3):
        model.prune_intermediate_layers([keep], extra_blocks=True)
    else:
        model.prune_intermediate_layers([keep])  # type: ignore[operator]
    return model


def blocks_of(model: nn.Module) -> list[list[nn.Module]]:
    """Return the blocks of a whole or truncated network, stem first, without the classifier.

    Every parameter outside the classifier is in exactly one block. A user's own network (or another
    timm class) may have a method ``blocks_of()`` that returns the same.

    Raises:
        UserError: The blocks of this class of network are not known.
    """
    own = getattr(model, "blocks_of", None)
    if own is not None:
        return [list(block) for block in own()]
    layers = _layers(model)
    if layers is None:
        raise UserError(
            f"the blocks of {type(model).__name__} are not known; train 'all' layers or the "
            "'head', or give the network a method blocks_of()."
        )
    names, ends = layers
    blocks: list[list[nn.Module]] = [[] for _ in ends]
    for position, name in enumerate(names):
        module = model.get_submodule(name)
        if any(True for _ in module.parameters()):
            blocks[bisect_left(ends, position)].append(module)
    return [block for block in blocks if block]


def layers_of_last(model: nn.Module, last: int) -> list[nn.Module]:
    """Return the layers through which the map before the last blocks becomes the last map.

    Args:
        model: A whole or truncated network whose cuts are defined.
        last: Number of blocks, at least 1; the stem and the first block are not among them.

    Returns:
        Layers to call one after the other; with MobileNet v3, whose head convolution comes after
        the pooling, not that.

    Raises:
        UserError: The cuts of this class of network are not defined, or not so deep.
    """
    layers = _layers(model)
    kept = len(blocks_of(model)) - last if layers is not None else 0
    if layers is None or kept < 2:
        raise UserError(f"{type(model).__name__} cannot be divided before its last {last} blocks.")
    names, ends = layers
    end = len(names) if not isinstance(model, MobileNetV3) else names.index("conv_head")
    return [model.get_submodule(name) for name in names[ends[kept - 1] + 1 : end]]
