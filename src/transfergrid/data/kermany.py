"""Kermany's chest films of children as published: labels, patients and parts are in the paths.

Layout: 5,856 paths of Kaggle's copy were read in a list (the folds of DovileDo/revisiting-transfer
@ 54853c3), no film. There, ``person12_bacteria_46.jpeg`` counts persons and films within bacteria
and within virus apart, and ``IM-0115-0001.jpeg`` and ``NORMAL2-IM-0115-0001.jpeg`` are counted
apart too: so taken, nobody is in two parts; by number alone 170 persons with pneumonia and 94
without would be. The names of the first publication (Mendeley Data, ``BACTERIA-1008087-0001.jpeg``:
class, patient, number of the film) are known from public code alone: unverified.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from transfergrid.data.drawn import drawn_split
from transfergrid.data.images import ImageFiles
from transfergrid.data.manifest import IDS, Manifest, choice, chosen_tasks
from transfergrid.planning.layouts.kermany import base, films
from transfergrid.runtime.errors import UserError

TASK = "pneumonia"

_NAMES = {
    "NORMAL": re.compile(r"(?:NORMAL-(?P<id>\d+)|(?P<series>(?:NORMAL2-)?IM-\d+))-\d+(?:-\d+)?"),
    "PNEUMONIA": re.compile(
        r"(?:(?:BACTERIA|VIRUS)-(?P<id>\d+)-\d+"
        r"|person(?P<person>\d+)_(?P<series>bacteria|virus)_\d+(?:_\d+)?)"
    ),
}
_EXAMPLES = {"NORMAL": "IM-0115-0001.jpeg", "PNEUMONIA": "person1_bacteria_1.jpeg"}
_SUFFIXES = (".jpeg", ".jpg", ".png")


def read(options: Mapping[str, Any], root: Path) -> Manifest:
    """List the films; none is opened.

    Args:
        options: The declaration; see the study's schema for its keys.
        root: ``chest_xray``, or the folder that holds it.

    Raises:
        UserError: A missing folder, a file that is not named as the films of its class are, an
            option out of range.
    """
    folder = base(root)
    names = films(folder)
    patients = np.array([_patient(folder, name) for name in names])
    ill = np.array([name.split("/")[1] == "PNEUMONIA" for name in names])
    columns = (names, names, patients, "", _split(options, names, patients, ill))
    table = pd.DataFrame(dict(zip(IDS, columns, strict=True))).assign(
        **{TASK: ill.astype(np.float32)}
    )
    return Manifest(
        table=table,
        tasks=(TASK,),
        score_tasks=chosen_tasks(options.get("score_tasks"), (TASK,), "score_tasks"),
        task_kind="multilabel",
        images=ImageFiles.declared(folder, names, options),
        patients_known=True,
        studies_known=False,
        notes=_notes(options, names),
    )


def _patient(folder: Path, path: str) -> str:
    """Return whose film it is, by its name."""
    _, class_, name = path.split("/")
    stem, dot, suffix = name.rpartition(".")
    found = _NAMES[class_].fullmatch(stem)
    if found is None or f"{dot}{suffix.lower()}" not in _SUFFIXES:
        raise UserError(
            f"{folder / path} is not named as films of {class_} are, such as {_EXAMPLES[class_]}; "
            "rename or remove it."
        )
    parts = found.groupdict()
    if parts["id"]:
        return parts["id"]
    return f"{parts['series']} {parts['person']}" if "person" in parts else parts["series"]


def _split(
    options: Mapping[str, Any],
    names: list[str],
    patients: npt.NDArray[np.str_],
    ill: npt.NDArray[np.bool_],
) -> npt.NDArray[np.str_]:
    labels = ill.astype(np.float32)[:, None]
    if options.get("folds") or choice(options, "split", ("official", "random")) == "random":
        return drawn_split(patients, options, labels)
    tested = np.array([name.startswith("test/") for name in names])
    split = np.full(len(names), "test", "<U5")
    split[~tested] = drawn_split(patients[~tested], options, labels[~tested], ("valid",))
    return split


def _notes(options: Mapping[str, Any], names: list[str]) -> tuple[str, ...]:
    notes = [
        "Patients are told apart by the names of the films, in which each series has numbers "
        "of its own."
    ]
    few = sum(name.startswith("val/") for name in names)
    if few and not options.get("folds") and options.get("split", "official") == "official":
        notes.append(
            f"The {few} films of the folder val are too few to choose checkpoints by and count as "
            "training films, from whose patients validation is cut."
        )
    return tuple(notes)
