"""How much less a network scores on the films of another hospital than on its own test films."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transfergrid.evaluation.external_files import external_ensembles, read_external
from transfergrid.metrics.influence import Influence
from transfergrid.planning.paths import cell_directory
from transfergrid.statistics.reader import Reader


class Bounded(NamedTuple):
    """A value with its interval; NaN where there is none."""

    estimate: float
    low: float
    high: float


def drop_of(own: Bounded, there: Bounded, sign: float) -> Bounded:
    """Return the drop from a value to that on other patients, with its interval.

    The two sets of patients are independent, so variances add. Bounds of an AUROC near 1 are not
    symmetric, and neither are those of a difference: the distances from estimates to bounds are
    added in squares, each on the side on which it moves the difference (Zou and Donner 2008,
    Statistics in Medicine 27:1693-1702).

    Args:
        own: The value on the cell's own test films.
        there: That on the others.
        sign: 1 where a higher value is better, -1 where a lower one is.

    Returns:
        Above 0 is worse there.
    """
    first, second = (own, there) if sign > 0 else (there, own)
    drop = first.estimate - second.estimate
    below = math.hypot(first.estimate - first.low, second.high - second.estimate)
    above = math.hypot(first.high - first.estimate, second.estimate - second.low)
    return Bounded(drop, drop - below, drop + above)


@dataclass(frozen=True)
class Both:
    """A network's value on its own test films and on those of another hospital.

    Attributes:
        own: The former, with its patients' contributions.
        there: The latter; its patients are others.
        n_own: Studies behind the former.
        n_there: Studies behind the latter.
    """

    own: Influence
    there: Influence
    n_own: int
    n_there: int

    @property
    def whole(self) -> bool:
        """Whether it has a value on either."""
        return not math.isnan(self.own.estimate + self.there.estimate)

    def drop(self, sign: float) -> Influence:
        """Return the drop with the contributions of both sets of patients, own ones first.

        Args:
            sign: 1 where a higher value is better, -1 where a lower one is.
        """
        values = np.concatenate([self.own.values, -self.there.values])
        groups = [_grouped(self.own), _grouped(self.there)]
        groups[1] = np.where(groups[1] < 0, -1, groups[1] + groups[0].max(initial=-1) + 1)
        # One name may be that of two people.
        named = (("own ", self.own.patients), ("there ", self.there.patients))
        patients = [np.char.add(word, people.astype(np.str_)) for word, people in named]
        return Influence(
            sign * (self.own.estimate - self.there.estimate),
            np.concatenate(patients),
            sign * values,
            np.concatenate(groups),
        )


def _grouped(one: Influence) -> NDArray[np.int64]:
    return np.zeros(len(one.values), np.int64) if one.groups is None else one.groups


def both_of(reader: Reader, run: str, tested_on: str, metric: str | None) -> Both | None:
    """Return a run's values on its own test films and elsewhere, over the tasks that both have.

    Of a run over folds each fold's network has seen all films there: contributions are divided by
    the number of folds and summed by patient, who counts once.

    Args:
        reader: Reads the study's cells.
        run: Name of the run.
        tested_on: The other data set.
        metric: Name of the metric; None for the data set's own.

    Returns:
        None where a cell of the run was not scored there.
    """
    ids = {o["cell"]: o["id"] for o in reader.study["externals"] if o["tested_on"] == tested_on}
    cells = reader.runs[run].cells
    if any(cell not in ids for cell in cells.values()):
        return None
    there, tasks = {}, tuple[str, ...]()
    for fold, cell in cells.items():
        found = read_external(ids[cell], reader.results)
        folder = cell_directory(cell, reader.results)
        (there[fold],) = external_ensembles(found, folder, [reader.primary]).values()
        tasks = there[fold].tasks
    scored = tuple(task for task in reader.card(run)["score_tasks"] if task in tasks)
    name = str(reader.metric(run, metric)["name"])
    own = reader.pooled_on(run, reader.ensembles(run), scored, name)
    other = reader.pooled_on(run, there, scored, name)
    # All folds have seen the same studies.
    return Both(own.influence, other.influence, own.n_studies, other.n_studies // len(cells))
