"""Which layers learn; frozen ones keep their weights and their batch-norm statistics."""

from __future__ import annotations

import re
from collections.abc import Iterable

from torch import nn

from transfergrid.models.norms import batch_norms
from transfergrid.models.truncation import blocks_of
from transfergrid.models.zoo import new_layers
from transfergrid.planning.recipe import CALIBRATE, Phase
from transfergrid.runtime.errors import UserError


def freeze(model: nn.Module, train_layers: str, norms: str = "train") -> None:
    """Switch gradients on for the layers that learn and off for all others.

    Args:
        model: The network.
        train_layers: "all", "head" (only the classifier, or a decoder in its place) or "last_<k>"
            (that and the last k blocks).
        norms: "train"; "frozen" for batch norms that learn nothing wherever they are, as
            torchvision's `FrozenBatchNorm2d`, while other norms learn with their layers; or
            "calibrate", with which scale and shift of batch norms learn with their layers too.

    Raises:
        UserError: `train_layers` or `norms` is none of these, or more blocks are asked for than
            there are.
    """
    if norms not in ("train", "frozen", CALIBRATE):
        raise UserError(f"norms is {norms!r}: use 'train', 'frozen' or 'calibrate'.")
    _layers_learn(model, train_layers)
    if norms == "frozen":
        for module in batch_norms(model).values():
            module.requires_grad_(False)


def _layers_learn(model: nn.Module, train_layers: str) -> None:
    match = re.fullmatch(r"last_([1-9][0-9]*)", train_layers)
    if train_layers not in ("all", "head") and not match:
        raise UserError(
            f"train_layers is {train_layers!r}: use 'all', 'head' or 'last_<k>' with k from 1."
        )
    model.requires_grad_(train_layers == "all")
    for layer in new_layers(model):
        layer.requires_grad_(True)
    if not match:
        return
    blocks, last = blocks_of(model), int(match[1])
    if last > len(blocks):
        raise UserError(
            f"train_layers asks for the last {last} blocks, but the network has {len(blocks)}: "
            f"use at most 'last_{len(blocks)}', or 'all'."
        )
    for block in blocks[-last:]:
        for module in block:
            module.requires_grad_(True)


def never_learned(model: nn.Module, phases: Iterable[Phase]) -> frozenset[str]:
    """Return the names of the tensors of a network that are the same after all phases.

    With a phase that calibrates, those of batch norms are not: what was there before it differs
    from what is there after it, and from device to device in the last bits.

    Raises:
        UserError: A phase asks for more blocks than there are.
    """
    names, changed = set[str](), set[str]()
    for phase in phases:
        if phase.norms == CALIBRATE:
            norms = batch_norms(model).items()
            changed |= {f"{prefix}.{name}" for prefix, norm in norms for name in norm.state_dict()}
        freeze(model, phase.train_layers, phase.norms)
        train_mode(model, phase.norms)
        for prefix, module in model.named_modules():
            own = {
                name: tensor.requires_grad
                for name, tensor in module._parameters.items()
                if tensor is not None
            }
            own |= {
                name: module.training
                for name, tensor in module._buffers.items()
                if tensor is not None
            }
            told = {f"{prefix}.{name}".removeprefix("."): learns for name, learns in own.items()}
            names |= set(told)
            changed |= {name for name, learns in told.items() if learns}
    return frozenset(names - changed)


def train_mode(model: nn.Module, norms: str = "train") -> None:
    """Put the layers that learn into training mode and the frozen ones into evaluation mode.

    A frozen batch norm in training mode would normalise by the batch and go on updating its
    statistics, so its layer would not be frozen at all. With norms frozen or calibrated, batch
    norms keep their statistics in layers that learn as well.
    """
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(p.requires_grad for p in parameters):
            module.eval()
    if norms != "train":
        for module in batch_norms(model).values():  # some have no weights that could be frozen
            module.eval()
