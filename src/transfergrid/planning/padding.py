"""How convolutions with a stride pad: on one side, as TensorFlow does, or evenly, as PyTorch does.

Weights of either kind fit both networks, whose tensors have equal shapes and whose outputs differ.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from transfergrid.runtime.errors import UserError, listed

SAME, SYMMETRIC = "same", "symmetric"

_FAMILIES = (
    "efficientnet",
    "efficientnetv2",
    "fbnetc",
    "fbnetv3",
    "gc_efficientnetv2",
    "lcnet",
    "mixnet",
    "mnasnet",
    "mobilenet_edgetpu",
    "mobilenetv1",
    "mobilenetv2",
    "mobilenetv3",
    "mobilenetv4",
    "semnasnet",
    "spnasnet",
    "tinynet",
)
_CHOOSES = re.compile(rf"(tf_)?({'|'.join(_FAMILIES)})(_.*)?")
"""Networks whose padding timm lets one choose, but for a few."""
_FIXED = re.compile(r"efficientnet_[hx]_b.*")
"""Networks among them whose definition has it."""
_SAME = re.compile(rf"tf_.*|efficientnet_b\d_pruned|{_FIXED.pattern}")


def padding_of(timm: str) -> str | None:
    """Return how a network of timm's pads, "same" or "symmetric"; None where this is not known.

    Args:
        timm: Its name, with or without a tag.
    """
    network = timm.split(".")[0]
    if not _CHOOSES.fullmatch(network):
        return None
    return SAME if _SAME.fullmatch(network) else SYMMETRIC


def network_of(timm: str) -> str:
    """Return the network that a name of timm's stands for, whatever its weights and padding."""
    return timm.split(".")[0].removeprefix("tf_")


def check_options(name: str, timm: str, options: Mapping[str, str]) -> None:
    """Refuse options that a network of timm's does not take.

    Args:
        name: The variant's name in the study.
        timm: timm's name of the network.
        options: By name.

    Raises:
        UserError: The network's padding cannot be chosen.
    """
    network = timm.split(".")[0]
    if "pad_type" in options and (padding_of(timm) is None or _FIXED.fullmatch(network)):
        raise UserError(
            f"architecture '{name}' has the option pad_type, which {network} does not take; leave "
            f"it out, or name a network of these kinds: {listed(_FAMILIES, len(_FAMILIES))}."
        )


def check_padding(name: str, trained: str | None, architecture: str, padding: str | None) -> None:
    """Refuse weights for a network that pads otherwise than the one that they were trained in.

    Args:
        name: The pretraining's name.
        trained: "same" or "symmetric", or None if that is not known of the weights.
        architecture: The network's name.
        padding: The same of the network.

    Raises:
        UserError: Both are known, and differ.
    """
    if trained and padding and trained != padding:
        raise UserError(
            f"pretraining '{name}' was trained with {trained} padding, but architecture "
            f"'{architecture}' pads {padding}; give it a variant of the network with "
            f"options: {{ pad_type: {trained} }}, or leave the pair out with exclude."
        )
