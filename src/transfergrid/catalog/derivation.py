"""How weights are derived from others: the steps that a study may list, and their words.

Each step is a module of its own, found by name, so that its code is part of the cells that take it
and of no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ALL = "all"
"""The value of ``keep: through`` that keeps all blocks."""
IDENTITY = "identity"
"""What becomes of norms whose network is drawn with the source's statistics, unless it is said."""
COMMON = "transfergrid.models.derived"
"""The module that puts the steps together."""


@dataclass(frozen=True)
class Step:
    """A step, as the code that takes it.

    Attributes:
        name: Its key in a specification.
        module: The module with ``names(model, value)``, the tensors that the step fills and for
            which it reads the source's, and ``fill(model, source, value, seed)``, what it fills in
            and where each value came from.
    """

    name: str
    module: str


STEPS = (
    Step("statistics", "transfergrid.models.derived_statistics"),
    Step("through", "transfergrid.models.derived_prefix"),
    Step("filters", "transfergrid.models.gabor"),
)
"""Every step, in the order in which they are taken."""


def modules_of(derivation: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the modules whose code decides the weights of a derivation.

    Args:
        derivation: The value of each step by its name, and perhaps more.
    """
    return (COMMON, *(step.module for step in STEPS if step.name in derivation))


_NORMS = {
    IDENTITY: "start as the identity",
    "keep": "are those of {of}",
    "statistics": "are drawn likewise, variances from a lognormal distribution",
}


def told_of(settings: Mapping[str, Any]) -> str:
    """Say in words what a pretraining with ``derive`` keeps.

    Args:
        settings: The pretraining's settings.
    """
    parts = [_told(step, settings) for step in settings["derive"]]
    return (
        f"derived from {settings['of']}: {'; '.join(parts)}. What is not named is drawn from the "
        "cell's seed."
    )


def _told(step: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    of, keep = settings["of"], step.get("keep")
    if keep is None:
        return f"the first convolution is a Gabor bank with the scale of {of}'s filters"
    if keep == "statistics":
        norms = _NORMS[settings.get("derived_norms") or IDENTITY].format(of=of)
        return f"tensors are drawn with the mean and variance that they have in {of}; norms {norms}"
    count = keep["through"]
    if count == ALL:
        return f"all but the head is {of}'s"
    return f"the first {count} blocks, stem included, are {of}'s" if count else "nothing is kept"
