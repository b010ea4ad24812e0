"""The arrays of a cache: written as its images are decoded, or dealt out when all of them are."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from transfergrid.data.blocks import AT_ONCE, Broken, Form, blocks_of
from transfergrid.data.manifest import Images
from transfergrid.data.numbers import Pixels
from transfergrid.data.survey import Survey
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.progress import progress

Rows = Mapping[str, npt.NDArray[np.intp]]
"""Places in the manifest of the images of each array, by its name."""

_UNDEALT = "images"
_DEALT = 256
"""Images that are copied at a time."""


def write_images(
    images: Images, rows: Rows, form: Form, folder: Path, workers: int, label: str, survey: Survey
) -> dict[str, str]:
    """Decode every image once and write an .npy for each name, while the survey looks at them.

    Args:
        images: The images.
        rows: Which go into which array, in order.
        form: Their form.
        folder: Where the arrays are written.
        workers: Threads that decode.
        label: Name of the data set, for the line of progress.
        survey: Looks at each.

    Returns:
        SHA-256 of each file by its name.

    Raises:
        UserError: Images are broken; all of them are named.
    """
    count = sum(len(places) for places in rows.values())
    files: dict[str, str] = {}
    broken: list[Broken] = []
    with ThreadPoolExecutor(workers) as executor:
        decoded = blocks_of(executor, images, form, list(rows.values()), workers)
        blocks = progress(decoded, count, f"decoding {label}", size=len)

        def sound(name: str) -> Iterator[Pixels]:
            for _ in range(0, len(rows[name]), AT_ONCE):
                block = next(blocks)
                broken.extend(block.broken)
                for image in block.seen:
                    survey.add(image)
                if not broken:
                    yield block.pixels

        for name, places in rows.items():
            shape = (len(places), *form.shape)
            files[f"{name}.npy"] = _write(folder / f"{name}.npy", shape, sound(name))
        next(blocks, None)
    if broken:
        raise UserError(
            f"{len(broken)} of {count} images are broken and nothing was written: "
            f"{listed([image.name for image in broken])}; the first says: {broken[0].reason}"
        )
    return files


def write_undealt(
    images: Images, form: Form, folder: Path, workers: int, label: str, survey: Survey
) -> None:
    """Decode every image once into one array, of which `deal` makes those of a cache."""
    rows = {_UNDEALT: np.arange(len(images))}
    write_images(images, rows, form, folder, workers, label, survey)


def deal(folder: Path, rows: Rows) -> dict[str, str]:
    """Deal an array of all images out to those of a cache, and remove it.

    Args:
        folder: Where `write_undealt` left it.
        rows: Which images go into which array, in order.

    Returns:
        SHA-256 of each file by its name.
    """
    path = folder / f"{_UNDEALT}.npy"
    every = np.load(path, mmap_mode="r", allow_pickle=False)
    files = {}
    for name, places in rows.items():
        shape = (len(places), *every.shape[1:])
        few = (every[places[i : i + _DEALT]] for i in range(0, len(places), _DEALT))
        files[f"{name}.npy"] = _write(folder / f"{name}.npy", shape, few)
    del every
    path.unlink()
    return files


def _write(path: Path, shape: tuple[int, ...], blocks: Iterator[Pixels]) -> str:
    """Write an .npy block by block; return its SHA-256, taken on the way."""
    with open(path, "wb") as file:
        header = _npy_header(shape)
        file.write(header)
        digest = hashlib.sha256(header)
        for pixels in blocks:
            file.write(pixels.data)
            digest.update(pixels.data)
    return digest.hexdigest()


def _npy_header(shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    return header.getvalue()
