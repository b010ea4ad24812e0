"""MedMNIST files: one .npz with the images and labels of three splits."""

from __future__ import annotations

import tempfile
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from transfergrid.data.manifest import IDS, Manifest, chosen_tasks
from transfergrid.data.npz_labels import interpret
from transfergrid.data.store import SPLITS
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.filehead import mistaken, read_head

_PREFIX = {"train": "train", "valid": "val", "test": "test"}
_CHUNK = 1 << 22


class NpzImages:
    """Images of the three splits in one .npz, for a manifest; rows run train, valid, test.

    A stored member is mapped directly from the file. A compressed one is unpacked at its first use
    into an unnamed temporary file that vanishes with the process, so memory stays bounded.
    """

    def __init__(self, path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._path = path
        self._starts = np.cumsum([0, *(shapes[split][0] for split in SPLITS)])
        self._arrays: dict[str, npt.NDArray[np.uint8]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return int(self._starts[-1])

    def read(self, index: int) -> npt.NDArray[np.uint8]:
        """Return image `index`, (H, W) or (H, W, 3) uint8."""
        split, row = self._place(index)
        with self._lock:
            if split not in self._arrays:
                self._arrays[split] = _map_member(self._path, f"{_PREFIX[split]}_images")
        return np.array(self._arrays[split][row])

    def name(self, index: int) -> str:
        """Return the image's id, such as ``valid/000012``."""
        split, row = self._place(index)
        return _image_id(split, row)

    def _place(self, index: int) -> tuple[str, int]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        part = int(np.searchsorted(self._starts, index, side="right")) - 1
        return SPLITS[part], int(index - self._starts[part])


def read(options: Mapping[str, Any], root: Path) -> Manifest:
    """Read a MedMNIST .npz, 28 to 224 px, grey or colour.

    Labels (N,) or (N, 1) with two classes make one multilabel task, "positive"; with more classes,
    numbered from 0 or from 1, they are multiclass, "class_0", "class_1", ...; so are class names as
    text. Labels (N, C) make C multilabel tasks, "label_0", ..., or, with ``task_kind`` multiclass,
    are C one-hot classes.

    Args:
        options: The declaration; ``task_names`` replaces the names above, ``task_kind`` decides
            what the labels leave open.
        root: The .npz file.

    Raises:
        UserError: No such file, a missing or pickled array, volumes, a wrong number of names, a
            label outside the classes, or ambiguous labels.
    """
    if not root.is_file():
        raise UserError(f"file {root} does not exist; correct the data set's root.")
    shapes = {split: _image_shape(root, f"{_PREFIX[split]}_images") for split in SPLITS}
    labels = {split: _labels(root, split, shapes[split][0]) for split in SPLITS}
    if len({(array.shape[1], array.dtype.kind == "U") for array in labels.values()}) > 1:
        raise UserError(
            f"{root} has labels of different width or kind in its splits; correct the file."
        )
    whole = np.concatenate([labels[split] for split in SPLITS])
    image_id = [_image_id(split, row) for split in SPLITS for row in range(shapes[split][0])]
    truth, tasks, task_kind = interpret(
        root, whole, image_id, options.get("task_names"), options.get("task_kind")
    )
    sizes = [shapes[split][0] for split in SPLITS]
    columns = [image_id, image_id, image_id, "", np.repeat(SPLITS, sizes)]
    table = pd.DataFrame(dict(zip(IDS, columns, strict=True)))
    return Manifest(
        table=pd.concat([table, pd.DataFrame(truth, columns=list(tasks))], axis=1),
        tasks=tasks,
        score_tasks=chosen_tasks(options.get("score_tasks"), tasks, "score_tasks"),
        task_kind=task_kind,
        images=NpzImages(root, shapes),
        patients_known=False,
        studies_known=False,
    )


def _image_id(split: str, row: int) -> str:
    return f"{split}/{row:06d}"


def _open(path: Path, key: str) -> tuple[zipfile.ZipFile, zipfile.ZipInfo]:
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        told = mistaken(read_head(path))
        if told:
            raise UserError(f"{path} is not an .npz file: it is {told}.") from None
        raise UserError(f"{path} is not an .npz file ({error}); restore it.") from None
    try:
        return archive, archive.getinfo(f"{key}.npy")
    except KeyError:
        names = [Path(name).stem for name in archive.namelist()]
        archive.close()
        raise UserError(f"{path} has no array '{key}'; it has {listed(names)}.") from None


def _header(file: Any, path: Path, key: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    try:
        major, _ = np.lib.format.read_magic(file)
        header = (
            np.lib.format.read_array_header_1_0
            if major == 1
            else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = header(file)
    except (ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"array '{key}' of {path} cannot be read ({error}).") from None
    if dtype.hasobject or fortran:
        raise UserError(
            f"array '{key}' of {path} holds pickled objects or column-major data; save plain "
            "C-ordered numbers."
        )
    return shape, dtype


def _image_shape(path: Path, key: str) -> tuple[int, ...]:
    archive, member = _open(path, key)
    with archive, archive.open(member) as file:
        shape, dtype = _header(file, path, key)
    colour = len(shape) == 4 and shape[3] == 3
    if dtype != np.uint8 or not (len(shape) == 3 or colour):
        raise UserError(
            f"array '{key}' of {path} is {dtype} {shape}; images are uint8 of shape (N, H, W) or "
            "(N, H, W, 3)."
        )
    return shape


def _map_member(path: Path, key: str) -> npt.NDArray[np.uint8]:
    archive, member = _open(path, key)
    with archive, archive.open(member) as file:
        shape, dtype = _header(file, path, key)
        if member.compress_type == zipfile.ZIP_STORED:
            with open(path, "rb") as raw:
                start = member.header_offset + 26
                raw.seek(start)
                name, extra = np.frombuffer(raw.read(4), dtype="<u2")
                raw.seek(start + 4 + int(name) + int(extra))
                _header(raw, path, key)
                return np.memmap(path, dtype, mode="r", offset=raw.tell(), shape=shape)
        unpacked = tempfile.TemporaryFile()  # noqa: SIM115 - must live as long as its map
        while block := file.read(_CHUNK):
            unpacked.write(block)
        unpacked.flush()
        return np.memmap(unpacked, dtype, mode="r", shape=shape)


def _labels(path: Path, split: str, images: int) -> npt.NDArray[Any]:
    key = f"{_PREFIX[split]}_labels"
    archive, member = _open(path, key)
    with archive:
        with archive.open(member) as file:
            _header(file, path, key)
        with archive.open(member) as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or len(array) != images or array.shape[1] == 0:
        raise UserError(
            f"array '{key}' of {path} has shape {array.shape} for {images} images; labels are "
            "(N, 1) or (N, classes)."
        )
    if array.dtype.kind in "US":
        return array.astype(str)
    if array.dtype.kind not in "iub":
        raise UserError(
            f"array '{key}' of {path} is {array.dtype}; labels are whole numbers or class names."
        )
    return array.astype(np.int64)
