"""Layouts of weight files whose tensors have other names than the network's, told by these names.

RadImageNet's PyTorch files hold what is left of torchvision's networks without their classifiers,
as members of one ``nn.Sequential`` (pytorch_example.ipynb in BMEII-AI/RadImageNet @ 0ce16f7 for
ResNet-50; for DenseNet-121 two public programs that load the file agree on the names; those of
InceptionV3.pt are not known). Ports of its Keras files are other networks, see `check_no_port`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from transfergrid.runtime.errors import UserError, listed

RADIMAGENET = "radimagenet"

_SHOWN = 3
_KERAS_NAME = re.compile(r"(^|[./])conv[2-5]_block\d+_\d_(conv|bn)([./]|$)")


@dataclass(frozen=True)
class Layout:
    """A layout.

    Attributes:
        name: The value of ``layout`` in a study.
        network: The kind of network that it is for.
        prefixes: By the beginning of a name in the file, that of the network's name; every name of
            the file begins with one of them.
        marks: Names without which a file is not of this layout.
    """

    name: str
    network: str
    prefixes: Mapping[str, str]
    marks: tuple[str, ...]

    def is_of(self, names: Iterable[str]) -> bool:
        """Tell whether a file's names are those of this layout."""
        there = set(names)
        known = tuple(self.prefixes)
        return there >= set(self.marks) and all(name.startswith(known) for name in there)

    def renamed(self, name: str) -> str:
        """Return the network's name for one of the file's."""
        prefix = next(prefix for prefix in self.prefixes if name.startswith(prefix))
        return self.prefixes[prefix] + name.removeprefix(prefix)


LAYOUTS = (
    Layout(
        RADIMAGENET,
        "ResNet-50",
        {
            "backbone.0.": "conv1.",
            "backbone.1.": "bn1.",
            **{f"backbone.{n + 3}.": f"layer{n}." for n in (1, 2, 3, 4)},
        },
        ("backbone.0.weight", "backbone.1.running_mean", "backbone.7.0.conv1.weight"),
    ),
    Layout(
        RADIMAGENET,
        "DenseNet-121",
        {"backbone.0.": "features."},
        ("backbone.0.conv0.weight", "backbone.0.denseblock1.denselayer1.norm1.weight"),
    ),
)


def find_layout(names: Iterable[str], declared: str | None, told: str) -> Layout | None:
    """Return the layout of a file by its tensors' names; None if these are the network's own.

    Args:
        names: The names.
        declared: The layout that the study says it has, or None.
        told: What to call the file in an error.

    Raises:
        UserError: The file does not have the layout that was declared.
    """
    there = list(names)
    found = next((layout for layout in LAYOUTS if layout.is_of(there)), None)
    if declared and (found is None or found.name != declared):
        networks = " or ".join(sorted(one.network for one in LAYOUTS if one.name == declared))
        raise UserError(
            f"{told} does not have the layout {declared}, whose names begin with 'backbone.' "
            f"({networks}): it holds {listed(there, _SHOWN)}; remove layout, and write a key_rule "
            "if the names are not the network's."
        )
    return found


def check_no_port(
    raw: Mapping[str, Tensor],
    new_names: Mapping[str, str],
    network: Mapping[str, Any],
    told: str,
    target: str,
) -> None:
    """Refuse the weights of another network whose tensors fit all the same.

    In Keras a ResNet-50's convolutions have biases; where a block reduces the map, its first 1 × 1
    convolution does so and not the 3 × 3 one; and its batch norms have an epsilon of 1.001e-5.
    Without the biases, every tensor fits torchvision's and timm's network, which would compute
    something else.

    Args:
        raw: The file's tensors, with those that a key rule leaves out.
        new_names: The network's name for each of the file's names that is not left out.
        network: The network's tensors by name.
        told: What to call the file in an error.
        target: What to call the network.

    Raises:
        UserError: Convolutions have biases that the network's have not, or names are Keras's.
    """
    biases = [name for name in raw if _lost_bias(name, raw, new_names, network)]
    if not biases and not any(_KERAS_NAME.search(name) for name in raw):
        return
    why = (
        f"has biases for {len(biases)} convolutions ({listed(biases, _SHOWN)}) that have none in "
        f"{target}"
        if biases
        else "has the names of a Keras network"
    )
    raise UserError(
        f"{told} {why}: it is of another network, such as a port from Keras, whose ResNet-50 also "
        "halves the map in another convolution of a block, so that the other tensors would fit and "
        "give wrong features; give weights that were trained in this network, such as "
        "RadImageNet's own PyTorch file."
    )


def _lost_bias(
    name: str,
    raw: Mapping[str, Tensor],
    new_names: Mapping[str, str],
    network: Mapping[str, Any],
) -> bool:
    stem, _, kind = name.rpartition(".")
    weight = f"{stem}.weight" if stem else "weight"
    if kind != "bias" or weight not in new_names or raw[weight].ndim != 4:
        return False
    place = new_names[weight]
    return place in network and f"{place.removesuffix('weight')}bias" not in network
