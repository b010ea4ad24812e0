"""Batch norms that were folded into the convolutions before them."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

_MEAN = "running_mean"
_NEAR = 1e-2
"""A folded norm's variance is 1, or 1 minus its epsilon, which is 1e-3 at most."""


def folded_norms(state: Mapping[str, Tensor]) -> bool:
    """Tell whether all batch norms of some weights only add a bias.

    Their scale and statistics are then within the convolutions: in evaluation mode the network is
    the one that was trained; in training mode the norms divide the scale out again.

    Args:
        state: Tensors by name. Norms as they are first made do not count: they add nothing.
    """
    norms = [name.removesuffix(_MEAN) for name in state if name.endswith(f".{_MEAN}")]
    biases = [state[f"{norm}bias"] for norm in norms if f"{norm}bias" in state]
    return bool(norms) and any(map(Tensor.any, biases)) and all(_adds(state, n) for n in norms)


def _adds(state: Mapping[str, Tensor], norm: str) -> bool:
    scale, variance = state.get(f"{norm}weight"), state[f"{norm}running_var"]
    identity = scale is None or bool((scale == 1).all())
    near = bool(((variance - 1).abs() <= _NEAR).all())
    return identity and near and not bool(state[f"{norm}{_MEAN}"].any())
