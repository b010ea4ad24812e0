"""Fit a one-channel first convolution into a three-channel network, or the reverse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from transfergrid.models.normalise import Preprocessing
from transfergrid.runtime.errors import UserError


def fit_channels(
    state: Mapping[str, Tensor], name: str, network: Mapping[str, Tensor], told: str
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Give a convolution's weight the number of input channels that the network has.

    A network sees a grey image as equal channels, so a one-channel weight goes to each of C
    channels divided by C, and C channels are added up to make one: the convolution's output for a
    grey image does not change, as long as all channels are normalised alike.

    Args:
        state: Tensors by the network's names.
        name: The convolution's weight, (out, in, height, width).
        network: The network's tensors; only shapes are read.
        told: What to call the weights in an error.

    Returns:
        The tensors, and a record of what was done as plain JSON values.

    Raises:
        UserError: There is no such tensor, or the difference is not one channel against several.
    """
    if name not in state or name not in network:
        where = told if name not in state else "the network"
        raise UserError(
            f"key_rule.first_convolution names '{name}', which {where} does not have; name the "
            "first convolution's weight as the network calls it."
        )
    weight, wanted = state[name], network[name].shape
    have, want = (shape[1] if len(shape) > 1 else 0 for shape in (weight.shape, wanted))
    alike = weight.ndim == len(wanted) and (weight.shape[0], *weight.shape[2:]) == (
        wanted[0],
        *wanted[2:],
    )
    if not alike or have == want or 1 not in (have, want):
        raise UserError(
            f"key_rule.first_convolution turns one input channel into several or the reverse, but "
            f"{name} is {tuple(weight.shape)} in {told} and {tuple(wanted)} in the network; remove "
            "the key or correct the name."
        )
    if have == 1:
        fitted = (weight / want).expand(wanted).contiguous()
        rule = f"the one channel goes to each of {want}, divided by {want}"
    else:
        fitted = weight.sum(dim=1, keepdim=True)
        rule = f"the {have} channels are added"
    record = {"name": name, "from_channels": have, "to_channels": want, "rule": rule}
    return {**state, name: fitted}, record


def check_alike(preprocessing: Preprocessing, fitted: Mapping[str, Any] | None) -> None:
    """Refuse three different normalisations for one-channel weights.

    Args:
        preprocessing: The input that the weights are given.
        fitted: The record of `fit_channels`, or None if nothing was fitted.

    Raises:
        UserError: The weights had one channel, and mean or std differ between channels.
    """
    values = (preprocessing.mean, preprocessing.std)
    if fitted and fitted["from_channels"] == 1 and any(len(set(value)) > 1 for value in values):
        raise UserError(
            f"one-channel weights have one mean and std, but mean is {list(values[0])} and std "
            f"{list(values[1])}; write the one value three times in each."
        )
