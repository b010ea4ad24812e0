"""All pairs of one layer: each measure with its interval, and the floor of each kind of pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transfergrid.planning.state_pairs import Pair as Names
from transfergrid.runtime.hashing import seeded
from transfergrid.similarity.factor import Factor
from transfergrid.similarity.floor import Exchange, Floor, by_chance
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
        draws: Permutations of patients for the floor of each reason, spread over its pairs.
        confidence: Coverage of intervals, in (0, 1).
        seed: Deals patients to groups and permutes them.
    """
    whole: dict[Names, tuple[Factor, Factor]] = {}
    for pair in pairs:
        left, right = factors[pair[1]], factors[pair[2]]
        if left is not None and right is not None:
            whole[pair] = (left, right)
    alone = len(np.unique(patients)) < 2
    bounds = {} if alone else _bounds(whole, factors, patients, confidence, seed)
    floors = {} if alone else _floors(whole, patients, draws, seed)
    found = []
    for pair in pairs:
        if pair not in whole:
            empty = dict.fromkeys(MEASURES, _row(NOTHING))
            found.append(Compared(pair, empty, (None, None), ("not_finite",)))
            continue
        one = Pair.of(*whole[pair])
        rows = {
            name: _row(value, bounds.get((pair, name)), floors.get((pair[0], name)))
            for name, value in one.measure().items()
        }
        flags = (*one.flags, *(("one_patient",) if alone else ()))
        found.append(Compared(pair, rows, (one.x.kept, one.y.kept), flags))
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
    whole: Mapping[Names, tuple[Factor, Factor]],
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
    ends = [(number[left], number[right]) for _, left, right in whole]
    replicates = jackknife(used, ends, group)
    found = {}
    for pair, (left, right), left_out in zip(whole, whole.values(), replicates, strict=True):
        values = Pair.of(left, right).measure()
        for name, each in zip(MEASURES, left_out, strict=True):
            limits = interval(name, values[name], each, confidence)
            found[pair, name] = (limits.low, limits.high)
    return found


def _floors(
    whole: Mapping[Names, tuple[Factor, Factor]],
    patients: NDArray[np.str_],
    draws: int,
    seed: int,
) -> dict[tuple[str, str], Floor]:
    """Return the floor of each reason and measure, patients permuted.

    The pairs of a reason have equally many rows and channels, so that their permutations tell of
    the same chance; together they are as many as the study asks for.
    """
    rng = np.random.default_rng(seeded("similarity", seed, "floor"))
    exchange = Exchange.drawn(patients, draws, rng)
    found: dict[tuple[str, str], Floor] = {}
    for reason in dict.fromkeys(pair[0] for pair in whole):
        members = [ends for pair, ends in whole.items() if pair[0] == reason]
        drawn = [
            one
            for left, right, orders in _shared(members, exchange.orders)
            for one in by_chance(left, right, orders)
        ]
        for name in MEASURES:
            known = [one[name] for one in drawn if np.isfinite(one[name])]
            if known:
                found[reason, name] = Floor.of(known)
    return found


def _shared(
    members: Sequence[tuple[Factor, Factor]], orders: NDArray[np.int64]
) -> list[tuple[Factor, Factor, NDArray[np.int64]]]:
    """Share orders out among pairs; each gets one at least."""
    parts = np.array_split(orders, min(len(members), len(orders)))
    return [(*ends, parts[number % len(parts)]) for number, ends in enumerate(members)]
