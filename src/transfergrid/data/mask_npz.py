"""Films and masks in one .npz, with the ids of patients and studies where it has them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from transfergrid.data.manifest import IDS, choice, identifiers
from transfergrid.data.mask_layers import RULES, ArrayLayer, Layer, Observers
from transfergrid.data.mask_set import MaskSet
from transfergrid.data.mask_values import Coding
from transfergrid.data.stacked import Stacked
from transfergrid.data.store import SPLITS
from transfergrid.runtime.errors import UserError, listed

KEYS = ("values", "unknown_values")
"""Of `transfergrid.data.mask_values.KEYS`, those that a data set of the kind has."""
PREFIX = {"train": "train", "valid": "val", "test": "test"}
"""How the names of a split's arrays begin."""


@dataclass(frozen=True)
class ArrayImages:
    """Images in arrays, for a manifest.

    Attributes:
        array: (N, H, W) or (N, H, W, 3) uint8.
        names: What a message calls each.
    """

    array: Any
    names: Sequence[str]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.names)

    def read(self, index: int) -> npt.NDArray[np.uint8]:
        """Return image `index`, (H, W) or (H, W, 3) uint8."""
        return np.array(self.array[index])

    def name(self, index: int) -> str:
        """Return the image's id."""
        return self.names[index]


def read_npz(path: Path, declaration: Mapping[str, Any]) -> tuple[pd.DataFrame, MaskSet]:
    """Read films and masks of the splits that an .npz has, all of them into memory.

    It has ``train_images``, uint8 (N, H, W) or (N, H, W, 3), ``train_masks`` of whole numbers,
    (N, H, W) or with a plane for each structure (N, K, H, W), and ``train_image_id``,
    ``train_study_id`` and ``train_patient_id`` if they are known; so for ``val`` and ``test``.

    Args:
        path: The file.
        declaration: ``only``, the one split that is read (by default all are); ``structures``;
            ``masks``, the name of the masks' arrays (by default "masks"), or of each observer's,
            and how to ``combine`` them (a rule of `transfergrid.data.mask_layers.Observers`);
            settings of `transfergrid.data.mask_values.Coding`; ``exclusive``.

    Returns:
        A row a film with the columns of a manifest's ids, and the masks.

    Raises:
        UserError: No such file; an array is missing, pickled, or not of these films; ids that are
            in only some of the splits.
    """
    arrays = _arrays(path)
    wanted = SPLITS if declaration.get("only") is None else (declaration["only"],)
    splits = [split for split in wanted if f"{PREFIX[split]}_images" in arrays]
    if not splits:
        films_of = [f"{PREFIX[split]}_images" for split in wanted]
        raise UserError(f"{path} has none of {listed(films_of)}; it has {listed(sorted(arrays))}.")
    films, counts = _stacked(path, arrays, splits, "images")
    if films.dtype != np.uint8 or not (len(films.shape) == 3 or films.shape[3:] == (3,)):
        raise UserError(
            f"images of {path} are {films.dtype} {films.shape}; they are uint8 (N, H, W) or (N, H, "
            "W, 3)."
        )
    ids = _ids(path, arrays, splits, counts)
    images = ArrayImages(films, ids["image_id"].tolist())
    names = declaration.get("structures") or ("structure",)
    structures = identifiers([names] if isinstance(names, str) else list(names), "structure")
    given = declaration.get("masks", "masks")
    keys = [given] if isinstance(given, str) else list(given)
    make = partial(_layer, path, structures, declaration, images)
    layers = [make(_stacked(path, arrays, splits, str(key))[0], str(key)) for key in keys]
    rule = choice(declaration, "combine", RULES)
    layer = layers[0] if len(layers) == 1 else Observers(tuple(layers), rule)
    return ids, MaskSet(images, (layer,), bool(declaration.get("exclusive")))


def _layer(
    path: Path,
    structures: tuple[str, ...],
    declaration: Mapping[str, Any],
    images: ArrayImages,
    masks: Stacked,
    key: str,
) -> Layer:
    count, *film = images.array.shape
    shape = tuple(masks.shape)
    whole = shape == (count, *film[:2])
    planes = shape == (count, len(structures), *film[:2])
    if not (whole or planes) or masks.dtype.kind not in "biu":
        raise UserError(
            f"arrays '{key}' of {path} are {masks.dtype} {shape}; for films of {count, *film} and "
            f"{listed(structures)} they are whole numbers of {count, *film[:2]} or "
            f"{count, len(structures), *film[:2]}."
        )
    called = [f"{key} of {name} in {path}" for name in images.names]
    if whole:
        coding = Coding.declared(structures, declaration, KEYS)
        return ArrayLayer(masks, coding, called)
    # The values of a plane are no structure's, so no message tells to write any.
    return ArrayLayer(masks, Coding.declared(("plane",), declaration, ()), called, structures)


def _arrays(path: Path) -> Any:
    if not path.is_file():
        raise UserError(f"file {path} does not exist; correct the data set's root.")
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is not an .npz file ({error}); restore it.") from None
    if not isinstance(found, np.lib.npyio.NpzFile):
        raise UserError(f"{path} is not an .npz file but a single array; save both in one.")
    return found


def _array(path: Path, arrays: Any, key: str) -> npt.NDArray[Any]:
    if key not in arrays:
        raise UserError(f"{path} has no array '{key}'; it has {listed(sorted(arrays))}.")
    try:
        found: npt.NDArray[Any] = arrays[key]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"array '{key}' of {path} cannot be read ({error}); save it as plain values."
        ) from None
    return found


def _stacked(
    path: Path, arrays: Any, splits: Sequence[str], name: str
) -> tuple[Stacked, list[int]]:
    """Return the arrays of all splits, one after the other, and the length of each."""
    found = [_array(path, arrays, f"{PREFIX[split]}_{name}") for split in splits]
    if len({(array.shape[1:], array.dtype) for array in found}) > 1 or found[0].ndim < 3:
        shapes = listed([f"{array.dtype} {array.shape}" for array in found])
        raise UserError(f"{name} of {path} are {shapes}; give every split images of one form.")
    counts = [len(array) for array in found]
    return Stacked(found, [np.arange(count) for count in counts]), counts


def _ids(path: Path, arrays: Any, splits: Sequence[str], counts: Sequence[int]) -> pd.DataFrame:
    places = [f"{s}/{row:06d}" for s, n in zip(splits, counts, strict=True) for row in range(n)]
    images = _texts(path, arrays, splits, "image_id", counts)
    names = places if images is None else images
    studies = _texts(path, arrays, splits, "study_id", counts)
    patients = _texts(path, arrays, splits, "patient_id", counts)
    if studies is not None and patients is not None:
        # Study ids are often numbered within a patient.
        studies = [f"{who}/{study}" for who, study in zip(patients, studies, strict=True)]
    studies = names if studies is None else studies
    patients = studies if patients is None else patients
    columns = [names, studies, patients, "", np.repeat(splits, counts)]
    return pd.DataFrame(dict(zip(IDS, columns, strict=True)))


def _texts(
    path: Path, arrays: Any, splits: Sequence[str], name: str, counts: Sequence[int]
) -> list[str] | None:
    """Return an id of every film, or None where no split has them."""
    keys = [f"{PREFIX[split]}_{name}" for split in splits]
    there = [key for key in keys if key in arrays]
    if not there:
        return None
    found = [_array(path, arrays, key) for key in keys]
    for key, array, count in zip(keys, found, counts, strict=True):
        if array.shape != (count,) or array.dtype.kind not in "USiu":
            raise UserError(
                f"array '{key}' of {path} is {array.dtype} {array.shape}; it is one id for each of "
                f"{count} films."
            )
    return [
        value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        for array in found
        for value in array.tolist()
    ]
