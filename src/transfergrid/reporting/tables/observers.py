"""observers.csv: what further observers of masks score against the first one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from transfergrid.data.observed import ObservedFilms, as_answer
from transfergrid.evaluation.ensemble import Ensemble, read_ensemble
from transfergrid.metrics.intervals import Interval
from transfergrid.metrics.mask_record import MaskRecord, pack
from transfergrid.metrics.overlap import count_overlap
from transfergrid.metrics.scoring import Cases, Scorer
from transfergrid.metrics.surfaces import measure_surfaces
from transfergrid.planning.distances import tolerances_of, unit_of
from transfergrid.planning.notes import known_note
from transfergrid.reporting.records import read_card
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.cell_work import CellWork, cell_work
from transfergrid.reporting.tables.scored import data_flags
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.progress import progress
from transfergrid.statistics.pooled_intervals import FoldedCases, pooled_intervals

if TYPE_CHECKING:
    import pandas as pd

WHOLE = ("observer", "n", "n_patients", "n_folds")


def observers(study: Mapping[str, Any], results: Path, workers: int) -> dict[str, pd.DataFrame]:
    """Return observers.csv by its name: a row per data set, observer, metric and structure.

    Args:
        study: The stamp's content; ``observers`` holds, by the id of each data set with several of
            them, the settings under which its reader gives them apart, and ``scored_at`` and
            ``spacing`` where the data set has them.
        results: Root of all outputs.
        workers: Threads that read masks.

    Raises:
        UserError: The masks are not where they were, or are not those that cells were scored on.
    """
    work = cell_work(study, results)
    rows: list[dict[str, Any]] = []
    for dataset, asked in study["observers"].items():
        own = [one for one in work if one.entry["dataset_id"] == dataset]
        if folds := _test_films(own):
            films = _films(dataset, asked, results)
            rows += _rows(own[0], folds, films, workers)
    return {"observers": gathering.frame(study, "observers", rows, WHOLE)}


def _films(dataset: str, asked: Mapping[str, Any], results: Path) -> ObservedFilms:
    note = known_note(dataset, results)
    root = Path(note["root"]) if note["root"] else None
    own_size = asked.get("scored_at") == "film"
    declaration = {**note["declaration"], **asked["settings"]}
    return ObservedFilms.read(declaration, root, own_size, asked.get("spacing"))


def _test_films(work: Sequence[CellWork]) -> dict[str, Ensemble]:
    """Return by fold what some cell says of the test films: all cells have the same."""
    found: dict[str, Ensemble] = {}
    for one in work:
        file = one.ensemble(one.selections[0]) / "test.parquet"
        fold = gathering.fold_of(one.entry)
        known = fold in found and not np.isnan(found[fold].probabilities).any()
        if not known and file.exists():
            found[fold] = read_ensemble(file)
    return found


def _rows(
    work: CellWork, folds: Mapping[str, Ensemble], films: ObservedFilms, workers: int
) -> Iterator[dict[str, Any]]:
    dataset, metrics = str(work.entry["dataset"]), [*map(Scorer.of, work.metrics)]
    about = data_flags(read_card(work.entry, work.results) or {})
    tolerances = tolerances_of(work.metrics)
    unit = unit_of(tolerances is not None, films.spacing is not None)
    how = {"scored_at": "film" if films.own_size else "cache", "unit": unit}
    seen = {
        fold: _Seen(table, films, tolerances).counted(workers, dataset)
        for fold, table in folds.items()
    }
    for number in range(1, len(films.observers)):
        cases = {fold: _cases(table, seen[fold][number - 1], work) for fold, table in folds.items()}
        for scorer in metrics:
            same = {"dataset": dataset, "observer": number + 1, "metric": scorer.name, **how}
            for task, value, n_folds in _scored(cases, scorer, work.alpha, work.folds is not None):
                if _drawn_by_all(task, next(iter(cases.values())), films.structures):
                    yield {**same, "task": task, **_numbers(value, about), "n_folds": n_folds}


def _drawn_by_all(task: str, cases: Cases, structures: Sequence[str]) -> bool:
    """Tell whether a row is of people alone: nobody is compared with his or her own masks."""
    return set([task] if task else cases.score_tasks) <= set(structures)


@dataclass(frozen=True)
class _Seen:
    """What observers say of the test films of a fold.

    Attributes:
        table: What a cell says of them.
        films: The films.
        tolerances: Distances at which outlines are compared; None where no metric looks at them.
    """

    table: Ensemble
    films: ObservedFilms
    tolerances: list[float] | None

    def counted(self, workers: int, dataset: str) -> NDArray[np.float64]:
        """Return (observers - 1, N, T, K) rows of `mask_record.pack` against the first one."""
        count = len(self.table.study_id)
        with ThreadPoolExecutor(max(1, workers)) as pool:
            told = progress(pool.map(self._film, range(count)), count, f"observers of {dataset}")
            return np.stack(list(told), axis=1)

    def _film(self, row: int) -> NDArray[np.float64]:
        film = str(self.table.study_id[row])
        truth = self.films.masks(film, 0)
        if self.films.first_is_true:
            self._check(row, film, truth)
        found, steps = [], self.films.steps(film)
        for number in range(1, len(self.films.observers)):
            answer, known = as_answer(self.films.masks(film, number), truth)
            outlines = None
            if self.tolerances is not None:
                outlines = measure_surfaces(answer, known, self.tolerances, steps)
            found.append(pack(count_overlap(answer, known), outlines))
        return np.stack(found)

    def _check(self, row: int, film: str, truth: NDArray[np.uint8]) -> None:
        """Refuse true masks that have changed since cells were scored on them."""
        scored = self.table.probabilities[row]
        if np.isnan(scored).any():
            return  # of a cell that diverged
        true = (truth == 1).sum(axis=(1, 2))
        if (MaskRecord.of(scored).overlap.true != true).any():
            raise UserError(
                f"the masks of film {film} are not those that cells were scored on; restore them, "
                "or remove the data set's cache and run snakemake again."
            )


def _cases(table: Ensemble, rows: NDArray[np.float64], work: CellWork) -> Cases:
    """Return an observer's films as a metric takes them; none of one that he or she left out."""
    known = MaskRecord.of(rows).overlap.known > 0
    labels = np.where(known, table.labels, np.float32("nan"))
    names = work.score_tasks or table.tasks
    return Cases(rows, labels, table.patient_id, table.tasks, names)


def _scored(
    folds: Mapping[str, Cases], scorer: Scorer, alpha: float, folded: bool
) -> Iterator[tuple[str, Interval, int | None]]:
    """Yield the value over the scored structures and of each, with the folds that are in it."""
    if not folded:
        (cases,) = folds.values()
        parts, whole = scorer.intervals(cases, None, alpha)
        yield "", whole, None
        for task, part in zip(() if scorer.per_case else cases.tasks, parts, strict=True):
            yield task, part, None
        return
    found = pooled_intervals(
        {fold: FoldedCases(cases) for fold, cases in folds.items()}, scorer, alpha
    )
    yield "", found.whole, found.n_folds[""]
    for task, part in found.tasks.items():
        yield task, part, found.n_folds[task]


def _numbers(value: Interval, about: Sequence[str]) -> dict[str, Any]:
    return {
        "value": value.estimate,
        "low": value.low,
        "high": value.high,
        "n": value.n,
        "n_patients": value.n_patients,
        "flags": ";".join([*about, *value.flags]),
    }
