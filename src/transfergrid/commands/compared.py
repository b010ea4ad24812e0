"""Which states of networks would have their activations stored, by Snakemake's own rules.

Activations that are missing are stored only for a comparison that is made (anew); those that are
there are stored again where a cell was trained again, or where the images or weights behind an
initial state are prepared by the same run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from transfergrid.catalog.records import Stage
from transfergrid.catalog.stages import STAGE
from transfergrid.commands.images import Images
from transfergrid.commands.memory import Memory
from transfergrid.planning.architectures import find_architecture
from transfergrid.planning.layers import layer_names, positions_per_image
from transfergrid.planning.outputs import files_of, inputs_of, mark_of
from transfergrid.planning.paths import activations_directory, cell_directory
from transfergrid.planning.records import RECEIPT, TRAINED, is_whole
from transfergrid.planning.state_pairs import FINAL

if TYPE_CHECKING:
    from transfergrid.commands.jobs import Jobs
    from transfergrid.planning.plan import PlannedStudy
    from transfergrid.planning.states import State

SIMILARITY = STAGE["similarity"]


def due_states(study: PlannedStudy, jobs: Jobs, results: Path, memory: Memory) -> set[str]:
    """Return the ids of the states whose activations would be stored.

    Args:
        study: The study.
        jobs: The jobs known so far.
        results: The folder of results.
        memory: What Snakemake remembers.
    """
    if not study.states:
        return set()
    missing, again = set(), set()
    for state in study.states:
        made = activations_directory(state.id, results) / RECEIPT
        if not made.exists() or memory.incomplete(str(made)):
            missing.add(state.id)
        elif _follows(state, jobs, results, memory):
            again.add(state.id)
    return missing | again if again or _compares(study, jobs, results, memory) else set()


def _follows(state: State, jobs: Jobs, results: Path, memory: Memory) -> bool:
    """Tell whether stored activations are made again, with what they were made from."""
    trained = state.trained_cell
    if trained:
        made = activations_directory(state.id, results) / RECEIPT
        receipt = cell_directory(trained, results) / TRAINED
        if trained in jobs.trains or memory.updated([str(receipt)], [str(made)]):
            return True
    return state.when != FINAL and (
        state.dataset_id in jobs.prepare or state.weights_id in jobs.weights
    )


def _compares(study: PlannedStudy, jobs: Jobs, results: Path, memory: Memory) -> bool:
    """Tell whether a study's networks would be compared, whatever becomes of their activations."""
    if any(cell.name in jobs.scores for cell in study.scored):
        return True
    stages = [STAGE[name] for name in ("ensembles", "gather")]
    return any(_is_due(study, one, results, memory) for one in (*stages, SIMILARITY))


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
