"""Compare a state dict with a network's, and say in one sentence what does not fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from transfergrid.runtime.errors import UserError, listed

SHOWN = 3
# Auxiliary classifiers that timm leaves out of the network but keeps in the released file.
AUXILIARY = ("AuxLogits.",)
# Batch norm's batch counters, which files older than torch 0.4.1 lack and no forward pass reads.
COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Match:
    """Which tensors of some weights go into a network.

    Attributes:
        matched: Names that both have, with equal shapes, including the classifier if it is there.
        missing: Classifier tensors that the weights lack.
        unexpected: Tensors of the weights for which the network has no place and needs none.
    """

    matched: list[str]
    missing: list[str]
    unexpected: list[str]


def match(
    state: Mapping[str, Tensor],
    network: Mapping[str, Tensor],
    classifier: Collection[str],
    weights: str,
    target: str,
    needed: Collection[str] | None = None,
) -> Match:
    """Compare names and shapes; only the classifier may be missing or differ in its outputs.

    A tensor for which the network has no place is an error too: otherwise the weights of a
    ResNet-34 would fill a ResNet-18 without complaint.

    Args:
        state: The weights' tensors by name.
        network: Tensors by name, from the whole network; only shapes are read.
        classifier: Names of the network's classifier.
        weights: What to call the weights in an error.
        target: What to call the network in an error.
        needed: Names that the weights must have (a truncated network's); None means those of the
            whole network. The classifier need not be there.

    Raises:
        UserError: A tensor has another shape, is missing, or has no place.
    """
    body = [name for name in network if name not in classifier]
    _check_shapes(state, network, body, weights, target)
    must = [name for name in body if needed is None or name in needed]
    extra = [name for name in state if name not in network]
    _check_names(state, must, extra, weights, target)
    return Match(
        matched=[name for name in network if name in state],
        missing=[name for name in classifier if name not in state],
        unexpected=extra,
    )


def _check_shapes(
    state: Mapping[str, Tensor],
    network: Mapping[str, Tensor],
    body: Sequence[str],
    weights: str,
    target: str,
) -> None:
    wrong = [name for name in body if name in state and state[name].shape != network[name].shape]
    if wrong:
        told = ", ".join(
            f"{name} is {tuple(state[name].shape)} in the weights and {tuple(network[name].shape)} "
            "in the network"
            for name in wrong[:SHOWN]
        )
        raise UserError(
            f"{weights} does not fit {target}: {told} ({len(wrong)} of {len(body)} tensors differ "
            f"in shape); {_channel_advice(state, network, wrong)}give weights of this architecture."
        )


def _check_names(
    state: Mapping[str, Tensor],
    must: Sequence[str],
    extra: Sequence[str],
    weights: str,
    target: str,
) -> None:
    missing = [name for name in must if name not in state]
    if missing:
        raise UserError(
            f"{weights} lacks {len(missing)} of the {len(must)} tensors of {target} "
            f"({listed(missing, SHOWN)}) and holds {len(extra)} for which it has no place "
            f"({listed(extra, SHOWN) or 'none'}); {_prefix_advice(state, must, missing[0])}give "
            "weights of this architecture or a key_rule that renames them."
        )
    homeless = [name for name in extra if not name.startswith(AUXILIARY)]
    if homeless:
        raise UserError(
            f"{weights} holds {len(homeless)} tensors for which {target} has no place "
            f"({listed(homeless, SHOWN)}); give weights of this architecture, or leave them out "
            "with key_rule.drop if you know that they are not needed."
        )


def _channel_advice(
    state: Mapping[str, Tensor], network: Mapping[str, Tensor], wrong: list[str]
) -> str:
    """Name the key for a one-channel first convolution, if nothing else differs."""
    have, want = state[wrong[0]].shape, network[wrong[0]].shape
    one_side = len(have) == len(want) == 4 and sorted((have[1], want[1])) == [1, 3]
    if len(wrong) > 1 or not one_side:
        return ""
    return f"if it sees grey images, write key_rule.first_convolution: {wrong[0]}, else "


def _prefix_advice(state: Mapping[str, Tensor], must: Sequence[str], missing: str) -> str:
    """Name the prefix that all names in the weights have and the network's names lack."""
    for name in state:
        prefix = name.removesuffix(missing)
        if prefix != name and all(f"{prefix}{wanted}" in state for wanted in must):
            return f"write key_rule.strip_prefix: '{prefix}', or else "
    return ""
