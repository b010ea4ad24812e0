"""A trained cell that reads films and gives the probabilities of its ensemble."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from transfergrid.catalog.kinds import dataset_kind
from transfergrid.data.blocks import Form
from transfergrid.data.images import ImageFiles, resize
from transfergrid.data.slices import is_volume
from transfergrid.data.store import Card
from transfergrid.evaluation.ensemble import choose_checkpoints, ensemble
from transfergrid.evaluation.inference import batch_of, predict_each
from transfergrid.evaluation.kept_card import card_of
from transfergrid.evaluation.marked import Marker, Marks
from transfergrid.evaluation.predict import films_a_pass, networks_of, ranking_of
from transfergrid.evaluation.scores import Scores, read_cell_scores
from transfergrid.evaluation.selection import parse_selection, select
from transfergrid.evaluation.trust import check_device, hold_own
from transfergrid.metrics.estimate import Estimator
from transfergrid.models.trained import Trained
from transfergrid.planning.records import SPEC, read_kept, read_spec
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.progress import progress
from transfergrid.tasks.learn.kind import learn_half
from transfergrid.tasks.score.kind import stored_numbers

Pixels = npt.NDArray[np.uint8]
Film = str | os.PathLike[str] | Pixels
"""The path of a film's file, or its pixels, (H, W) or (H, W, 3) uint8."""


@dataclass(frozen=True)
class LoadedCell:
    """A trained cell with the checkpoints that one selection has chosen.

    Attributes:
        folder: The cell's folder.
        spec: Its specification.
        card: What it was trained, validated and tested on.
        trained: Its files.
        selection: The rule by which its checkpoints were chosen.
        chosen: (T, n) numbers of the checkpoints of each task's mean, or of all structures' masks.
        device: Where its networks compute, such as "cpu" or "cuda".
        about: What it was trained and tested on, in a few sentences.
    """

    folder: Path
    spec: Mapping[str, Any]
    card: Card
    trained: Trained
    selection: str
    chosen: npt.NDArray[np.int64]
    device: str = "cpu"
    about: str = ""

    @classmethod
    def of(
        cls, folder: Path, selection: str, device: str = "cpu", own_code: bool = False
    ) -> LoadedCell:
        """Read a cell's folder, and compare its files with the training's receipt.

        Args:
            folder: The folder.
            selection: The rule by which checkpoints are chosen.
            device: "cpu", "cuda" or "cuda:<n>".
            own_code: Whether a network, decoder or metric that is not the project's is imported.

        Raises:
            UserError: The cell is not trained, diverged, its weights were freed or damaged, or it
                has no checkpoints of that selection; it needs code that may not be imported, or
                that was edited since; or there is no such device.
        """
        by_metric = parse_selection(selection).per_task
        check_device(device)
        if not (folder / SPEC).is_file():
            raise UserError(
                f"{folder} is no cell: it has no {SPEC}; name a folder in results/cells."
            )
        if not (folder / "checkpoints").is_dir():
            raise UserError(f"{folder} has no checkpoints: it is not trained, or they were freed.")
        spec, trained = read_spec(folder / SPEC), Trained.of(folder)
        if not trained.checkpoints():
            raise UserError(
                f"cell {folder.name} has no checkpoints, because its training diverged; name "
                "another."
            )
        hold_own(folder, spec, by_metric, own_code)
        card = card_of(read_kept(folder, "card.json"))
        chosen = _chosen(folder, spec, trained, selection, len(card.tasks))
        return cls(folder, spec, card, trained, selection, chosen, device)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The labels or structures that a prediction is of, in order."""
        return self.card.tasks

    @property
    def marks(self) -> bool:
        """Whether the cell marks structures pixel by pixel; else it has a probability a label."""
        return bool(stored_numbers(self.card.task_kind))

    def read(self, films: Sequence[Film]) -> Pixels:
        """Read films as the study's cache has them.

        Args:
            films: Paths, which are decoded as the data set's films were, or pixels.

        Returns:
            (N, px, px) uint8, or (N, px, px, 3) for a cell of coloured films.

        Raises:
            UserError: Films cannot be read; all of them are named.
        """
        form = Form.declared(self.spec["dataset"])
        found = np.zeros((len(films), *form.shape), np.uint8)
        broken = []
        for place, film in enumerate(progress(films, len(films), "reading films")):
            try:
                found[place] = resize(self._own(film), form.px, form.rule, form.channels)
            except (OSError, ValueError) as error:
                broken.append(str(error))
        if broken:
            raise UserError(
                f"{len(broken)} of {len(films)} films cannot be read, and nothing was predicted:"
                + "".join(f"\n- {fault}" for fault in broken)
            )
        return found

    def predict(
        self, films: Sequence[Film], studies: Sequence[str] | None = None
    ) -> npt.NDArray[np.floating]:
        """Return the mean probability over the cell's checkpoints, computed as the study's was.

        All films are held in memory at the cell's size.

        Args:
            films: Paths or pixels, see `read`.
            studies: For each film the examination that it is a view of; views of one are combined
                as the study combined them. By default each film is one.

        Returns:
            (S, T) float64 in [0, 1], examinations in the order of their first films; of a cell that
            marks structures (N, C, px, px) float32, the probability of each pixel.

        Raises:
            UserError: Films cannot be read, or the views of masks are to be combined.
        """
        if not films:
            raise UserError("there are no films; name at least one.")
        if not self.marks:
            return self._of_labels(self.read(films), studies)
        if studies is not None:
            raise UserError("each film has masks of its own; leave out which are of one study.")
        return np.concatenate([marks.probability for marks in self.marked(films)])

    def marked(self, films: Sequence[Film]) -> Iterator[Marks]:
        """Yield what the cell marks on a few films at a time, in order.

        Raises:
            UserError: Films cannot be read, or the cell marks nothing.
        """
        if not self.marks:
            raise UserError(f"cell {self.folder.name} has labels and marks no structure.")
        pixels, marker = self.read(films), self._marker
        parts = [pixels[i : i + marker.batch] for i in range(0, len(pixels), marker.batch)]
        for part in progress(parts, len(pixels), "predicting", size=len):
            yield marker(part)[self.selection]

    def _own(self, film: Film) -> Pixels:
        """Return a film as its file has it, or as much of it as its reader would decode."""
        if isinstance(film, np.ndarray):
            if film.dtype != np.uint8:
                raise UserError(
                    f"an array of {film.dtype} does not tell which numbers are black and white; "
                    "give uint8 from 0 to 255, or the path of its file."
                )
            return film
        path = Path(film).absolute()
        if is_volume(path.name):
            raise UserError(
                f"film {film} is a NIfTI volume, of which a cell sees one slice; save the slice as "
                "an 8-bit PNG, drawn and made grey as the cell's own films are, and name that."
            )
        options = dict(self.spec["dataset"])
        kind = dataset_kind(str(options["kind"]))
        if kind is not None and kind.arrays:  # which are made grey before they are resized
            options["image_px"] = None
        return ImageFiles.declared(path.parent, [path.name], options).read(0)

    @cached_property
    def _networks(self) -> tuple[list[nn.Module], Any]:
        """The chosen checkpoints' networks, the best one first, and what makes their input."""
        device = torch.device(self.device)
        load, normalise = networks_of(self.spec, self.trained, self.card, None, device)
        files = [str(checkpoint["file"]) for checkpoint in self.trained.checkpoints()]
        return [load(files[number]).eval() for number in self._numbers], normalise

    @property
    def _marker(self) -> Marker:
        """What marks films as the study's scores were made."""
        networks, normalise = self._networks
        held = dict(zip(self._numbers, networks, strict=True))
        task: Any = learn_half(self.card.task_kind, self.spec)
        return Marker(
            {self.selection: self._numbers},
            held.__getitem__,
            normalise,
            task.exclusive,
            films_a_pass(task, torch.device(self.device)),
            torch.device(self.device),
        )

    @cached_property
    def _numbers(self) -> list[int]:
        """The numbers of the checkpoints that some task's mean is of, the best one first."""
        used = sorted(set(self.chosen.ravel().tolist()))
        ranking = ranking_of(self.spec, self.trained.checkpoints())
        place = {number: rank for rank, number in enumerate(ranking)}
        return sorted(used, key=lambda number: place.get(number, -1))

    def _of_labels(self, pixels: Pixels, studies: Sequence[str] | None) -> npt.NDArray[np.float64]:
        models, normalise = self._networks
        size = batch_of(learn_half(self.card.task_kind, self.spec))
        logits = predict_each(models, normalise, pixels, size, self.device)
        count, number = len(pixels), len(models)
        names = np.array([str(place) for place in range(count)])
        cases = names if studies is None else np.array([str(study) for study in studies])
        if len(cases) != count:
            raise UserError(f"there are {count} films and {len(cases)} studies; give one a film.")
        scores = Scores(
            logits=logits,
            labels=np.full((count, len(self.tasks)), np.nan, np.float32),
            image_id=names,
            study_id=cases,
            patient_id=cases,
            task=np.array(self.tasks),
            step=np.arange(number),
            valid_score=np.full(number, np.nan),
            task_kind=self.card.task_kind,
            aggregate=self.card.aggregate,
        )
        places = {checkpoint: place for place, checkpoint in enumerate(self._numbers)}
        # In the order of training, because a sum's last bits depend on its order.
        chosen = np.vectorize(places.__getitem__, otypes=[np.int64])(self.chosen)
        return ensemble(scores, chosen).probabilities


def _chosen(
    folder: Path, spec: Mapping[str, Any], trained: Trained, selection: str, tasks: int
) -> npt.NDArray[np.int64]:
    """Return the numbers of the checkpoints that a selection has chosen, (T, n)."""
    if parse_selection(selection).per_task:
        valid = read_cell_scores(folder, "valid")
        return choose_checkpoints(selection, valid, Estimator.of(spec["metric"]))
    sign = 1.0 if spec["metric"]["higher_is_better"] else -1.0
    checkpoints = trained.checkpoints()
    scores = sign * np.array([c["valid_score"] for c in checkpoints], np.float64)
    steps = np.array([c["step"] for c in checkpoints], np.int64)
    return select(selection, steps, scores, np.full((len(steps), tasks), np.nan))
