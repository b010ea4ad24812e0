"""Archives of arrays (.npz): written whole, and read whole or refused in one sentence."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import ArrayLike, NDArray

from transfergrid.runtime.atomic import replacing
from transfergrid.runtime.errors import UserError, listed

_UNREADABLE = (ValueError, OSError, EOFError, RuntimeError, BadZipFile, zlib.error)
"""RuntimeError: the archive says that an array is encrypted or packed in an unknown way."""


def write_arrays(
    path: str | Path, arrays: Mapping[str, ArrayLike], *, compressed: bool = False
) -> None:
    """Write an .npz file, atomically; equal arrays give equal bytes.

    Args:
        path: Where to.
        arrays: The arrays by name; none may hold Python objects.
        compressed: Whether to compress them.
    """
    save = np.savez_compressed if compressed else np.savez
    whole = {name: np.asarray(array) for name, array in arrays.items()}
    with replacing(path) as temporary, open(temporary, "wb") as file:
        save(file, allow_pickle=False, **whole)


def read_arrays(
    path: str | Path, mend: str, names: Sequence[str] | None = None, data: bytes | None = None
) -> dict[str, NDArray[Any]]:
    """Read arrays of an .npz file to their ends, and so compare them with its checksums.

    Args:
        path: The file.
        mend: What the user can do about a damaged file, as the end of a sentence.
        names: Which arrays; all if not given.
        data: The file's bytes if they have been read, as by `read_verified`.

    Raises:
        FileNotFoundError: There is no file.
        UserError: It is damaged, or an array is missing.
    """
    with _told(path, mend):
        opened = np.load(path if data is None else io.BytesIO(data), allow_pickle=False)
        if not isinstance(opened, NpzFile):
            raise ValueError("it holds one array and is no archive")
        with opened as archive:
            wanted = archive.files if names is None else names
            missing = [name for name in wanted if name not in archive]
            arrays = {} if missing else {name: archive[name] for name in wanted}
    if missing:
        raise UserError(f"{path} lacks {listed(missing)}; {mend}.")
    return arrays


def parse_array(path: Path, mend: str, data: bytes) -> NDArray[Any]:
    """Return the array of an .npy file.

    Args:
        path: The file.
        mend: What the user can do about a damaged file, as the end of a sentence.
        data: Its bytes.

    Raises:
        UserError: It is damaged.
    """
    with _told(path, mend):
        array = np.load(io.BytesIO(data), allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("it is an archive and holds no single array")
    return array


@contextmanager
def _told(path: str | Path, mend: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except _UNREADABLE as error:
        raise UserError(f"{path} is damaged ({error}); {mend}.") from None
