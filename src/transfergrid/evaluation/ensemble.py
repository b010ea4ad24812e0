"""From the scores of all checkpoints to one probability per study and task."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from transfergrid.evaluation.scores import Scores, patient_of_study
from transfergrid.evaluation.selection import parse_selection, select
from transfergrid.metrics.estimate import Estimator
from transfergrid.planning.records import SPEC
from transfergrid.runtime.atomic import read_json, replacing
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.sealed import Unsealed
from transfergrid.tasks.score.kind import score_half, stored_numbers
from transfergrid.tasks.score.units import study_index


@dataclass(frozen=True)
class Ensemble:
    """The mean probability over the chosen checkpoints of one cell on one split.

    Attributes:
        study_id: (S,) str, in the order of the studies' first images.
        patient_id: (S,) str.
        tasks: T names.
        probabilities: (S, T) float64 in [0, 1]; NaN for a diverged cell. A multiclass row sums to
            one unless tasks chose their own checkpoints. Of masks, (S, T, K) counts of pixels.
        labels: (S, T) float32, 0, 1 or NaN.
        n_checkpoints: Checkpoints in each task's mean; 0 for a diverged cell.
        n_images: Images of the S studies.
        made_of: Stands for the code, selection and scores that it was made of; empty if unknown.
        numbers: Names of the K numbers of each study and task; none where it has a probability.
        unit: What distances of outlines are in, "px" or "mm"; empty where none was measured.
        scored_at: Where masks were compared at another size than the cache's, "film"; else empty.
    """

    study_id: NDArray[np.str_]
    patient_id: NDArray[np.str_]
    tasks: tuple[str, ...]
    probabilities: NDArray[np.float64]
    labels: NDArray[np.float32]
    n_checkpoints: int
    n_images: int
    made_of: str = ""
    numbers: tuple[str, ...] = ()
    unit: str = ""
    scored_at: str = ""


COUNTS = ("n_checkpoints", "n_images")
"""Fields in the file's key-value metadata, so that tables need not open the scores."""

MADE_OF = "made_of"
"""Field in the same metadata: what it was made of, so that it is not made again for nothing."""

PROBABILITY = "prob"
"""What the names of the columns of probabilities begin with."""

NUMBERS = "numbers"
"""Field in the same metadata, of masks alone: names of what is counted of each study and task."""

COMPARED = ("unit", "scored_at")
"""Fields in the same metadata, where they are not empty."""

SEAL = "sha256"
"""Field in the same metadata: the content's SHA-256, so that reading reveals a flipped bit."""


def cell_metric(folder: Path) -> Estimator:
    """Return a cell's primary metric, from its specification.

    Args:
        folder: The cell's folder.
    """
    return Estimator.of(read_json(folder / SPEC)["metric"])


def study_probabilities(scores: Scores) -> NDArray[np.float64]:
    """Return probabilities per checkpoint: views combined, then made probabilities.

    Args:
        scores: Scores of one split.

    Returns:
        (C, S, T) float64 in [0, 1], studies in the order of their first images.
    """
    index, _ = study_index(scores.study_id)
    return score_half(scores.task_kind).cases(scores.logits, index, scores.aggregate)


def task_scores(scores: Scores, metric: Estimator) -> NDArray[np.float64]:
    """Return the metric over studies of every checkpoint and task, for selecting checkpoints.

    Args:
        scores: Scores of the validation split.
        metric: The primary metric.

    Returns:
        (C, T) float64; NaN where it is undefined, such as an AUROC of a single class, and for a
        metric of whole cases.
    """
    index, _ = study_index(scores.study_id)
    labels = score_half(scores.task_kind).truth(scores.labels, index)
    return metric.by_task(study_probabilities(scores), labels)


def choose_checkpoints(name: str, valid: Scores, metric: Estimator) -> NDArray[np.int64]:
    """Choose the checkpoints of an ensemble from validation scores alone.

    Args:
        name: A selection, see `selection.select`.
        valid: Scores of the validation split.
        metric: The primary metric, by which training scored the checkpoints.

    Returns:
        (T, n) int64 checkpoint numbers, a row per task.

    Raises:
        UserError: The name is unknown, or no checkpoint has the score that it needs.
    """
    # Other rules rank all tasks by the mean score and ignore the tasks' own scores.
    by_task = (
        task_scores(valid, metric)
        if parse_selection(name).per_task
        else np.full((len(valid.step), len(valid.task)), np.nan)
    )
    return select(name, valid.step, valid.valid_score, by_task, metric.sign)


def ensemble(scores: Scores, chosen: NDArray[np.int64]) -> Ensemble:
    """Average the probabilities of the chosen checkpoints: see `ensembles`."""
    (found,) = ensembles(scores, [chosen])
    return found


def ensembles(scores: Scores, choices: Sequence[NDArray[np.int64]]) -> list[Ensemble]:
    """Average the probabilities of the checkpoints that each of several selections has chosen.

    Views of a study are combined on the logit per checkpoint, then turned into probabilities,
    then averaged over checkpoints.

    Args:
        scores: Scores of any split of the cell.
        choices: (T, n) checkpoint numbers of each selection, as `choose_checkpoints` gives them;
            n = 0 gives NaN.

    Returns:
        The ensembles, in that order.

    Raises:
        UserError: A study has two classes although a case has one.
    """
    index, studies = study_index(scores.study_id)
    kind = score_half(scores.task_kind)
    labels = kind.truth(scores.labels, index)
    kind.check_cases(labels, studies)
    values = study_probabilities(scores)
    patients = patient_of_study(scores.study_id, scores.patient_id)
    numbers = stored_numbers(scores.task_kind)
    return [
        Ensemble(
            study_id=studies,
            patient_id=patients,
            tasks=tuple(map(str, scores.task)),
            probabilities=_together(scores, chosen) if numbers else _means(values, chosen),
            labels=labels,
            n_checkpoints=chosen.shape[1],
            n_images=len(scores.image_id),
            numbers=numbers,
        )
        for chosen in choices
    ]


def _together(scores: Scores, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what is stored of the mean probability of the chosen checkpoints.

    Args:
        scores: Of a kind whose stored numbers have no mean.
        chosen: (T, n) checkpoint numbers, the same for all tasks: one, or the best n.
    """
    index, _ = study_index(scores.study_id)
    count = chosen.shape[1]
    assert scores.tops is not None and (chosen == chosen[:1]).all()  # planning refuses others
    if count == 0:
        return np.full(scores.tops.shape[1:], np.nan)
    rows = scores.logits[chosen[0]] if count == 1 else scores.tops[count - 1 : count]
    found: NDArray[np.float64] = score_half(scores.task_kind).cases(rows, index, scores.aggregate)[
        0
    ]
    return found


def _means(values: NDArray[np.float64], chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    if chosen.shape[1] == 0:
        return np.full(values.shape[1:], np.nan)
    picked = [values[rows, :, t].mean(axis=0) for t, rows in enumerate(chosen)]
    return np.stack(picked, axis=1)


def write_ensemble(path: str | Path, table: Ensemble) -> None:
    """Write an ensemble as parquet, atomically.

    Columns: study_id, patient_id (text), prob_<task> (float64), label_<task> (float32); of masks,
    in the place of prob_<task>, one for each count of pixels, such as predicted_<task>. The file's
    key-value metadata holds n_checkpoints, n_images, what it was made of and the content's SHA-256.

    Args:
        path: Where to.
        table: What to write.
    """
    columns: dict[str, pa.Array] = {
        "study_id": _texts(table.study_id),
        "patient_id": _texts(table.patient_id),
    }
    for t, task in enumerate(table.tasks):
        for name, values in _named(table.probabilities[:, t], table.numbers):
            columns[f"{name}_{task}"] = _numbers(values, pa.float64())
    for t, task in enumerate(table.tasks):
        columns[f"label_{task}"] = _numbers(table.labels[:, t], pa.float32())
    metadata = {name: str(getattr(table, name)) for name in COUNTS}
    metadata |= {MADE_OF: table.made_of, SEAL: content_sha256(table)}
    metadata |= {NUMBERS: " ".join(table.numbers)} if table.numbers else {}
    metadata |= {name: getattr(table, name) for name in COMPARED if getattr(table, name)}
    made = pa.Table.from_arrays(list(columns.values()), list(columns), metadata=metadata)
    with replacing(path) as temporary:
        # Hardly a value comes twice: a dictionary would cost a third of writing and of reading.
        # Statistics would be bytes that nobody compares.
        how = {"use_dictionary": False, "write_statistics": False, "write_page_checksum": True}
        pq.write_table(made, temporary, **how)


def content_sha256(table: Ensemble) -> str:
    """Return the SHA-256 of everything in an ensemble, which its file carries.

    Parquet's own checksums leave out page headers and the whole footer: column names, counts,
    encodings.
    """
    head = [list(table.tasks), table.n_checkpoints, table.n_images, table.made_of]
    head += [list(table.numbers)] if table.numbers else []
    head += [how] if any(how := [table.unit, table.scored_at]) else []
    for names in (table.study_id, table.patient_id):
        head.append(names.tolist())
    digest = hashlib.sha256(json.dumps(head).encode("utf-8"))
    for values, kind in ((table.probabilities, "<f8"), (table.labels, "<f4")):
        digest.update(str(values.shape).encode("ascii"))
        digest.update(np.ascontiguousarray(values, dtype=kind).data)
    return digest.hexdigest()


def _named(values: NDArray, numbers: tuple[str, ...]) -> Iterator[tuple[str, NDArray]]:
    """Yield the columns of a task with what their names begin with."""
    if not numbers:
        yield PROBABILITY, values
    for place, name in enumerate(numbers):
        yield name, values[:, place]


# pa.array would import pandas to inspect its argument, which takes half the time of a job that
# makes one ensemble, and there are thousands of these.
def _numbers(values: NDArray, kind: pa.DataType) -> pa.Array:
    data = np.ascontiguousarray(values, dtype=kind.to_pandas_dtype())
    return pa.Array.from_buffers(kind, len(data), [None, pa.py_buffer(data)])


def _texts(values: NDArray[np.str_]) -> pa.Array:
    encoded = [text.encode("utf-8") for text in values.tolist()]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def read_ensemble(path: str | Path) -> Ensemble:
    """Read an ensemble that `write_ensemble` wrote.

    Args:
        path: A parquet file.

    Returns:
        The ensemble.

    Raises:
        UserError: A column or a count of the contract is missing, or the file is not what was
            written.
    """
    try:
        found, seal = _parse(path)
        whole = content_sha256(found) == seal
    except (UserError, FileNotFoundError):
        raise
    except Exception:  # whatever the parser finds in damaged bytes
        whole = False
    if not whole:
        raise UserError(
            f"{path} is not the ensemble that was written: a byte of it has changed; remove it and "
            "run snakemake again, which makes it again from the cell's scores."
        )
    return found


def _parse(path: str | Path) -> tuple[Ensemble, str]:
    # pq.read_table would look for a data set of many files, and start threads for one small file.
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        table = file.read(use_threads=False)
    told = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    numbers = tuple(told.get(NUMBERS, "").split())
    first, *others = numbers or (PROBABILITY,)
    tasks = tuple(
        name.removeprefix(f"{first}_")
        for name in table.column_names
        if name.startswith(f"{first}_")
    )
    needed = ["study_id", "patient_id"]
    needed += [f"{name}_{task}" for name in ("label", *others) for task in tasks]
    missing = [name for name in needed if name not in table.column_names]
    missing += [name for name in (*COUNTS, MADE_OF, SEAL) if name not in told]
    # Otherwise a bit of a key has flipped.
    if set(told) in ({*COUNTS}, {*COUNTS, SEAL}):
        raise Unsealed(
            f"{path} does not say what it was made of, so an earlier version wrote it; remove it "
            "and run snakemake again, which makes it again from the cell's scores."
        )
    if missing or not tasks:
        raise UserError(
            f"{path}: not an ensemble, it lacks {listed(missing or ['prob_<task>'])}; "
            "remove it and run snakemake again, which makes it again from the cell's scores."
        )

    def text(name: str) -> NDArray[np.str_]:
        return np.array(table[name].to_pylist(), dtype=np.str_)

    def stack(prefix: str) -> NDArray:
        return np.stack([table[f"{prefix}_{task}"].to_numpy() for task in tasks], axis=1)

    counts = {name: int(told[name]) for name in COUNTS}
    values = [stack(name) for name in (first, *others)]
    found = Ensemble(
        text("study_id"),
        text("patient_id"),
        tasks,
        np.stack(values, axis=2) if numbers else values[0],
        stack("label"),
        counts["n_checkpoints"],
        counts["n_images"],
        made_of=told[MADE_OF],
        numbers=numbers,
        unit=told.get("unit", ""),
        scored_at=told.get("scored_at", ""),
    )
    return found, told[SEAL]
