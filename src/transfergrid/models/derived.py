"""A network whose initial weights are derived from others, step by step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from transfergrid.models.matching import match
from transfergrid.models.proof import compare, probe, probe_px
from transfergrid.models.zoo import head_keys, label_of, shapes

SEED, SOURCE = "seed", "source"
"""Where a tensor came from that is as it was drawn, or as it is in the source."""


def load(
    model: nn.Module,
    state: Mapping[str, Tensor],
    architecture: Mapping[str, Any],
    derivation: Mapping[str, Any],
    seed: int,
) -> dict[str, Any]:
    """Fill in what a derivation takes from a source; leave the rest as it was drawn.

    Args:
        model: The network, drawn from the cell's seed and perhaps truncated; it is changed.
        state: The source's tensors by name, all of them.
        architecture: The network's entry in the specification.
        derivation: The value of each step by its name, and ``base``, the entry of the network that
            the source's weights are of, where that is another one.
        seed: The cell's seed.

    Returns:
        What goes into the proof: which tensors came from where, and a probe.

    Raises:
        UserError: The weights do not fit, or a step does not fit the network.
    """
    base = derivation.get("base")
    whole, classifier = shapes(base or architecture)
    own, head = model.state_dict(), head_keys(model)
    needed = {name for step, value in _steps(derivation) for name in step.names(model, value)}
    network = whole if base else {**whole, **own}
    target = label_of(base or architecture)
    found = match(state, network, classifier, "the initial weights", target, needed=needed)
    px = probe_px(model, architecture)
    before = probe(model, px)
    values, origins = derived(model, state, derivation, seed)
    model.load_state_dict({**own, **values})
    counts = Counter(origins.values())
    return {
        "keep": "all" if counts[SOURCE] == len(own) - len(head) else "part",
        "derive": {step: value for step, value in derivation.items() if step != "code"},
        "matched": counts[SOURCE],
        "missing": head,
        "left_out": len(found.matched) - counts[SOURCE],
        "unexpected": found.unexpected,
        "origins": dict(counts),
        "tensors": origins,
        "probe": compare(probe(model, px), before, px).to_dict(),
    }


def derived(
    model: nn.Module, state: Mapping[str, Tensor], derivation: Mapping[str, Any], seed: int
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return what becomes of a network's tensors.

    Args:
        model: The network, as it was drawn from the cell's seed.
        state: The source's tensors by name; those that the steps need are there, and fit.
        derivation: The value of each step by its name.
        seed: The cell's seed.

    Returns:
        The tensors that change, by name; and for every tensor where it came from: "seed" (as it was
        drawn), "source", or what the step says that has made it.
    """
    filled: dict[str, tuple[Tensor, str]] = {}
    for step, value in _steps(derivation):
        filled |= step.fill(model, state, value, seed)
    origins = {name: filled[name][1] if name in filled else SEED for name in model.state_dict()}
    return {name: tensor for name, (tensor, _) in filled.items()}, origins


def _steps(derivation: Mapping[str, Any]) -> list[tuple[ModuleType, Any]]:
    """Return the module and the value of each step of a derivation, in their order."""
    # By name, so that the list of steps is no code of these weights.
    steps = import_module("transfergrid.catalog.derivation").STEPS
    return [
        (import_module(step.module), derivation[step.name])
        for step in steps
        if step.name in derivation
    ]
