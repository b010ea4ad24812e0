"""DDTI as published: thyroid ultrasound images and one XML file a case with its TI-RADS grade.

Layout read from true files: `12.xml` has `<number>`, `<tirads>` (2, 3, 4a, 4b, 4c, 5 or nothing)
and a `<mark>` for most images, whose `<svg>` outlines the lesion; `12_1.jpg` and so on lie beside
it. Lists that a study published agree: 480 images of 390 cases, 131 of them without a grade.
Unverified: that a case is a patient; that outlines are cut off in 197.xml and 205.xml, which does
not matter here, because they are not read.
Source: Pedraza et al., Proceedings of SPIE 9287:92870W, 2015.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from transfergrid.data.drawn import drawn_split
from transfergrid.data.images import ImageFiles
from transfergrid.data.manifest import IDS, Manifest, choice, chosen_tasks
from transfergrid.runtime.errors import UserError, listed, printable

GRADES = ("1", "2", "3", "4", "4a", "4b", "4c", "5")
MALIGNANT = ("4", "4a", "4b", "4c", "5")
TASK = "malignant"

_IMAGE = re.compile(r"(\d+)_(\d+)\.jpg")


@dataclass(frozen=True)
class Case:
    """A case: its TI-RADS grade, empty if it has none, and the images that its file marks."""

    grade: str
    marked: frozenset[int]


def read(options: Mapping[str, Any], root: Path) -> Manifest:
    """Read DDTI's cases; no image is opened and no outline is read.

    An image is malignant if the TI-RADS grade of its case is 4 or 5. Many cases have no grade:
    ``ungraded`` leaves their images out, or counts them as benign.

    Args:
        options: The declaration.
        root: The folder of the XML files and images.

    Raises:
        UserError: A file that is no case, a grade outside the scale, a case without images or an
            image without a case.
    """
    ungraded = choice(options, "ungraded", ("leave_out", "benign"))
    cases = _cases(root)
    images = _images(root, cases)
    without = [image for image in images if not cases[image[0]].grade]
    if ungraded == "leave_out":
        images = [image for image in images if cases[image[0]].grade]
    if not images:
        raise UserError(f"{root} has no case with a TI-RADS grade; restore the XML files.")
    names = [f"{case}_{number}.jpg" for case, number in images]
    truth = np.array([[cases[case].grade in MALIGNANT] for case, _ in images], np.float32)
    people = np.array([str(case) for case, _ in images])
    columns = [names, names, people, "", drawn_split(people, options, truth)]
    what = "are left out" if ungraded == "leave_out" else "count as benign"
    note = f"{len(without)} images of {len({case for case, _ in without})} cases without a grade"
    return Manifest(
        table=pd.DataFrame({**dict(zip(IDS, columns, strict=True)), TASK: truth[:, 0]}),
        tasks=(TASK,),
        score_tasks=chosen_tasks(options.get("score_tasks"), (TASK,), "score_tasks"),
        task_kind="multilabel",
        images=ImageFiles.declared(root, names, options),
        patients_known=True,
        studies_known=False,
        notes=(f"{note} {what}; malignant means TI-RADS 4 or 5.",),
        drawn=True,
    )


def _cases(root: Path) -> dict[int, Case]:
    """Return the cases of a folder by number."""
    files = sorted(path for path in root.glob("*.xml") if not path.name.startswith("."))
    if not files:
        raise UserError(
            f"{root} has no XML file; point root at the folder with 1.xml and 1_1.jpg of DDTI."
        )
    return {_number(path): _case(path) for path in files}


def _number(path: Path) -> int:
    if not re.fullmatch(r"[1-9]\d*", path.stem):
        raise UserError(
            f"{path} is not named after a case, such as 12.xml; remove it from the folder."
        )
    return int(path.stem)


def _case(path: Path) -> Case:
    content = path.read_bytes()
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise UserError(f"{path} defines a document type, which no file of DDTI does; restore it.")
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise UserError(f"{path} is not readable XML ({error}); restore it.") from None
    number, grade = ((root.findtext(tag) or "").strip() for tag in ("number", "tirads"))
    if number != path.stem:
        raise UserError(
            f"{path} says that it is case '{printable(number)}'; give it that name, or restore it."
        )
    if grade.lower() not in ("", *GRADES):
        raise UserError(
            f"{path} has the TI-RADS grade '{printable(grade)}'; allowed are {listed(GRADES)}, or "
            "nothing: correct it."
        )
    marks = [(mark.findtext("image") or "").strip() for mark in root.findall("mark")]
    strange = [mark for mark in marks if not re.fullmatch(r"[1-9]\d*", mark)]
    if strange:
        raise UserError(
            f"{path} marks the image '{printable(strange[0])}', which is no number; correct it."
        )
    return Case(grade.lower(), frozenset(int(mark) for mark in marks))


def _images(root: Path, cases: Mapping[int, Case]) -> list[tuple[int, int]]:
    """Return case and number of each image: those that are there, and those that are marked."""
    found = {(case, number) for case, entry in cases.items() for number in entry.marked}
    for path in sorted(root.glob("*.jpg")):
        if path.name.startswith("."):
            continue
        name = _IMAGE.fullmatch(path.name)
        if name is None:
            raise UserError(
                f"{path} is not named after its case, such as 12_1.jpg; rename or remove it."
            )
        if int(name[1]) not in cases:
            raise UserError(f"{path} has no {name[1]}.xml beside it; restore that file.")
        found.add((int(name[1]), int(name[2])))
    bare = sorted(cases.keys() - {case for case, _ in found})
    if bare:
        raise UserError(
            f"{root} has {bare[0]}.xml without an image ({len(bare)} such cases); put "
            f"{bare[0]}_1.jpg beside it, or remove it."
        )
    return sorted(found)
