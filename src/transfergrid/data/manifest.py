"""The manifest: one row per image, with its labels, people and split, and where its pixels are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from transfergrid.data.store import SPLITS, part_name
from transfergrid.planning.identifiers import identifier
from transfergrid.runtime.errors import UserError, listed, suggest

if TYPE_CHECKING:
    from transfergrid.data.folds import Folds
    from transfergrid.data.mask_set import MaskSet

IDS = ("image_id", "study_id", "patient_id", "view", "split")
"""Columns of every manifest, before one float32 column per task."""

TASK_KINDS = ("multilabel", "multiclass")
"""Kinds of task that the built-in readers make; a reader of one's own may name another."""


class Images(Protocol):
    """Where a manifest's pixels come from; index i belongs to row i of the table.

    `read` may be called from several threads at once.
    """

    def __len__(self) -> int: ...

    def read(self, index: int) -> npt.NDArray[np.uint8]:
        """Return an image, (H, W) or (H, W, 3) uint8; OSError or ValueError if it is broken."""
        ...

    def name(self, index: int) -> str:
        """Return the name that an error message gives to the image."""
        ...


@dataclass(frozen=True)
class Manifest:
    """A data set before its images are decoded.

    Attributes:
        table: Columns image_id, study_id, patient_id, view and split (str), then one float32 column
            per task: in train [0, 1] or NaN (unknown), in valid and test 0, 1 or NaN. An unknown
            study's id is the image's, an unknown patient's the study's.
        tasks: The tasks' identifiers, which are the label columns' names.
        score_tasks: Those over which a mean over tasks is taken.
        task_kind: "multilabel", or "multiclass" with one-hot labels.
        images: The images.
        patients_known: Whether patient_id tells people apart.
        studies_known: Whether study_id joins the views of a study.
        notes: Sentences that the card and every table built on it carry.
        groups: (N,) str, images that belong in one fold beyond those of a patient, such as near
            duplicates; None where none are known.
        published: (N,) str, the fold of each image, where they were published.
        guessed: (N, tasks) bool, labels that stand in for unknown ones: of a data set in folds,
            they are learned from and never scored. None where there are none.
        drawn: Whether the splits were drawn at random, so that other ones would do as well; those
            that were published stay as they are.
        folds: How the images are cut into folds; the column split then names parts. Readers leave
            it out.
        joined: Whether images that look alike count as one patient's. Readers leave it out.
        masks: The masks of each image, whose structures are the tasks; None where tasks have
            labels. Readers leave the label columns NaN: which image shows what is known when all
            masks have been read.
    """

    table: pd.DataFrame
    tasks: tuple[str, ...]
    score_tasks: tuple[str, ...]
    task_kind: str
    images: Images
    patients_known: bool
    studies_known: bool
    notes: tuple[str, ...] = ()
    groups: npt.NDArray[np.str_] | None = None
    published: npt.NDArray[np.str_] | None = None
    guessed: npt.NDArray[np.bool_] | None = None
    drawn: bool = False
    folds: Folds | None = None
    joined: bool = False
    masks: MaskSet | None = None

    @property
    def unread(self) -> bool:
        """Whether there are masks and none has been read."""
        return self.masks is not None and bool(self.table[list(self.tasks)].isna().all(axis=None))

    @property
    def parts(self) -> tuple[str, ...]:
        """What the images are stored in: the splits, or the parts of a data set in folds."""
        if self.folds is None:
            return SPLITS
        return tuple(part_name(number) for number in range(self.folds.k))


def identifiers(names: Sequence[object], what: str) -> tuple[str, ...]:
    """Turn names into identifiers; UserError where two become one or nothing is left of one."""
    made = [identifier(name) for name in names]
    for position, (name, task) in enumerate(zip(names, made, strict=True)):
        if not task:
            raise UserError(f"{what} '{name}' has no letter or digit to name a task by; rename it.")
        if task in made[:position]:
            raise UserError(f"{what} '{name}' makes a second task '{task}'; rename one of them.")
    return tuple(made)


def choice(options: Mapping[str, Any], key: str, allowed: Sequence[str]) -> str:
    """Return a declared option, by default the first allowed value; UserError if not allowed."""
    value = options.get(key, allowed[0])
    if value not in allowed:
        raise UserError(
            f"{key} is '{value}'{suggest(value, allowed)}; allowed are {listed(allowed)}."
        )
    return str(value)


def chosen_tasks(names: Sequence[object] | None, tasks: Sequence[str], key: str) -> tuple[str, ...]:
    """Return the identifiers of chosen tasks (None: all); UserError for one that is not there."""
    if names is None:
        return tuple(tasks)
    chosen = identifiers(names, key)
    if not chosen:
        raise UserError(f"{key} is an empty list; name at least one of {listed(tasks)}.")
    for name, task in zip(names, chosen, strict=True):
        if task not in tasks:
            raise UserError(
                f"{key} names '{name}'{suggest(task, tasks)}, which is no task here; "
                f"there are {listed(tasks)}."
            )
    return chosen


def validate(manifest: Manifest) -> Manifest:
    """Check all of a manifest; return it with the notes that the checks gave rise to.

    Raises:
        UserError: The first fault found: a missing column or id, an image named twice, an empty
            split, a patient or study in two splits, a label out of range, views of a study with
            different labels in valid or test, or a scored task with a single class there.
    """
    check_rows(manifest)
    _check_splits(manifest.table)
    for name, mend in (
        ("patient", "all images of a patient belong in one split"),
        ("study", "all views of a study belong in one split"),
    ):
        _check_disjoint(manifest.table, name, mend)
    check_one_patient(manifest.table)
    train = (manifest.table["split"] == "train").to_numpy()
    check_labels(manifest, train, manifest.table.loc[~train])
    notes = (*manifest.notes, *_check_classes(manifest), *people_notes(manifest))
    return replace(manifest, notes=tuple(dict.fromkeys(notes)))


def people_notes(manifest: Manifest) -> list[str]:
    """Return what must be said of a data set that does not know its patients."""
    if manifest.patients_known:
        return []
    unit = "study" if manifest.studies_known else "image"
    if manifest.joined:
        unit = "group of nearly equal images"
    return [
        f"Patients are unknown: each {unit} counts as its own patient, so intervals may be too "
        "narrow and a patient may be in two splits."
    ]


def check_rows(manifest: Manifest) -> None:
    """Check the columns and the images' ids; UserError names the first fault."""
    _check_shape(manifest)
    _check_ids(manifest.table)


def _check_shape(manifest: Manifest) -> None:
    table, tasks = manifest.table, manifest.tasks
    _score_half(manifest.task_kind)  # which refuses a kind that is not there
    if not tasks or len(set(tasks)) < len(tasks):
        raise UserError(f"tasks are '{listed(tasks)}'; name at least one, and each once.")
    if not manifest.score_tasks or set(manifest.score_tasks) - set(tasks):
        raise UserError(
            f"score_tasks are '{listed(manifest.score_tasks)}'; choose from {listed(tasks)}."
        )
    for column in (*IDS, *tasks):
        if column not in table.columns:
            raise UserError(f"the manifest has no column '{column}'; give every row a value there.")
    for task in tasks:
        if table[task].dtype != np.float32:
            raise UserError(
                f"labels of task {task} are {table[task].dtype}; make the column float32."
            )
    if len(manifest.images) != len(table):
        raise UserError(
            f"the manifest has {len(table)} rows and {len(manifest.images)} images; "
            "give one image per row."
        )


def _check_ids(table: pd.DataFrame) -> None:
    for column in IDS:
        missing = table[column].isna()
        if column != "view":
            missing |= table[column] == ""
        if missing.any():
            row = int(np.flatnonzero(missing.to_numpy())[0]) + 1
            raise UserError(f"row {row} has no {column}; give every image one.")
    twice = table.loc[table["image_id"].duplicated(), "image_id"].unique()
    if len(twice):
        raise UserError(
            f"{len(twice)} image(s) are listed more than once: {listed(twice, 5)}; "
            "keep one row per image."
        )


def _check_splits(table: pd.DataFrame) -> None:
    strange = set(table["split"].unique()) - set(SPLITS)
    if strange:
        raise UserError(f"split '{strange.pop()}' is none of {listed(SPLITS)}; use these names.")
    for split in SPLITS:
        if not (table["split"] == split).any():
            raise UserError(
                f"split {split} has no image; each of {listed(SPLITS)} needs at least one."
            )


def _check_disjoint(table: pd.DataFrame, name: str, mend: str) -> None:
    column = f"{name}_id"
    pairs = table[[column, "split"]].drop_duplicates()
    both = pairs[pairs[column].duplicated(keep=False)]
    if len(both):
        splits = both.groupby(column, sort=True)["split"].agg(" and ".join)
        shown = [f"{key} ({where})" for key, where in splits.head(5).items()]
        more = f", ... ({len(splits)} in all)" if len(splits) > 5 else ""
        raise UserError(f"{name} {', '.join(shown)}{more} is in more than one split; {mend}.")


def check_one_patient(table: pd.DataFrame) -> None:
    """Check that no study belongs to two patients; UserError names those that do."""
    pairs = table[["study_id", "patient_id"]].drop_duplicates()
    shared = pairs.loc[pairs["study_id"].duplicated(), "study_id"].unique()
    if len(shared):
        raise UserError(
            f"study {listed(shared, 5)} belongs to two patients; give each patient's studies "
            "ids of their own."
        )


def check_labels(manifest: Manifest, train: npt.NDArray[np.bool_], scored: pd.DataFrame) -> None:
    """Check that labels are in range, classes are exclusive and views agree.

    Args:
        manifest: The manifest.
        train: (N,) rows whose labels may lie between 0 and 1.
        scored: The rows that are scored, with the labels that they are scored by.

    Raises:
        UserError: The first fault found.
    """
    table, tasks = manifest.table, list(manifest.tasks)
    labels = table[tasks].to_numpy(dtype=np.float32)
    with np.errstate(invalid="ignore"):
        good = np.isnan(labels) | (labels == 0) | (labels == 1)
        good |= train[:, None] & (labels >= 0) & (labels <= 1)
    if not good.all():
        row, task = np.argwhere(~good)[0]
        kind = "from 0 to 1 or unknown" if train[row] else "0, 1 or unknown"
        raise UserError(
            f"image {table['image_id'].iloc[row]} has label {labels[row, task]:g} for task "
            f"{tasks[task]}; in {table['split'].iloc[row]} a label is {kind}."
        )
    _score_half(manifest.task_kind).check_labels(labels, table["image_id"].to_numpy())
    _check_views_agree(scored, tasks)


def _score_half(task_kind: str) -> Any:
    # By name: that room stands on this one, and what kinds there are is no part of a cache.
    return import_module("transfergrid.tasks.score.kind").score_half(task_kind)


def _check_views_agree(table: pd.DataFrame, tasks: list[str]) -> None:
    # A study is scored once, so its views must tell the same truth.
    labels = table[tasks].fillna(-1).groupby(table["study_id"].to_numpy(), sort=False)
    differ = (labels.max() != labels.min()).to_numpy()
    if differ.any():
        row, task = np.argwhere(differ)[0]
        study = list(labels.groups)[row]
        raise UserError(
            f"views of study {study} have different labels for task {tasks[task]}; a study is "
            "scored as one, so give its views one label or treat each image as a study."
        )


def check_shown(manifest: Manifest, split: npt.NDArray[Any]) -> None:
    """Check that every scored structure is in some image of each split, once masks are read.

    Args:
        manifest: A manifest with masks.
        split: (N,) the split of each image.

    Raises:
        UserError: All masks of a structure are empty or unknown in a split.
    """
    assert manifest.masks is not None
    if not manifest.unread:
        shown = manifest.table[list(manifest.score_tasks)].to_numpy(dtype=np.float32)
        manifest.masks.check_shown(shown, split, manifest.score_tasks)


def _check_classes(manifest: Manifest) -> list[str]:
    if manifest.masks is not None:
        check_shown(manifest, manifest.table["split"].to_numpy(dtype=str))
        return []
    notes: list[str] = []
    unscorable: dict[str, str] = {}
    for split in SPLITS:
        lacks: dict[str, list[str]] = {}
        rows = manifest.table.loc[manifest.table["split"] == split]
        for task in manifest.tasks:
            labels = rows[task].to_numpy()
            positives, negatives = int((labels > 0.5).sum()), int((labels <= 0.5).sum())
            if positives and negatives:
                continue
            count = counted(task, positives, negatives, split)
            if split != "train" and task in manifest.score_tasks:
                unscorable.setdefault(task, count)
            kind = "positive" if negatives else "negative" if positives else "labelled"
            lacks.setdefault(kind, []).append(task)
        notes += [f"No image of {split} is {kind} for {', '.join(lacks[kind])}." for kind in lacks]
    refuse_one_class(manifest, unscorable, "split the images in another way")
    return notes


def counted(task: str, positives: int, negatives: int, where: str) -> str:
    """Say how many images show a task, and how many do not, in a part of them."""
    return f"task {task} has {positives} positive(s) and {negatives} negative(s) in {where}"


def refuse_one_class(manifest: Manifest, counts: Mapping[str, str], mend: str) -> None:
    """Refuse scored tasks that lack a class where a score needs both.

    Args:
        manifest: The manifest.
        counts: What `counted` says of each such task.
        mend: What helps beside naming other tasks.

    Raises:
        UserError: There is one.
    """
    if not counts:
        return
    left = [task for task in manifest.score_tasks if task not in counts]
    name = f"name others in score_tasks, such as [{', '.join(left[:8])}], or " if left else ""
    raise UserError(f"{listed(counts.values(), 4)}, and a score needs both; {name}{mend}.")
