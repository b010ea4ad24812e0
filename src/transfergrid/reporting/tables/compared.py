"""All pairs of one layer: each measure with its interval and its floor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transfergrid.planning.state_pairs import Pair as Names
from transfergrid.runtime.hashing import seeded
from transfergrid.similarity.factor import Factor
from transfergrid.similarity.floor import Exchange, Floor, floor
from transfergrid.similarity.jackknife import interval, jackknife, patient_groups
from transfergrid.similarity.measures import MEASURES, Pair

NOTHING = float("nan")


@dataclass(frozen=True)
class Compared:
    """Two states compared in one layer.

    Attributes:
        names: Why they are compared, and their ids.
        measures: By measure its value, bounds, and floor with bounds.
        ranks: Directions that the canonical correlations keep, left and right; None without any.
        flags: Remarks.
    """

    names: Names
    measures: Mapping[str, Mapping[str, float]]
    ranks: tuple[int | None, int | None]
    flags: tuple[str, ...]


def compare_layer(
    factors: Mapping[str, Factor | None],
    pairs: Sequence[Names],
    patients: NDArray[np.str_],
    draws: int,
    confidence: float,
    seed: int,
) -> list[Compared]:
    """Compare pairs of states in one layer, with one decomposition a state.

    Args:
        factors: Activations by state; None where some are NaN or infinite.
        pairs: Why, and the states.
        patients: (n,) the patient of each row.
        draws: Permutations of patients for the floor, the same for all pairs.
        confidence: Coverage of intervals, in (0, 1).
        seed: Deals patients to groups and permutes them.
    """
    whole: dict[Names, tuple[Factor, Factor]] = {}
    for pair in pairs:
        left, right = factors[pair[1]], factors[pair[2]]
        if left is not None and right is not None:
            whole[pair] = (left, right)
    values, flags = {}, {}
    for pair, ends in whole.items():
        one = Pair.of(*ends)
        values[pair], flags[pair] = one.measure(), one.flags
    alone = len(np.unique(patients)) < 2
    bounds = {} if alone else _bounds(values, factors, patients, confidence, seed)
    exchange = None if alone else _exchange(patients, draws, seed)
    about = ("one_patient",) if exchange is None else exchange.flags
    found = []
    for pair in pairs:
        if pair not in whole:
            empty = dict.fromkeys(MEASURES, _row(NOTHING))
            found.append(Compared(pair, empty, (None, None), ("not_finite",)))
            continue
        left, right = whole[pair]
        # What chance gives depends on both sides' spectra, so it is found for each pair.
        floors = {} if exchange is None else floor(left, right, exchange)
        rows = {
            name: _row(value, bounds.get((pair, name)), floors.get(name))
            for name, value in values[pair].items()
        }
        ranks = left.spectrum.kept, right.spectrum.kept
        found.append(Compared(pair, rows, ranks, (*flags[pair], *about)))
    return found


def _row(
    value: float,
    bounds: tuple[float, float] | None = None,
    floor: Floor | None = None,
) -> dict[str, float]:
    low, high = bounds or (NOTHING, NOTHING)
    floor = floor or Floor(NOTHING, NOTHING, NOTHING)
    found = {"value": value, "low": low, "high": high}
    return {**found, "floor": floor.mean, "floor_low": floor.low, "floor_high": floor.high}


def _bounds(
    values: Mapping[Names, Mapping[str, float]],
    factors: Mapping[str, Factor | None],
    patients: NDArray[np.str_],
    confidence: float,
    seed: int,
) -> dict[tuple[Names, str], tuple[float, float]]:
    """Return the interval of each pair and measure."""
    there = [state for state, factor in factors.items() if factor is not None]
    used = [factor for factor in factors.values() if factor is not None]
    number = {state: position for position, state in enumerate(there)}
    group = patient_groups(patients, np.random.default_rng(seeded("similarity", seed, "groups")))
    ends = [(number[left], number[right]) for _, left, right in values]
    found = {}
    for pair, left_out in zip(values, jackknife(used, ends, group), strict=True):
        for name, each in zip(MEASURES, left_out, strict=True):
            limits = interval(name, values[pair][name], each, confidence)
            found[pair, name] = (limits.low, limits.high)
    return found


def _exchange(patients: NDArray[np.str_], draws: int, seed: int) -> Exchange:
    return Exchange.drawn(
        patients, draws, np.random.default_rng(seeded("similarity", seed, "floor"))
    )
