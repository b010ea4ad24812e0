"""States of networks whose activations a study compares.

A state is one set of weights of one network that sees one data set: what a cell starts from
(`INITIAL`), or its best checkpoint (`FINAL`). An initial state is named after its content, so that
all seeds and protocols which start from a released set of weights share it. Where a training starts
with drawn weights whose batch norms take statistics of the training images, these are part of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from transfergrid.planning.architectures import known_architectures
from transfergrid.planning.cells import Cell
from transfergrid.planning.ends import calibrated_start
from transfergrid.planning.layers import layer_names
from transfergrid.planning.state_pairs import (
    FINAL,
    INITIAL,
    LIKENESS,
    NOTHING,
    WEIGHTS,
    pairs_of,
)
from transfergrid.planning.stored import check_planned, follow_seed, hash_of
from transfergrid.planning.study import Study
from transfergrid.runtime.errors import UserError, listed

PROBE = ("images", "rows", "layers", "seed")
"""The settings of ``similarity`` that decide which activations are stored."""


@dataclass(frozen=True)
class State:
    """One set of weights of one network, and the data set that it sees.

    Attributes:
        id: ``<dataset>-<arch>-<pretraining>-drop<k>-<initial or final>-<hash8>``, the folder of
            its activations.
        when: `INITIAL` or `FINAL`.
        dataset_id: The data set's cache.
        weights_id: Folder of the prepared weights that it is, or None.
        trained_cell: Name of the cell whose checkpoint it is, or None.
        made_from: Everything that decides its activations beside the code.
        entry: What the stage that compares states is told of it.
    """

    id: str
    when: str
    dataset_id: str
    weights_id: str | None
    trained_cell: str | None
    made_from: Mapping[str, Any]
    entry: Mapping[str, Any]

    @property
    def stage(self) -> str:
        """The stage that stores its activations."""
        return "activations"

    @property
    def mark(self) -> str:
        """The file that shows that they are stored, relative to the folder of results."""
        return f"activations/{self.id}/receipt.json"

    @property
    def note(self) -> dict[str, Any]:
        """What a job that stores its activations must know."""
        return {"id": self.id, "made_from": dict(self.made_from)}


def states_of(study: Study, cells: Iterable[Cell]) -> tuple[State, ...]:
    """Return the states that a study compares, each once.

    Args:
        study: The study.
        cells: Its cells that take part; none if it has no ``similarity``.
    """
    settings = study.config["similarity"] or {}
    probe = {key: settings.get(key) for key in PROBE}
    found: dict[str, State] = {}
    seeds: dict[str, set[int]] = {}
    for cell in cells:
        spec = json.loads(cell.spec)
        taken = taken_of(spec["weights"])
        initial = _initial(cell, spec, probe, taken)
        found.setdefault(initial.id, initial)
        seeds.setdefault(initial.id, set()).add(cell.point.seed)
        final = _final(cell, probe, taken, initial.id)
        found[final.id] = final
    states = [_shared(s) if len(seeds.get(s.id, ())) > 1 else s for s in found.values()]
    pairs = pairs_of([state.entry for state in states], settings.get("pairs", ()))
    named = {state_id for _, *ends in pairs for state_id in ends}
    return tuple(state for state in states if state.id in named)


def taken_of(weights: Mapping[str, Any]) -> str:
    """Tell what initial weights have of a source's: `NOTHING`, `LIKENESS` or `WEIGHTS`.

    Of derived weights, blocks are loaded, and norms where these are kept; statistics, and the scale
    of a bank of filters, carry over nothing that a weight has learned. What keeps no block and
    takes no other step is a random network.

    Args:
        weights: ``weights`` of a cell's specification.
    """
    derive = weights.get("derive")
    if derive is not None:
        if derive.get("through", 0) != 0 or derive.get("statistics") == "keep":
            return WEIGHTS
        return LIKENESS if {"statistics", "filters"} & derive.keys() else NOTHING
    if weights.get("keep") is not None:
        return LIKENESS
    return WEIGHTS if weights["id"] or weights["source_cell"] else NOTHING


def compared_predictions(study: Study, cells: Iterable[Cell]) -> dict[str, str]:
    """Return the cells whose predictions are compared, with what their weights took of a source."""
    if not study.config["similarity"]["predictions"]:
        return {}
    return {cell.name: taken_of(json.loads(cell.spec)["weights"]) for cell in cells}


def check_similarity(study: Study, cells: Sequence[Cell], states: Sequence[State]) -> None:
    """Check that a study's networks have the layers, and its grid the pairs, that it asks for.

    Layers of networks that are not in resources/architectures.csv are known once they are built.

    Args:
        study: The study.
        cells: The cells that take part.
        states: Their states.

    Raises:
        UserError: A layer that a network lacks, or no pair at all.
    """
    settings = study.config["similarity"]
    if settings is None:
        return
    if settings["layers"] != "stages":
        for network, cut in {(c.point.architecture, c.point.truncation): None for c in cells}:
            _check_layers(study, settings["layers"], network, cut)
    whole = not any(study.config["only"].values())
    if not states and whole and not settings["predictions"]:
        raise UserError(
            f"{study.source}: similarity.pairs names {listed(settings['pairs'])}, and no two "
            "states of the grid are such a pair; name others, or leave pairs out."
        )


def _check_layers(study: Study, layers: Sequence[str], network: str, cut: int) -> None:
    known = known_architectures().get(network)
    if known is None or network in study.config["architectures"]:
        return
    there = layer_names(known.max_truncation + 2 - cut)
    lacking = [layer for layer in layers if layer not in there]
    if lacking:
        told = f" with {cut} of its blocks removed" if cut else ""
        raise UserError(
            f"{study.source}: similarity.layers names '{lacking[0]}', but {network}{told} has "
            f"{listed(there, 20)}."
        )


def _shared(state: State) -> State:
    return replace(state, entry={**state.entry, "seed": None})


def _initial(cell: Cell, spec: Mapping[str, Any], probe: Mapping[str, Any], taken: str) -> State:
    weights, point = spec["weights"], cell.point
    seeded = follow_seed(weights)
    made_from = {
        "state": INITIAL,
        "dataset": cell.dataset_id,
        "fold": spec["cell"].get("fold"),
        "architecture": spec["architecture"],
        "weights": weights,
        "truncation": point.truncation,
        "seed": point.seed if seeded else None,
        "probe": dict(probe),
    }
    calibrated = calibrated_start(spec["recipe"]) if seeded else None
    if calibrated is not None:
        made_from["calibrated"] = calibrated
    # Of released weights there is one state, whatever the seeds; a study may have just one of them.
    seed = None if cell.weights_id and not seeded else point.seed
    name = _named(cell, made_from)
    own = {"id": name, "protocol": "", "seed": seed, "calibrated": calibrated}
    entry = {**_entry(cell, INITIAL, taken), **own}
    source = cell.source_cell
    return State(name, INITIAL, cell.dataset_id, cell.weights_id, source, made_from, entry)


def _final(cell: Cell, probe: Mapping[str, Any], taken: str, initial: str) -> State:
    made_from = {
        "state": FINAL,
        "dataset": cell.dataset_id,
        "cell": cell.name,
        "probe": dict(probe),
    }
    name, point = _named(cell, made_from), cell.point
    own = {"id": name, "protocol": point.protocol, "seed": point.seed, "initial": initial}
    entry = {**_entry(cell, FINAL, taken), **own}
    return State(name, FINAL, cell.dataset_id, None, cell.name, made_from, entry)


def _entry(cell: Cell, when: str, taken: str) -> dict[str, Any]:
    point = cell.point
    return {
        "state": when,
        "dataset": point.dataset,
        "architecture": point.architecture,
        "pretraining": point.pretraining,
        "truncation": point.truncation,
        "fold": point.fold,
        "taken": taken,
    }


def _named(cell: Cell, made_from: Mapping[str, Any]) -> str:
    point = cell.point
    axes = [point.dataset, point.architecture, point.pretraining, f"drop{point.truncation}"]
    return "-".join([*axes, made_from["state"], hash_of(made_from, "activations")])


def check_state(state_id: str, made_from: Mapping[str, Any]) -> None:
    """Stop a job if what it would store is no longer the state that was planned.

    Raises:
        UserError: The code that stores activations was edited since.
    """
    check_planned(state_id, made_from, "activations", "stores activations")
