"""ChestX-ray14 as published by the NIH Clinical Center: its table, its lists and its folders.

Layout: read in files (``Data_Entry_2017_v2020.csv``, ``BBox_List_2017.csv`` and the two lists). The
first release's table, with ages such as ``058Y``, a comma at the end of each line or the column
``Patient Sex``, and films in ``images_001/images`` to ``images_012/images``, is known from public
loaders alone: unverified. Labels were mined from reports: X. Wang et al., ChestX-ray8, CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from transfergrid.data.drawn import drawn_split
from transfergrid.data.images import ImageFiles, inside
from transfergrid.data.listed import listed_split
from transfergrid.data.manifest import IDS, Manifest, choice, chosen_tasks
from transfergrid.data.places import place
from transfergrid.data.tablefile import Table, read_table
from transfergrid.planning.identifiers import identifier
from transfergrid.planning.layouts.listed import list_files
from transfergrid.planning.layouts.nih14 import entries, film_folders, lists
from transfergrid.runtime.errors import UserError, listed, suggest

FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Hernia",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pleural_Thickening",
    "Pneumonia",
    "Pneumothorax",
)
"""The labels of the table, by letter."""

NO_FINDING = "No Finding"


def read(options: Mapping[str, Any], root: Path) -> Manifest:
    """Read the table of films and the lists of the official split; images are not touched.

    Args:
        options: The declaration; see the study's schema for its keys.
        root: Folder that holds the table, the lists and the folders of films.

    Raises:
        UserError: A missing folder, table, column or list, a label that is none of the fourteen,
            a film in two lists or in none, an option out of range.
    """
    if not root.is_dir():
        raise UserError(f"data folder {root} does not exist; correct the data set's root.")
    table = read_table(entries(root))
    names = table.text("Image Index").map(inside)
    labels = _labels(table)
    tasks = chosen_tasks(options.get("tasks") or FINDINGS, tuple(labels.columns), "tasks")
    patients = table.codes("Patient ID")
    split = _split(options, root, table, names, patients)
    views = table.column("View Position")
    ids = pd.DataFrame(
        dict(zip(IDS, (names, names, patients, views.fillna("").astype(str), split), strict=True))
    )
    mend = "put them there"
    return Manifest(
        table=pd.concat([ids, labels[list(tasks)]], axis=1),
        tasks=tasks,
        score_tasks=chosen_tasks(options.get("score_tasks"), tasks, "score_tasks"),
        task_kind="multilabel",
        images=ImageFiles.declared(
            root, place(root, film_folders(root), names.tolist(), mend), options
        ),
        patients_known=True,
        studies_known=False,
        notes=_notes(options),
    )


def _labels(table: Table) -> pd.DataFrame:
    """Return a column for each finding and for none, 0 or 1, float32."""
    cells = table.text("Finding Labels")
    known = {name: column for column, name in enumerate((*FINDINGS, NO_FINDING))}
    values = np.zeros((len(cells), len(known)), dtype=np.float32)
    for row, cell in enumerate(cells):
        found = [name.strip() for name in cell.split("|")]
        for name in found:
            if name not in known:
                raise UserError(
                    f"{table.path} has the label '{name}'{suggest(name, known)} in row {row + 1}; "
                    f"allowed are {listed(known)}, joined by |."
                )
            values[row, known[name]] = 1
        if NO_FINDING in found and len(found) > 1:
            raise UserError(
                f"{table.path} has '{cell}' in row {row + 1}, where {NO_FINDING} is beside a "
                "label; correct the cell."
            )
    return pd.DataFrame(values, columns=[identifier(name) for name in known])


def _split(
    options: Mapping[str, Any], root: Path, table: Table, names: pd.Series, patients: pd.Series
) -> npt.NDArray[np.str_]:
    """Return the split of each film, (N,) str; of a data set in folds, all are "train"."""
    people = patients.to_numpy(str)
    if options.get("folds"):
        return drawn_split(people, options)
    if options.get("lists"):
        files = list_files(root, options["lists"])
        return listed_split(files, names.tolist(), table.path, "remove lists to cut in other ways")
    if choice(options, "split", ("official", "random")) == "random":
        return drawn_split(people, options)
    instead = "cut by patient with split: random"
    split = listed_split(lists(root), names.tolist(), table.path, instead)
    learned = split == "train"
    if learned.any():
        split[learned] = drawn_split(people[learned], options, parts=("valid",))
    return split


def _notes(options: Mapping[str, Any]) -> tuple[str, ...]:
    if options.get("folds"):
        return ()
    if options.get("lists"):
        return ("The three parts are those of lists that the study names.",)
    share = float(options.get("validation_share", 0.1))
    if options.get("split", "official") == "official":
        return (
            "The test films are those of the official list; validation is a part of the other "
            f"patients, {share:g} of them.",
        )
    return ("The official lists are not used: patients were drawn at random into three parts.",)
