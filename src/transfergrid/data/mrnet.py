"""MRNet as published: knee examinations as volumes, and what was found in them.

Layout read from true files: `train-acl.csv` and its siblings have no header and one line per
examination, `0000,1`; `train/sagittal/0000.npy` is uint8, (slices, 256, 256), with 17 to 61 slices.
Examinations 0000 to 1129 are in train, 1130 to 1249 in valid; the test set was never published,
and neither were ids of patients, of whom some have several examinations.
Source: Bien et al., PLoS Medicine 15(11):e1002699, 2018.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from transfergrid.data.drawn import drawn_split
from transfergrid.data.manifest import IDS, Manifest, choice, chosen_tasks
from transfergrid.runtime.errors import UserError, listed, printable

FOLDER = "MRNet-v1.0"
FINDINGS = ("abnormal", "acl", "meniscus")
PLANES = ("sagittal", "coronal", "axial")
PARTS = ("train", "valid")
CLASSES = ("no_tear", "acl", "meniscus")

Labels = dict[str, tuple[int, ...]]
"""By examination, 0 or 1 for each of `FINDINGS`."""


@dataclass(frozen=True)
class Slices:
    """Slices of volumes, for a manifest.

    Attributes:
        files: The volume of each.
        numbers: Its number in the volume, from 0.
    """

    files: Sequence[Path]
    numbers: Sequence[int]

    def __len__(self) -> int:
        return len(self.files)

    def read(self, index: int) -> npt.NDArray[np.uint8]:
        """Return a slice, (H, W) uint8; nothing else of its volume is read."""
        return np.array(_volume(self.files[index])[self.numbers[index]])

    def name(self, index: int) -> str:
        """Return the volume's file and the slice's number."""
        return f"slice {self.numbers[index]} of {self.files[index]}"


def read(options: Mapping[str, Any], root: Path) -> Manifest:
    """Read MRNet's tables, and the volumes' numbers of slices.

    Each examination is a study whose images are the middle slices of one plane, and has one label:
    with ``task_kind`` multiclass that of an ACL tear if there is one, else that of a meniscal tear,
    else no tear; with multilabel all three findings. Its published validation set is tested on.

    Args:
        options: The declaration: ``plane``, ``slices`` (how many), ``task_kind``,
            ``validation_share`` of the training examinations, ``seed``.
        root: MRNet-v1.0, or the folder that holds it.

    Raises:
        UserError: A missing table or volume, a line that is no examination and label, examinations
            that differ between the tables, a volume of another form.
    """
    base = root / FOLDER if (root / FOLDER).is_dir() else root
    plane, count = choice(options, "plane", PLANES), int(options.get("slices", 3))
    task_kind = choice(options, "task_kind", ("multiclass", "multilabel"))
    found = {part: _labels(base, part) for part in PARTS}
    exams = [(part, exam) for part in PARTS for exam in found[part]]
    findings = np.array([found[part][exam] for part, exam in exams])
    tasks = CLASSES if task_kind == "multiclass" else FINDINGS
    truth = _classes(findings) if task_kind == "multiclass" else findings.astype(np.float32)
    files = [base / part / plane / f"{exam}.npy" for part, exam in exams]
    numbers = [_middle(len(_volume(file)), count) for file in files]
    whose = np.repeat(np.arange(len(exams)), [len(middle) for middle in numbers])
    flat = [number for middle in numbers for number in middle]
    ids = np.array([exam for _, exam in exams])[whose]
    names = [
        f"{exams[row][0]}/{plane}/{exams[row][1]}/{number}"
        for row, number in zip(whose, flat, strict=True)
    ]
    split = _split(np.array([part for part, _ in exams]), np.array(exams)[:, 1], truth, options)
    columns = [names, ids, ids, plane, split[whose]]
    labels = pd.DataFrame(truth[whose], columns=list(tasks))
    return Manifest(
        table=pd.concat([pd.DataFrame(dict(zip(IDS, columns, strict=True))), labels], axis=1),
        tasks=tasks,
        score_tasks=chosen_tasks(options.get("score_tasks"), tasks, "score_tasks"),
        task_kind=task_kind,
        images=Slices([files[row] for row in whose], flat),
        patients_known=False,
        studies_known=True,
        notes=_notes(findings, count, plane, task_kind),
    )


def _labels(base: Path, part: str) -> Labels:
    """Return the findings of a part's examinations, in the order of its first table."""
    tables = {name: _table(base / f"{part}-{name}.csv") for name in FINDINGS}
    first, *others = tables.values()
    for name, other in zip(FINDINGS[1:], others, strict=True):
        differ = first.keys() ^ other.keys()
        if differ:
            raise UserError(
                f"examination {min(differ)} is in only one of {part}-{FINDINGS[0]}.csv and "
                f"{part}-{name}.csv of {base}; restore them from the download."
            )
    return {exam: tuple(table[exam] for table in tables.values()) for exam in first}


def _table(path: Path) -> dict[str, int]:
    """Read a table without a header: an examination of four digits and 0 or 1 per line."""
    if not path.is_file():
        raise UserError(
            f"table {path} does not exist; point root at {FOLDER}, which holds the tables and the "
            f"folders {listed(PARTS)}."
        )
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    found: dict[str, int] = {}
    for number, row in enumerate(csv.reader(io.StringIO(text)), 1):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) != 2 or not re.fullmatch(r"\d{4}", cells[0]) or cells[1] not in ("0", "1"):
            raise UserError(
                f"{path} has '{printable(','.join(row))}' in line {number}; a line is an "
                "examination of four digits and 0 or 1, such as 0000,1, without a header."
            )
        if cells[0] in found:
            raise UserError(f"{path} has examination {cells[0]} twice; keep one line.")
        found[cells[0]] = int(cells[1])
    if not found:
        raise UserError(f"table {path} is empty; restore it from the download.")
    return found


def _volume(path: Path) -> npt.NDArray[np.uint8]:
    """Map a volume, (slices, H, W) uint8."""
    if not path.is_file():
        raise UserError(f"volume {path} does not exist; restore it from the download.")
    try:
        volume = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise UserError(f"volume {path} cannot be read ({error}); restore it.") from None
    if volume.dtype != np.uint8 or volume.ndim != 3 or 0 in volume.shape:
        raise UserError(
            f"volume {path} is {volume.dtype} of shape {volume.shape}; published ones are uint8 of "
            "shape (slices, height, width)."
        )
    found: npt.NDArray[np.uint8] = volume
    return found


def _middle(slices: int, count: int) -> list[int]:
    """Return the numbers of the `count` slices around the middle, or of all if there are fewer."""
    kept = min(slices, count)
    start = (slices - kept) // 2
    return list(range(start, start + kept))


def _classes(findings: npt.NDArray[np.int_]) -> npt.NDArray[np.float32]:
    """Return one-hot `CLASSES`, (N, 3): an ACL tear comes before a meniscal one."""
    acl, meniscus = findings[:, 1] == 1, findings[:, 2] == 1
    return np.stack([~acl & ~meniscus, acl, meniscus & ~acl], axis=1).astype(np.float32)


def _split(
    parts: npt.NDArray[np.str_],
    exams: npt.NDArray[np.str_],
    truth: npt.NDArray[np.float32],
    options: Mapping[str, Any],
) -> npt.NDArray[np.str_]:
    """Return each examination's split: the published validation set is the test set."""
    split = np.full(len(parts), "test", "<U5")
    train = parts == "train"
    split[train] = drawn_split(exams[train], options, truth[train], ("valid",))
    return split


def _notes(
    findings: npt.NDArray[np.int_], count: int, plane: str, task_kind: str
) -> tuple[str, ...]:
    told = [
        f"Images are the {count} middle {plane} slices of each examination.",
        "The published validation set is tested on, because the test set was never published.",
    ]
    if task_kind == "multiclass":
        abnormal, acl, meniscus = (findings == 1).T
        told.append(
            f"{(acl & meniscus).sum()} examinations with an ACL and a meniscal tear count as acl; "
            f"{(abnormal & ~acl & ~meniscus).sum()} of the {(~acl & ~meniscus).sum()} without a "
            "tear are labelled abnormal for something else."
        )
    return tuple(told)
