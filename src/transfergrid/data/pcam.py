"""PatchCamelyon: patches of 96 px from slides of lymph nodes, with or without tumour at the centre.

Layout: unverified. No file was read; names and shapes are those of basveeling/pcam (README, Keras
loader) and of public loaders: ``x`` (N, 96, 96, 3) uint8, ``y`` (N, 1, 1, 1), and a table of the
slides (``wsi``), of which the README says that none is in two parts. The label is about the centre
32 x 32 px alone. B. Veeling et al., MICCAI 2018.

The PNG files are those of a study's converter (DovileDo/revisiting-transfer @ 54853c3), whose
names were read: ``157778_label=0.png``. It writes all three parts into one folder, so a number says
neither which part nor which slide a patch is of, and a patch of a later part has replaced one of an
earlier part that had its number and label.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from transfergrid.data.drawn import drawn_split
from transfergrid.data.images import ImageFiles
from transfergrid.data.manifest import IDS, Manifest, chosen_tasks
from transfergrid.data.tablefile import read_table
from transfergrid.planning.layouts.pcam import SPLITS, arrays, patches, published, slides
from transfergrid.runtime.errors import UserError

TASK = "tumour"


class H5Images:
    """Images of several HDF5 files, one after the other; h5py lets one thread read at a time."""

    def __init__(self, paths: Sequence[Path], counts: Sequence[int]) -> None:
        """Take the files, each with an array ``x``, and how many images each holds."""
        self._paths = tuple(paths)
        self._starts = np.cumsum([0, *counts])
        self._files: dict[int, h5py.File] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return int(self._starts[-1])

    def read(self, index: int) -> npt.NDArray[np.uint8]:
        """Return image `index`, (H, W, 3) uint8; OSError if its file is broken."""
        part, row = self._place(index)
        with self._lock:
            if part not in self._files:
                self._files[part] = h5py.File(self._paths[part], "r")
            return np.asarray(self._files[part]["x"][row])

    def name(self, index: int) -> str:
        """Return the file and the row of an image."""
        part, row = self._place(index)
        return f"{self._paths[part].name}, row {row + 1}"

    def _place(self, index: int) -> tuple[int, int]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        part = int(np.searchsorted(self._starts, index, side="right")) - 1
        return part, int(index - self._starts[part])


def read(options: Mapping[str, Any], root: Path) -> Manifest:
    """Read the published files in ``root``, or list a study's PNG files; no image is read.

    Args:
        options: The declaration; see the study's schema for its keys.
        root: Folder of the HDF5 files and their tables of slides, or of PNG files.

    Raises:
        UserError: A missing, packed or broken file, arrays that do not fit each other, a label
            other than 0 or 1, a PNG file of another name.
    """
    if not root.is_dir():
        raise UserError(f"data folder {root} does not exist; correct the data set's root.")
    return _of_arrays(options, root) if published(root) else _of_files(options, root)


def _of_arrays(options: Mapping[str, Any], root: Path) -> Manifest:
    files = [arrays(root, split, "x") for split in SPLITS]
    labels = [_labels(arrays(root, split, "y")) for split in SPLITS]
    counts = [_count(path, len(truth)) for path, truth in zip(files, labels, strict=True)]
    names = [
        f"{split}/{row:06d}" for split, n in zip(SPLITS, counts, strict=True) for row in range(n)
    ]
    known, notes = _slides(root, labels)
    people = names if known is None else known
    table = pd.DataFrame(
        dict(zip(IDS, (names, names, people, "", np.repeat(SPLITS, counts)), strict=True))
    )
    if options.get("folds"):
        notes = ("The published parts were pooled.", *notes)
    return _manifest(options, table, np.concatenate(labels), H5Images(files, counts), known, notes)


def _of_files(options: Mapping[str, Any], root: Path) -> Manifest:
    folder, names = patches(root)
    labels = np.array([name.endswith("1.png") for name in names], dtype=np.float32)
    split = drawn_split(np.array(names), options, labels[:, None])
    table = pd.DataFrame(dict(zip(IDS, (names, names, names, "", split), strict=True)))
    notes = (
        "The names of the patches do not tell their slides, of which there may be patches in "
        "two parts.",
    )
    files = ImageFiles.declared(folder, names, options)
    return _manifest(options, table, labels, files, None, notes)


def _manifest(
    options: Mapping[str, Any],
    table: pd.DataFrame,
    labels: npt.NDArray[np.float32],
    images: Any,
    known: Sequence[str] | None,
    notes: tuple[str, ...],
) -> Manifest:
    return Manifest(
        table=table.assign(**{TASK: labels}),
        tasks=(TASK,),
        score_tasks=chosen_tasks(options.get("score_tasks"), (TASK,), "score_tasks"),
        task_kind="multilabel",
        images=images,
        patients_known=known is not None,
        studies_known=False,
        notes=notes,
        drawn=isinstance(images, ImageFiles),
    )


def _array(path: Path, key: str) -> tuple[h5py.File, h5py.Dataset]:
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} cannot be read as HDF5 ({reason}); download it again.") from None
    found = file.get(key)
    if not isinstance(found, h5py.Dataset):
        names = ", ".join(file) or "nothing"
        file.close()
        raise UserError(f"{path} has no array '{key}'; it has {names}; download it again.")
    return file, found


def _labels(path: Path) -> npt.NDArray[np.float32]:
    """Return the labels of a part, (N,) 0 or 1."""
    file, array = _array(path, "y")
    with file:
        labels = np.asarray(array[:]).reshape(len(array), -1)
    if labels.shape[1] != 1 or not np.isin(labels, (0, 1)).all():
        wrong = np.flatnonzero(~np.isin(labels, (0, 1)).all(axis=1))
        told = f"row {wrong[0] + 1} has {labels[wrong[0]].tolist()}" if len(wrong) else "several"
        raise UserError(
            f"array 'y' of {path} holds other labels than one 0 or 1 a patch ({told}); download "
            "it again."
        )
    return labels[:, 0].astype(np.float32)


def _count(path: Path, labels: int) -> int:
    file, array = _array(path, "x")
    with file:
        shape, dtype = array.shape, array.dtype
    if dtype != np.uint8 or len(shape) != 4 or shape[3] != 3 or shape[0] != labels:
        raise UserError(
            f"array 'x' of {path} is {dtype} {shape} beside {labels} labels; patches are uint8 of "
            "shape (N, 96, 96, 3), one a label; download both files again."
        )
    return labels


def _slides(
    root: Path, labels: Sequence[npt.NDArray[np.float32]]
) -> tuple[list[str] | None, tuple[str, ...]]:
    """Return the slide of each patch, None where no table tells, and what is to be said."""
    tables = {split: slides(root, split) for split in SPLITS}
    lost = [split for split, path in tables.items() if path is None]
    if len(lost) == len(SPLITS):
        return None, ("No table of slides is there, so patches of one slide count as apart.",)
    found: list[str] = []
    for split, truth in zip(SPLITS, labels, strict=True):
        path = tables[split]
        if path is None:
            raise UserError(
                f"{root} has a table of slides for some parts and none for {split}; download it "
                "too, or move the others away."
            )
        rows = read_table(path).text("wsi")
        if len(rows) != len(truth):
            raise UserError(
                f"{path} has {len(rows)} rows for {len(truth)} patches; download it again."
            )
        found += rows.tolist()
    return found, ("A slide counts as a patient.",)
