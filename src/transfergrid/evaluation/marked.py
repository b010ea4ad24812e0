"""What a cell's selections mark on films: each pixel's mean probability, some films at a time.

Counts of single checkpoints cannot give those of their mean, and outlines need masks. So some
films go through all checkpoints that a selection has chosen, are looked at, and forgotten: memory
does not grow with the number of films, and no mask is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from transfergrid.data.store import open_split, read_card, verify_pixels
from transfergrid.data.unmapped import let_go
from transfergrid.evaluation.predict import films_a_pass, lent, networks_of, ranking_of
from transfergrid.evaluation.selection import select
from transfergrid.models.trained import Trained
from transfergrid.planning.naming import cell_name, fold_of
from transfergrid.planning.paths import cache_directory, cell_directory
from transfergrid.planning.records import SCORED
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.watcher import Watcher
from transfergrid.tasks.learn.kind import learn_half
from transfergrid.tasks.learn.mask_terms import predictions


@dataclass(frozen=True)
class Marks:
    """What a selection marks on n films.

    Attributes:
        probability: (n, C, px, px) float32, the mean over its checkpoints; NaN where an output is
            not finite (of exclusive structures, any of the pixel's).
        marked: (n, C, px, px) bool: the probability is over one half or, of exclusive structures,
            larger than that of every other and of the background. Unknown pixels may be marked.
    """

    probability: NDArray[np.float32]
    marked: NDArray[np.bool_]

    def check(self, cell: str, films: Sequence[str]) -> None:
        """Refuse outputs that are not finite: their pixels would count as not marked.

        Args:
            cell: Name of the cell.
            films: What the n films are called.

        Raises:
            UserError: A film has one.
        """
        pairs = zip(films, self.probability, strict=True)
        lost = [film for film, own in pairs if np.isnan(own).any()]
        if lost:
            told = listed(lost, 3)
            raise UserError(
                f"networks of {cell} give numbers that are not finite for {told}, and nothing says "
                f"what they mark there; try the kind of device that scored the cell ({SCORED} in "
                "its folder says which), or leave the cell out."
            )


@dataclass(frozen=True)
class MarkedFilms:
    """Some films of a split.

    Attributes:
        rows: (n,) int64, which of the split's they are.
        images: (n, px, px) or (n, px, px, 3) uint8, as they are cached.
        truth: (n, C, px, px) uint8: 0, 1, or 255 where nobody knows.
        marks: By selection what it marks; none of a cell that diverged.
    """

    rows: NDArray[np.int64]
    images: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    marks: Mapping[str, Marks]


@dataclass(frozen=True)
class Marker:
    """The networks of a cell's checkpoints, ready to mark films as some selections do.

    Attributes:
        chosen: By selection the numbers of its checkpoints, the best one first.
        load: Gives the network of a checkpoint by its number.
        normalise: Makes a network's input of films.
        exclusive: Whether a pixel has one structure at most.
        batch: Films a pass; another number may round the last bits differently.
        device: Where to compute.
    """

    chosen: Mapping[str, Sequence[int]]
    load: Callable[[int], nn.Module]
    normalise: Callable[[Tensor], Tensor]
    exclusive: bool
    batch: int
    device: torch.device

    @classmethod
    def of(
        cls, spec: Mapping[str, Any], results: Path, selections: Sequence[str], device: str = "cpu"
    ) -> Marker:
        """Make the networks of a cell's checkpoints.

        Args:
            spec: The content of the cell's spec.json.
            results: The folder of all outputs.
            selections: Rules such as "best" or "top3", which choose by validation scores.
            device: "cpu", "cuda" or "cuda:<n>".

        Raises:
            UserError: The cell is not trained, or its files are not what was written.
        """
        cell, where = Trained.of(cell_directory(cell_name(spec), results)), torch.device(device)
        card = read_card(cache_directory(spec["dataset"]["id"], results), fold_of(spec))
        task: Any = learn_half(card.task_kind, spec)
        files = [str(checkpoint["file"]) for checkpoint in cell.checkpoints()]
        if not files:
            return cls({}, lambda number: nn.Identity(), lambda x: x, False, 1, where)
        load, normalise = networks_of(spec, cell, card, None, where)
        chosen = chosen_by(spec, cell, selections)
        used = list(dict.fromkeys(number for numbers in chosen.values() for number in numbers))
        networks = lent(cell, [files[number] for number in used], load, where)
        place = {number: rank for rank, number in enumerate(used)}
        batch = films_a_pass(task, where)
        return cls(chosen, lambda n: networks[place[n]], normalise, task.exclusive, batch, where)

    def __call__(self, images: NDArray[np.uint8]) -> dict[str, Marks]:
        """Mark films.

        Args:
            images: (n, px, px) or (n, px, px, 3) uint8 of the cache's size; all of them are in
                memory at once, with maps as large as they are, so about `batch` at a time.

        Returns:
            By selection what it marks; nothing if the cell diverged.
        """
        totals: dict[str, Tensor] = {}
        alone: dict[str, Tensor] = {}
        # The order in which probabilities are added decides last bits, and scoring begins with the
        # best checkpoint too.
        order = dict.fromkeys(n for numbers in self.chosen.values() for n in numbers)
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            inputs = self.normalise(torch.from_numpy(images).to(self.device))
            for number in order:
                output = self.load(number)(inputs).float()
                # Doubles, because float32 saturates and ties.
                own = output.double()
                own = own.softmax(dim=1) if self.exclusive else own.sigmoid()
                finite = output.isfinite()
                finite = finite.all(dim=1, keepdim=True) if self.exclusive else finite
                own = own.where(finite, torch.nan)
                for name, numbers in self.chosen.items():
                    if number in numbers:
                        totals[name] = totals[name] + own if name in totals else own
                    if list(numbers) == [number]:
                        alone[name] = predictions(output, self.exclusive)
            return {name: self._marks(name, totals[name], alone.get(name)) for name in self.chosen}

    def _marks(self, name: str, total: Tensor, alone: Tensor | None) -> Marks:
        count = len(self.chosen[name])
        marked = alone
        if marked is None:
            mean = total if self.exclusive else total - count / 2
            marked = predictions(mean, self.exclusive)
        probability = (total[:, 1:] if self.exclusive else total) / count
        return Marks(probability.float().cpu().numpy(), marked.cpu().numpy())


def chosen_by(
    spec: Mapping[str, Any], cell: Trained, selections: Sequence[str]
) -> dict[str, tuple[int, ...]]:
    """Return the checkpoints that each selection chooses, the best one first.

    Args:
        spec: The content of the cell's spec.json.
        cell: The trained cell; it has checkpoints.
        selections: Rules that choose for all tasks together.

    Raises:
        UserError: No checkpoint has the score that a rule needs.
    """
    checkpoints = cell.checkpoints()
    steps = [checkpoint["step"] for checkpoint in checkpoints]
    scores = np.asarray([checkpoint["valid_score"] for checkpoint in checkpoints], np.float64)
    sign = 1.0 if spec["metric"]["higher_is_better"] else -1.0
    place = {number: rank for rank, number in enumerate(ranking_of(spec, checkpoints))}
    found = {}
    for name in selections:
        numbers = select(name, steps, scores, scores[:, None], sign)[0].tolist()
        found[name] = tuple(sorted(numbers, key=lambda number: place.get(number, len(place))))
    return found


def marked_films(
    spec: Mapping[str, Any],
    results: Path,
    selections: Sequence[str],
    split: str = "test",
    device: str = "cpu",
    rows: Sequence[int] | None = None,
    watcher: Watcher | None = None,
) -> Iterator[MarkedFilms]:
    """Yield films of a split with what selections of a cell's checkpoints mark on them.

    Whoever takes them all has, at the end, also compared the files that they were read from with
    what was written.

    Args:
        spec: The content of the cell's spec.json; its data set has masks.
        results: The folder of all outputs.
        selections: Rules such as "best" or "top3", which choose by validation scores.
        split: "train", "valid" or "test".
        device: "cpu", "cuda" or "cuda:<n>".
        rows: Which films, in that order; None for all. Taking few of them may round last bits
            differently than scoring did.
        watcher: May stop the work.

    Yields:
        As many films as go through a network at once, or fewer.

    Raises:
        UserError: The cell is not trained, its files are not what was written, or an output is not
            finite.
    """
    cache, fold = cache_directory(spec["dataset"]["id"], results), fold_of(spec)
    found, check = open_split(cache, split, fold), (watcher or Watcher()).check
    bytes_read = verify_pixels(cache, found)
    task = learn_half(read_card(cache, fold).task_kind, spec)
    truth = task.target(found)
    marker = Marker.of(spec, results, selections, device)
    every = np.arange(len(found.images)) if rows is None else np.asarray(rows, dtype=np.int64)
    size = marker.batch
    for start in range(0, len(every), size):
        check()
        bytes_read.poll()
        part = every[start : start + size]
        images = np.array(found.images[part])
        marks = marker(images)
        for own in marks.values():
            own.check(cell_name(spec), found.image_id[part].tolist())
        yield MarkedFilms(part, images, np.array(truth[part]), marks)
        let_go(found.images, found.masks)
    bytes_read.wait()
