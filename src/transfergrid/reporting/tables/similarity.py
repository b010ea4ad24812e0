"""similarity.csv: how alike a study's networks are inside, layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transfergrid.evaluation.activation_files import Activations, Layer
from transfergrid.planning.state_pairs import PLACE, Pair, pairs_of, places
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.compared import Compared, compare_layer
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.progress import progress
from transfergrid.similarity.factor import Factor

_SIDE = ("pretraining", "protocol", "seed", "state")
_WHOLE = ("depth", "left_seed", "right_seed", "n", "images", "patients", "rank_left", "rank_right")


@dataclass(frozen=True)
class LayerWork:
    """What a worker needs for one layer of one place.

    Attributes:
        results: Root of all outputs.
        layer: The layer.
        depth: Its number.
        states: Ids of the states with activations.
        pairs: Those of these states.
        draws: Permutations of patients.
        confidence: Coverage of intervals.
        seed: Of the study's draws.
    """

    results: Path
    layer: Layer
    depth: int
    states: tuple[str, ...]
    pairs: tuple[Pair, ...]
    draws: int
    confidence: float
    seed: int


def similarity(study: Mapping[str, Any], results: Path, workers: int) -> dict[str, pd.DataFrame]:
    """Return the table of similarities."""
    return {"similarity": similarity_table(study, results, workers)}


def similarity_table(study: Mapping[str, Any], results: Path, workers: int = 1) -> pd.DataFrame:
    """Return one row per pair of states, layer and measure.

    Args:
        study: The stamp's content: states, similarity, evaluation and columns.
        results: Root of all outputs.
        workers: Processes to use when there is much to compare.

    Raises:
        UserError: Activations are missing or damaged, or two states saw other images.
    """
    entries = {entry["id"]: entry for entry in study["states"]}
    stored = {state: Activations.of(state, results) for state in entries}
    wanted = study["similarity"]["pairs"]
    rows: list[dict[str, Any]] = []
    work: list[LayerWork] = []
    for members in places(entries.values()).values():
        pairs = pairs_of(members, wanted)
        lost = [pair for pair in pairs if not _finished(pair, stored)]
        rows += [
            {**_named(pair, entries), "flags": ";".join(["diverged", *_calibrated(pair, entries)])}
            for pair in lost
        ]
        there = [pair for pair in pairs if _finished(pair, stored)]
        work += _layers(there, stored, study, results)
    done = gathering.over_cells(layer_rows, work, workers, sum(len(one.pairs) for one in work))
    for one, found in zip(work, progress(done, len(work), "layers"), strict=True):
        about = _about(stored[one.states[0]])
        for pair, row in found:
            flags = ";".join([*row["flags"], *_calibrated(pair, entries)])
            where = {"layer": one.layer.name, "depth": one.depth}
            rows.append({**_named(pair, entries), **about, **where, **row, "flags": flags})
    return gathering.frame(study, "similarity", rows, _WHOLE)


def _finished(pair: Pair, stored: Mapping[str, Activations]) -> bool:
    return all(stored[state].status == "finished" for state in pair[1:])


def _layers(
    pairs: Iterable[Pair],
    stored: Mapping[str, Activations],
    study: Mapping[str, Any],
    results: Path,
) -> Iterator[LayerWork]:
    """Yield the work of each layer of a place."""
    pairs = tuple(pairs)
    states = tuple(dict.fromkeys(state for _, *ends in pairs for state in ends))
    if not states:
        return
    first = stored[states[0]]
    for state in states[1:]:
        if not first.same_rows(stored[state]):
            raise UserError(
                f"{first.folder} and {stored[state].folder} hold activations of other images or "
                "positions; remove both and run snakemake again, which stores them again."
            )
    settings, confidence = study["similarity"], float(study["evaluation"]["confidence"])
    draws, seed = int(settings["permutations"]), int(settings["seed"])
    for depth, layer in enumerate(first.layers.values()):
        yield LayerWork(results, layer, depth, states, pairs, draws, confidence, seed)


def layer_rows(work: LayerWork) -> list[tuple[Pair, dict[str, Any]]]:
    """Compare all pairs of a layer: one decomposition a state.

    Args:
        work: The layer.

    Returns:
        For each pair and measure a row, without the pair's names; its flags are a list.
    """
    name = work.layer.name
    factors: dict[str, Factor | None] = {}
    for state in work.states:
        values = Activations.of(state, work.results).values(name)
        factors[state] = Factor.of(values) if np.isfinite(values).all() else None
    patients = Activations.of(work.states[0], work.results).patients(name)
    found = compare_layer(factors, work.pairs, patients, work.draws, work.confidence, work.seed)
    return [(one.names, row) for one in found for row in _rows(one, work.layer, len(patients))]


def _rows(compared: Compared, layer: Layer, count: int) -> Iterator[dict[str, Any]]:
    flags = [*(["short"] if layer.short else []), *compared.flags]
    for measure, found in compared.measures.items():
        yield {
            "measure": measure,
            **found,
            "n": count,
            "rank_left": compared.ranks[0],
            "rank_right": compared.ranks[1],
            "flags": flags,
        }


def _calibrated(pair: Pair, entries: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return flags of drawn weights whose batch norms had taken statistics of training images."""
    sides = zip(("left", "right"), pair[1:], strict=True)
    return [f"calibrated_{side}" for side, state in sides if entries[state].get("calibrated")]


def _named(pair: Pair, entries: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    reason, *ends = pair
    named: dict[str, Any] = {axis: entries[ends[0]][axis] for axis in PLACE}
    for side, state in zip(("left", "right"), ends, strict=True):
        named[side] = state
        named |= {f"{side}_{key}": entries[state][key] for key in _SIDE}
    return {**named, "pair": reason}


def _about(stored: Activations) -> dict[str, Any]:
    return {
        "split": stored.images,
        "images": stored.n_images,
        "patients": stored.n_patients,
    }
