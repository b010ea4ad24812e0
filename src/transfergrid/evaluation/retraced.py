"""A trained cell's network with its weights at both ends of its training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from transfergrid.models.initial import SourceDiverged, initial_model
from transfergrid.models.normalise import Preprocessing
from transfergrid.models.trained import Trained
from transfergrid.models.zoo import head_of
from transfergrid.planning.ends import underived
from transfergrid.planning.paths import cell_directory
from transfergrid.planning.records import SPEC, read_kept, read_spec
from transfergrid.tasks.learn.kind import LearnHalf, learn_half

FINISHED, DIVERGED, START_LOST = "finished", "diverged", "start_lost"
"""Whether both ends are there: `START_LOST` if what the cell started from has changed since."""
_SAME = ("sha256", "init_sha256")
"""What a cell's proof says of the file that it started from."""


@dataclass(frozen=True)
class Retraced:
    """A network at both ends of its training.

    Attributes:
        spec: The cell's specification.
        network: The network, with the weights of its start.
        start: Tensors at the start by name, exactly as training drew or loaded them, before batch
            norms were calibrated.
        end: Tensors of the best checkpoint, the same names.
        preprocessing: The input that it expects.
        proof: Of the weights at the start, as the training wrote it.
        task: The half of its kind of task that torch is needed for.
        checkpoint: SHA-256 of the checkpoint.
    """

    spec: Mapping[str, Any]
    network: nn.Module
    start: Mapping[str, Tensor]
    end: Mapping[str, Tensor]
    preprocessing: Preprocessing
    proof: Mapping[str, Any]
    task: LearnHalf
    checkpoint: str

    def source(self, results: Path) -> dict[str, Tensor] | None:
        """Return the tensors that the initial weights are derived from, with a drawn classifier.

        None if they were taken over whole, or are just drawn.
        """
        whole = underived(self.spec["weights"])
        if whole is None:
            return None
        outputs = head_of(self.network).out_features
        network, _, _ = initial_model({**self.spec, "weights": whole}, results, outputs)
        return dict(network.state_dict())


def retrace(cell_named: str, results: Path) -> Retraced | str:
    """Draw or load a cell's initial weights again, and read its best checkpoint.

    Args:
        cell_named: The cell's name.
        results: Root of all outputs; its initial weights, or its source cell, must be there.

    Returns:
        Both ends; or `DIVERGED`, or `START_LOST` if the file or the source cell's checkpoint that
        it started from is another one by now.

    Raises:
        UserError: The cell is not trained, or a file is not what was written.
    """
    folder = cell_directory(cell_named, results)
    spec, cell = read_spec(folder / SPEC), Trained.of(folder)
    best = cell.best()
    if best is None:
        return DIVERGED
    card, recorded = json.loads(read_kept(folder, "card.json")), cell.json("proof.json")
    task, tasks = learn_half(card["task_kind"], spec), len(card["tasks"])
    try:
        network, preprocessing, proof = initial_model(spec, results, task.outputs(tasks))
    except SourceDiverged:
        return START_LOST
    if any(proof.get(key) != recorded.get(key) for key in _SAME):
        return START_LOST
    network = task.complete(network, tasks, int(spec["seed"]))
    start = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    digest = cell.files[f"checkpoints/{best}"]
    return Retraced(spec, network, start, cell.tensors(best), preprocessing, recorded, task, digest)
