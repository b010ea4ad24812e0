"""Lists of a study whose order says nothing: two orders are one study, and name the same things."""

from __future__ import annotations

from typing import Any

from transfergrid.planning.ends import INITIAL, SOURCE
from transfergrid.planning.layers import layer_depth
from transfergrid.planning.state_pairs import PAIRS
from transfergrid.planning.wanted import wheres


def in_order(config: dict[str, Any]) -> dict[str, Any]:
    """Put lists that stand for sets into the order in which the product works through them.

    Args:
        config: A study with its defaults.

    Returns:
        The study; the argument is changed.
    """
    for settings in config["pretrainings"].values():
        if "derive" in settings:
            settings["derive"] = sorted(settings["derive"], key=_step)
    if (similarity := config["similarity"]) is not None:
        similarity["pairs"] = sorted(similarity["pairs"], key=list(PAIRS).index)
        if similarity["layers"] != "stages":
            similarity["layers"] = sorted(similarity["layers"], key=layer_depth)
    if (reset := (config["weights"] or {}).get("reset")) is not None:
        reset["to"] = sorted(reset["to"], key=(INITIAL, SOURCE).index)
    for where in wheres(config):
        for axis, wanted in where.items():
            if isinstance(wanted, list):  # one value is the same as a list of it
                where[axis] = sorted(wanted) if len(wanted) > 1 else wanted[0]
    return config


def _step(step: dict[str, Any]) -> int:
    """Return a step's place: blocks, then statistics, then filters."""
    keep = step.get("keep")
    return 2 if keep is None else int(keep == "statistics")
