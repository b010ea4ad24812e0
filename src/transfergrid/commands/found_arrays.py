"""Films and masks in the arrays of one .npz file."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transfergrid.commands import codings
from transfergrid.commands.found import EXCLUSIVE, GREY, Found
from transfergrid.commands.guess import Guess
from transfergrid.commands.masks_beside import NAMELESS
from transfergrid.data.mask_npz import PREFIX
from transfergrid.planning.identifiers import identifier
from transfergrid.runtime.errors import UserError, listed

_NAMES = ("class_names", "classes", "structures", "structure_names", "label_names")
"""Arrays that may say what numbers or planes of masks are."""
_OBSERVER = r"observer|reader|rater|annotator|expert|grader|\d$"
_BACKGROUND = ("background", "none", "nothing")
_LOOKED_AT = 20


def of_mask_arrays(data: Path, names: Collection[str]) -> Found:
    """Say what an .npz file with films and masks is.

    Args:
        data: The file.
        names: Its arrays.

    Raises:
        UserError: It has some of the parts only, or arrays that do not fit each other.
    """
    parts = [part for part in PREFIX.values() if f"{part}_images" in names]
    lacks = [part for part in PREFIX.values() if part not in parts]
    if "train" not in parts or len(lacks) == 1:
        mend = [f"{part}_{what}" for part in lacks for what in ("images", "masks")]
        raise UserError(
            f"{data} has {listed(parts) or 'no'} images and no {listed(mend)}; add them (val can "
            "be some patients of train), or pool all parts in folds by hand (docs/howto/masks.md)."
        )
    keys = sorted({name.partition("_")[2] for name in names if name.startswith("train_mask")})
    first = "masks" if "masks" in keys else keys[0]
    arrays = loaded(data, [f"{part}_{what}" for part in parts for what in ("images", first)])
    films = [arrays[f"{part}_images"] for part in parts]
    masks = [arrays[f"{part}_{first}"] for part in parts]
    guesses = _structures(data, films, masks, told_names(data, names)[1])
    if first != "masks":
        guesses.append(Guess("masks", [first], f"the arrays of masks are called {first}"))
    others = [key for key in keys if key != first]
    observers = [key for key in others if re.search(_OBSERVER, key)]
    if observers:
        why = "masks of further observers, with whom the first one is compared"
        guesses.append(Guess("observers", observers, why))
    if not _coloured(films):
        guesses.append(GREY)
    unused = [key for key in others if key not in observers]
    unused += ["labels"] if "train_labels" in names else []
    told = f"{data.name} also has {listed(unused)}, which this study does not use."
    if not lacks:
        why = "its own three parts are kept"
        guesses[0] = Guess(guesses[0].key, guesses[0].value, f"{guesses[0].why}; {why}")
    return Found(
        "mask_npz",
        data.resolve(),
        guesses,
        min(films[0].shape[1:3]),
        remarks=(told,) if unused else (),
        parts="folds" if lacks else "files",
    )


def loaded(data: Path, keys: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Read arrays of an .npz file.

    Raises:
        UserError: Some are missing or cannot be read.
    """
    try:
        with np.load(data, allow_pickle=False) as arrays:
            names = arrays.files
            return {key: arrays[key] for key in keys}
    except KeyError:
        raise UserError(
            f"{data} has no {listed(key for key in keys if key not in names)}; each part has "
            "images and masks."
        ) from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{data} cannot be read ({error}); save it with plain arrays.") from None


def told_names(data: Path, names: Collection[str]) -> tuple[str, list[str]]:
    """Return what the file calls classes, as identifiers, and the array that says so.

    Args:
        data: The file.
        names: Its arrays.
    """
    key = next((name for name in _NAMES if name in names), "")
    if not key:
        return key, []
    found = loaded(data, [key])[key]
    if found.ndim != 1 or found.dtype.kind not in "US":
        return key, []
    told = [one.decode("utf-8", "replace") if isinstance(one, bytes) else one for one in found]
    made = [identifier(name) for name in told]
    return key, made if all(made) and len(set(made)) == len(made) else []


def _structures(
    data: Path,
    films: Sequence[npt.NDArray[Any]],
    masks: Sequence[npt.NDArray[Any]],
    told: Sequence[str],
) -> list[Guess]:
    """Name the structures, by planes or by the numbers in masks."""
    shape = masks[0].shape
    inner = [name for name in told if name not in _BACKGROUND]
    if len(shape) == 4:
        planes = shape[1]
        names = inner if len(inner) == planes else [f"{NAMELESS}_{n + 1}" for n in range(planes)]
        why = f"masks have {planes} planes" + (", named in the file" if names == inner else "")
        return [Guess("structures", names, why)]
    if len(shape) != 3 or masks[0].dtype.kind not in "biu":
        raise UserError(
            f"masks of {data} are {masks[0].dtype} {shape}; they are whole numbers of the films' "
            "height and width, with a plane for each structure or none (docs/segmentation.md)."
        )
    called = told if told and told[0] in _BACKGROUND else [NAMELESS, *inner]
    numbers = codings.Numbers.of(one for part in masks for one in part)
    found = codings.guess(numbers, NAMELESS, str(data), called if inner else ())
    more = ", named in the file" if inner else ""
    if NAMELESS in found.structures:
        more = f"; nothing tells what they show: rename '{NAMELESS}'"
    guesses = [Guess("structures", found.structures, found.why + more)]
    return [*guesses, *_coded(found.settings, len(found.structures))]


def _coded(settings: Mapping[str, Any], structures: int) -> list[Guess]:
    if "at_least" in settings:
        raise UserError(
            "masks have many grey levels, and in an .npz each number has to be 0 or a structure's; "
            "save (masks >= 128)."
        )
    words = {"values": "the number of each", "unknown_values": "where nobody knows"}
    guesses = [Guess(key, value, words[key]) for key, value in settings.items()]
    if structures > 1:
        guesses.append(EXCLUSIVE)
    return guesses


def _coloured(films: Sequence[npt.NDArray[Any]]) -> bool:
    some = films[0][:: max(1, len(films[0]) // _LOOKED_AT)]
    return some.ndim == 4 and bool((some != some[..., :1]).any())
