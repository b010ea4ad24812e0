"""CheXpert as published: its tables, its folders, and what blank and -1 are taken to mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from transfergrid.data.chexpert_places import find_base, has_test_table, place_films, test_table
from transfergrid.data.images import ImageFiles
from transfergrid.data.labels import numbers
from transfergrid.data.manifest import IDS, Manifest, choice, chosen_tasks
from transfergrid.data.splits import random_split
from transfergrid.data.tablefile import Table, read_table
from transfergrid.planning.identifiers import identifier
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import seeded

PUBLISHED = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
"""The label columns in the order of the published tables."""

COLUMN_OF = {identifier(name): name for name in PUBLISHED}
"""The published column of each task identifier."""

COMPETITION = ("atelectasis", "cardiomegaly", "consolidation", "edema", "pleural_effusion")
TASK_SETS = {5: COMPETITION, 6: ("no_finding", *COMPETITION), 14: tuple(COLUMN_OF)}

_ALIASES = {"Airspace Opacity": "Lung Opacity"}
_PATH = (
    r"(?:^|/)(?P<image_id>(?:train|valid|val|test)/(?P<patient_id>patient\w+)/(?P<study>study\w+)"
    r"/view\d+_(?P<view>frontal|lateral)\.(?:jpg|jpeg|png))$"
)
_NUMBERS = "1, 0, -1 or blank"

Guessed = npt.NDArray[np.bool_]
"""(N, tasks): labels that were -1, and so are no truth whatever stands in for them."""


def read(options: Mapping[str, Any], root: Path) -> Manifest:
    """Read CheXpert's tables; images are not touched.

    Args:
        options: The declaration; see the study's schema for its keys. ``uncertain`` says what a
            -1 of the training images becomes; where an image is scored, a -1 is unknown.
        root: CheXpert-v1.0, CheXpert-v1.0-small, or the folder that contains one of them or the
            batches of the full download.

    Raises:
        UserError: A missing folder, table or column, a label other than 1, 0, -1 or blank, a path
            of another form, an option out of range.
    """
    base = find_base(root)
    tasks = _tasks(options.get("tasks", 14), tuple(COLUMN_OF), "tasks")
    scored = options.get("score_tasks")
    if scored is None:
        scored = [task for task in COMPETITION if task in tasks] or list(tasks)
    score_tasks = _tasks(scored, tasks, "score_tasks")
    table, guessed, notes = (_pooled if options.get("folds") else _official)(base, tasks, options)
    views = choice(options, "views", ("all", "frontal", "lateral"))
    if views != "all":
        kept = (table["view"] == views).to_numpy()
        table, guessed = table[kept].reset_index(drop=True), guessed[kept]
    top, names = place_films(base, table["image_id"].tolist())
    return Manifest(
        table=table[[*IDS, *tasks]],
        tasks=tasks,
        score_tasks=score_tasks,
        task_kind="multilabel",
        images=ImageFiles.declared(top, names, options),
        patients_known=True,
        studies_known=True,
        notes=tuple(notes),
        guessed=guessed,
    )


def _official(
    base: Path, tasks: tuple[str, ...], options: Mapping[str, Any]
) -> tuple[pd.DataFrame, Guessed, list[str]]:
    """Return the rows of the published splits, which labels are guesses, and what is to be said."""
    share = float(options.get("validation_share", 0))
    as_test = choice(options, "test_split", ("test", "valid"))
    if as_test == "valid" and not share:
        raise UserError(
            "test_split is 'valid' and validation_share is 0, which leaves nothing to choose "
            "checkpoints on; give validation_share a value above 0."
        )
    notes = []
    parts = [_train(base / "train.csv", tasks, options)]
    if share:
        notes.append(f"Validation is a part of the training patients, {share:g} of them.")
    else:
        parts.append(_evaluation(base / "valid.csv", tasks, options, "valid"))
    if as_test == "valid":
        notes.append("The official validation set is used as the test set.")
    official = base / "valid.csv" if as_test == "valid" else test_table(base)
    parts.append(_evaluation(official, tasks, options, "test"))
    return _together(parts, notes)


def _pooled(
    base: Path, tasks: tuple[str, ...], options: Mapping[str, Any]
) -> tuple[pd.DataFrame, Guessed, list[str]]:
    """Return the rows of every published table that is there, to be cut into folds."""
    parts = [_train(base / "train.csv", tasks, options)]
    if (base / "valid.csv").is_file():
        parts.append(_evaluation(base / "valid.csv", tasks, options, "valid"))
    if has_test_table(base):
        parts.append(_evaluation(test_table(base), tasks, options, "test"))
    return _together(parts, [])


def _together(
    parts: Sequence[tuple[pd.DataFrame, Guessed]], notes: list[str]
) -> tuple[pd.DataFrame, Guessed, list[str]]:
    table = pd.concat([rows for rows, _ in parts], ignore_index=True)
    return table, np.concatenate([guessed for _, guessed in parts]), notes


def _tasks(declared: Any, tasks: tuple[str, ...], key: str) -> tuple[str, ...]:
    if isinstance(declared, int):
        if declared not in TASK_SETS:
            raise UserError(f"{key} is {declared}; allowed are 5, 6, 14 or a list of names.")
        declared = TASK_SETS[declared]
    elif declared is not None:
        declared = [_ALIASES.get(str(name), name) for name in declared]
    return chosen_tasks(declared, tasks, key)


def _rows(table: Table, tasks: tuple[str, ...], options: Mapping[str, Any]) -> pd.DataFrame:
    """Return ids and labels of a published table, blanks settled and -1 as it stands."""
    blank = choice(options, "blank", ("zero", "ignore"))
    paths = table.text("Path")
    parts = paths.str.extract(_PATH)
    odd = paths[parts["image_id"].isna()]
    if len(odd):
        raise UserError(
            f"{table.path} has the path '{odd.iloc[0]}' in row {odd.index[0] + 1}; the published "
            "form is .../train/patient00001/study1/view1_frontal.jpg."
        )
    renamed = Table(
        table.path,
        table.frame.rename(
            columns={a: b for a, b in _ALIASES.items() if b not in table.frame.columns}
        ),
    )
    rows = parts[["image_id", "patient_id", "view"]].assign(
        study_id=parts["patient_id"] + "/" + parts["study"]
    )
    for task in tasks:
        labels = numbers(renamed, COLUMN_OF[task], _is_published, _NUMBERS)
        rows[task] = np.nan_to_num(labels, nan=0.0) if blank == "zero" else labels
    return rows


def _is_published(labels: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    return np.isin(labels, (1, 0, -1))


def _train(
    path: Path, tasks: tuple[str, ...], options: Mapping[str, Any]
) -> tuple[pd.DataFrame, Guessed]:
    """Return the training rows, and the validation rows if they are cut from them."""
    rows = _rows(read_table(path), tasks, options)
    seed, share = int(options.get("seed", 0)), float(options.get("validation_share", 0))
    split = np.full(len(rows), "train")
    if share:
        rng = np.random.default_rng(seeded("chexpert", "cut", seed))
        split = random_split(rows["patient_id"].to_numpy(str), {"valid": share}, "train", rng)
    labels = rows[list(tasks)].to_numpy(dtype=np.float32, copy=True)
    uncertain = labels == -1
    labels[uncertain] = _stand_ins(len(rows), tasks, options, seed)[uncertain]
    labels[uncertain & (split != "train")[:, None]] = np.nan
    rows[list(tasks)] = labels
    return rows.assign(split=split), uncertain


def _stand_ins(
    count: int, tasks: tuple[str, ...], options: Mapping[str, Any], seed: int
) -> npt.NDArray[np.float32]:
    """Return what the declared policy puts in place of a -1, (count, tasks)."""
    policy = choice(options, "uncertain", ("ignore", "zeros", "ones", "smooth"))
    if policy != "smooth":
        value = {"ignore": np.nan, "zeros": 0, "ones": 1}[policy]
        return np.full((count, len(tasks)), value, dtype=np.float32)
    low, high = (float(end) for end in options.get("smooth_range", (0.55, 0.85)))
    if not 0 <= low <= high <= 1:
        raise UserError(f"smooth_range is [{low:g}, {high:g}]; choose 0 <= low <= high <= 1.")
    # Drawn for every image and published task, so that a label does not change with the choice
    # of tasks or views.
    rng = np.random.default_rng(seeded("chexpert", "smooth", seed))
    drawn = rng.uniform(low, high, (count, len(COLUMN_OF))).astype(np.float32)
    return drawn[:, [list(COLUMN_OF).index(task) for task in tasks]]


def _evaluation(
    path: Path, tasks: tuple[str, ...], options: Mapping[str, Any], split: str
) -> tuple[pd.DataFrame, Guessed]:
    rows = _rows(read_table(path), tasks, options)
    labels = rows[list(tasks)]
    uncertain = labels == -1
    rows[list(tasks)] = labels.mask(uncertain)
    return rows.assign(split=split), uncertain.to_numpy()
