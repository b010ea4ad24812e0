"""Words that the tables of answers hold and the page reads.

They stand apart, so that the page starts without the libraries that made the answers.
"""

from __future__ import annotations

MEAN = "mean"
ALONE = "alone"
"""The mean over the networks of a group, and over a group of one."""
NON_INFERIOR, NO_LOSS_FOUND = "non_inferior", "no_loss_found"
"""Rules that choose a network's cut."""
WITHOUT = "without_fold_"
"""The beginning of a flag that names a fold left out of a value."""


def quantity(name: str, rule: str) -> str:
    """Return what findings.csv calls the quantity that is estimated at the cut a rule chooses."""
    return f"{name}_{rule}"
