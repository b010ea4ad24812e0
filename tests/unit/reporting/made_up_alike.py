"""Made-up tables of similarity and agreement, with the pairs that planning would make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from transfergrid.catalog.alike import AGREEMENT, SIMILARITY
from transfergrid.planning.state_pairs import NOTHING, PAIRS, WEIGHTS, cell_pairs, pairs_of
from transfergrid.similarity.measures import MEASURES

LAYERS = ("stem", "block1", "block2", "block3", "block4", "pooled")
SIDE = ("pretraining", "protocol", "seed")
SETTINGS = {"images": "valid", "rows": 10000, "permutations": 200, "pairs": list(PAIRS), "seed": 0}


def cells_of(
    datasets: Sequence[str],
    networks: Sequence[str],
    sources: Sequence[str],
    protocols: Sequence[str],
    cuts: Sequence[int] = (0,),
    seeds: int = 3,
) -> list[dict[str, Any]]:
    """Return cells as `cell_pairs` has them; weights are loaded but those called ``random``."""
    axes = ("dataset", "architecture", "truncation", "pretraining", "protocol", "seed")
    values = product(datasets, networks, cuts, sources, protocols, range(seeds))
    points = [dict(zip(axes, point, strict=True)) for point in values]
    return [
        {
            **p,
            "cell": "-".join(map(str, p.values())),
            "taken": NOTHING if p["pretraining"] == "random" else WEIGHTS,
        }
        for p in points
    ]


def similarity_of(
    cells: Sequence[dict[str, Any]], layers: Sequence[str] = LAYERS, floor: float = 0.2
) -> pd.DataFrame:
    """Return similarity.csv of cells; the last cell diverged."""
    rng = np.random.default_rng(0)
    states = {state["id"]: state for cell in cells for state in _states(cell)}
    lost = f"after-{cells[-1]['cell']}"
    rows: list[dict[str, Any]] = []
    for reason, *ends in pairs_of(states.values(), list(PAIRS)):
        left, right = (states[end] for end in ends)
        row = {axis: left[axis] for axis in ("dataset", "architecture", "truncation")}
        row |= {"fold": "all", "pair": reason, "left": ends[0], "right": ends[1]}
        for side, state in (("left", left), ("right", right)):
            row |= {f"{side}_{key}": state[key] for key in (*SIDE, "state")}
        if lost in ends:
            rows.append({**row, "flags": "diverged"})
            continue
        high = {"before_after": 0.95, "seeds": 0.75, "random": 0.35}.get(reason, 0.55)
        for depth, layer in enumerate(layers):
            for measure in MEASURES:
                value = max(high - 0.07 * depth * (1 + rng.random()), 0.03) + 0.02 * rng.random()
                base = {"cka_debiased": 0.01}.get(measure, floor + 0.02 * depth)
                found = {"value": value, "low": value - 0.03, "high": value + 0.03}
                found |= {"floor": base, "floor_low": base - 0.015, "floor_high": base + 0.02}
                sizes = {"split": "valid", "n": 1196 * (1 + depth), "images": 1196, "patients": 412}
                sizes |= {"rank_left": 64, "rank_right": 64, "flags": ""}
                rows.append(row | sizes | found | dict(layer=layer, depth=depth, measure=measure))
    return pd.DataFrame(rows, columns=list(SIMILARITY.header))


def _states(cell: dict[str, Any]) -> Iterator[dict[str, Any]]:
    place = {axis: cell[axis] for axis in ("dataset", "architecture", "truncation")}
    place |= {"fold": "all", "pretraining": cell["pretraining"], "taken": cell["taken"]}
    where = "-".join(str(value) for value in place.values())
    seed = cell["seed"] if cell["taken"] == NOTHING else None
    first = f"before-{where}-{seed}"
    yield {**place, "id": first, "state": "initial", "protocol": None, "seed": seed}
    last = {"id": f"after-{cell['cell']}", "state": "final", "initial": first}
    yield {**place, **last, "protocol": cell["protocol"], "seed": cell["seed"]}


def agreement_of(
    cells: Sequence[dict[str, Any]], tasks: Sequence[str] = ("a", "b")
) -> pd.DataFrame:
    """Return agreement.csv of cells; the last cell diverged."""
    rng = np.random.default_rng(1)
    by_name = {cell["cell"]: cell for cell in cells}
    rows: list[dict[str, Any]] = []
    for reason, *ends in cell_pairs(cells):
        left, right = (by_name[end] for end in ends)
        row = {axis: left[axis] for axis in ("dataset", "architecture", "truncation")}
        row |= {"fold": "all", "pair": reason, "left": ends[0], "right": ends[1]}
        for side, cell in (("left", left), ("right", right)):
            row |= {f"{side}_{key}": cell[key] for key in SIDE}
        if cells[-1]["cell"] in ends:
            rows.append({**row, "flags": "diverged"})
            continue
        for task in ("", *tasks):
            a, b = 0.75 + 0.15 * rng.random(2)
            base, most = a * b + (1 - a) * (1 - b), 1 - abs(a - b)
            share = {"seeds": 0.7, "sources": 0.45, "random": 0.25}.get(reason, 0.4)
            value = base + share * (most - base)
            excess = (value - base) / (1 - base)
            same = {"task": task or None, "n": 480, "patients": 301, "flags": ""}
            for measure, found, ends_of in (
                ("agreement", value, (base, most)),
                ("excess_agreement", excess, (0.0, 0.9)),
                ("kappa", excess, (0.0, 1.0)),
            ):
                numbers = {"value": found, "low": found - 0.02, "high": found + 0.02}
                beside = dict(zip(("baseline", "ceiling"), ends_of, strict=True))
                rows.append(row | same | numbers | beside | {"measure": measure})
    return pd.DataFrame(rows, columns=list(AGREEMENT.header))
