"""What is stored of networks for tables, and would be stored (again), by Snakemake's own rules.

Activations of states, and measurements of weights, that are missing are made only for a table that
is made (anew); those that are there are made again where a cell was trained again, or where the
images or weights behind them are prepared by the same run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from transfergrid.catalog.records import Stage
from transfergrid.catalog.stages import STAGE, STAGES
from transfergrid.commands.images import Images
from transfergrid.commands.memory import Memory
from transfergrid.planning.architectures import find_architecture
from transfergrid.planning.layers import layer_names, positions_per_image
from transfergrid.planning.outputs import files_of, inputs_of, mark_of
from transfergrid.planning.paths import activations_directory
from transfergrid.planning.records import is_whole
from transfergrid.planning.specs import sources_of

if TYPE_CHECKING:
    from transfergrid.commands.jobs import Jobs
    from transfergrid.planning.planned import PlannedStudy
    from transfergrid.planning.states import State
    from transfergrid.planning.weighings import Weighing

STORED = tuple(stage.name for stage in STAGES if stage.per in ("state", "weighing"))
"""Stages that store what tables are made of; `rule all` does not ask for it."""


def due_stored(study: PlannedStudy, jobs: Jobs, results: Path, memory: Memory) -> set[str]:
    """Return the ids of the states and measurements that would be stored.

    Args:
        study: The study.
        jobs: The jobs known so far.
        results: The folder of results.
        memory: What Snakemake remembers.
    """
    due: set[str] = set()
    for name in STORED:
        stored = [one for one in study.stored if one.stage == name]
        readers = [one for one in study.stages if name in one.reads]
        missing, again = set(), set()
        for one in stored:
            made = results / one.mark
            if not made.exists() or memory.incomplete(str(made)):
                missing.add(one.id)
            elif _follows(one, jobs, results, memory):
                again.add(one.id)
        if again or (missing and _reads(study, readers, jobs, results, memory)):
            due |= missing | again
    return due


def _follows(stored: State | Weighing, jobs: Jobs, results: Path, memory: Memory) -> bool:
    """Tell whether what is stored is made again, with what it was made from."""
    aged, trained = sources_of(stored)
    for mark in trained:
        if _owner(mark) in jobs.trains or memory.updated(
            [str(results / mark)], [str(results / stored.mark)]
        ):
            return True
    rooms = {"cache": jobs.prepare, "weights": jobs.weights, "cells": jobs.trains}
    return any(
        _owner(mark) in rooms[mark.partition("/")[0]] and not (results / mark).exists()
        for mark in aged
    )


def _owner(mark: str) -> str:
    return mark.split("/")[1]


def _reads(
    study: PlannedStudy, readers: Sequence[Stage], jobs: Jobs, results: Path, memory: Memory
) -> bool:
    """Tell whether a study's tables would be made, whatever becomes of what they are made from."""
    if any(cell.name in jobs.scores for cell in study.scored):
        return True
    stages = [STAGE[name] for name in ("ensembles", "gather")]
    return any(_is_due(study, one, results, memory) for one in (*stages, *readers))


def _is_due(study: PlannedStudy, stage: Stage, results: Path, memory: Memory) -> bool:
    stamp = results / "stamps" / study.stamps[stage.name][0]
    if not stamp.exists():
        return True
    if stage.per == "shard":
        return False
    made = [results / name for name in files_of(study.name, stage)]
    if any(not path.exists() or memory.incomplete(str(path)) for path in made):
        return True
    inputs = [str(results / name) for name in inputs_of(study, stage)]
    mark = results / mark_of(study.name, stage)
    return bool(memory.updated([str(stamp), *inputs], map(str, made)) or not mark.exists())


def activations_lacking(
    study: PlannedStudy, images: Mapping[str, Images | None], results: Path
) -> dict[str, tuple[str, int]]:
    """Return ("activations", bytes) of the activations that a study's networks lack, by id.

    Args:
        study: The study.
        images: The size of each data set, where known.
        results: The folder of results.
    """
    found = {}
    for state in study.states:
        seen = images[state.entry["dataset"]]
        if seen is None or is_whole(activations_directory(state.id, results)):
            continue
        count = images_seen(state, seen)
        found[state.id] = ("activations", _bytes(study, state, count) if count else 0)
    return found


def images_seen(state: State, images: Images) -> int:
    """Return how many images a state sees of a data set of this size."""
    probe = state.made_from["probe"]
    return int(min(getattr(images, probe["images"]), probe["rows"]))


def _bytes(study: PlannedStudy, state: State, images: int) -> int:
    """Return the bytes of a state's activations, the stem's aside; 0 for a network not listed."""
    return 4 * sum(rows * width for width, rows in layers_of(study, state, images))


def layers_of(study: PlannedStudy, state: State, images: int) -> list[tuple[int, int]]:
    """Return the channels and rows of each layer that is stored of a state.

    The stem, whose channels are not in the project's table, is left out; so is all of a network
    that is not listed there.

    Args:
        study: The study.
        state: The state.
        images: How many images it sees.
    """
    entry, probe, config = state.entry, state.made_from["probe"], study.study.config
    network = find_architecture(entry["architecture"], config["architectures"])
    if not network.widths:
        return []
    px = config["datasets"][entry["dataset"]]["image_px"]
    cut = entry["truncation"]
    forms = zip(network.widths[cut:], network.strides[cut:], strict=True)
    blocks = [(width, (-(-px // stride)) ** 2) for width, stride in forms]
    # The table has the last block first, and nothing of the stem.
    pooled = [(width, 1) for width, _ in blocks[:1]]
    names = layer_names(len(blocks) + 1)[1:]
    wanted = names if probe["layers"] == "stages" else probe["layers"]
    there = zip(names, [*blocks[::-1], *pooled], strict=True)
    layers = [form for name, form in there if name in wanted]
    images = max(images, 1)
    return [
        (width, images * positions_per_image(images, width, area, probe["rows"]))
        for width, area in layers
    ]
