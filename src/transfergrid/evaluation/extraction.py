"""Compute the features of a data set's images in a frozen network, and store them.

Features are computed in batches of fixed size from the first image on, and written in pieces, each
with its SHA-256 in a journal. A killed job goes on after the last whole piece and ends with the
same bytes. A file gets its name when it is whole, the receipt is written last.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from transfergrid.data.store import content_of, image_files, verify_images
from transfergrid.evaluation.inference import BATCH_SIZE, outputs_of, to_device
from transfergrid.models.initial import SourceDiverged, headless, source_sha256
from transfergrid.models.normalise import Normalise
from transfergrid.models.prefix import Front, check_division
from transfergrid.planning.paths import cache_directory, features_directory
from transfergrid.planning.records import RECEIPT
from transfergrid.runtime.atomic import space_for
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_bytes, sha256_file
from transfergrid.runtime.progress import progress
from transfergrid.runtime.sealed import read_sealed, write_sealed

PIECE = 4 * BATCH_SIZE
"""Images between two states on disk; a multiple of a batch, so that resuming changes no batch."""
JOURNAL = "making.json"
_TRIED = 2


def extract(
    features_id: str,
    made_from: Mapping[str, Any],
    results: Path,
    device: str,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Compute and store the features of every file of images in a cache.

    If the cell whose weights are asked for diverged, there are none, and the receipt says so.

    Args:
        features_id: Their id.
        made_from: What `transfergrid.planning.features.Features` holds.
        results: The folder of all outputs; the cache and the weights must be there.
        device: "cpu", "cuda" or "cuda:<n>".
        check: Called before every batch; may raise to end the work, which can go on later.

    Raises:
        UserError: Cache or weights cannot be used, the network cannot be divided, or the disk is
            full; whole pieces stay, for the next attempt.
    """
    folder, where = features_directory(features_id, results), torch.device(device)
    cache = cache_directory(made_from["dataset"], results)
    prefix = {"drop": made_from["drop"], "pooled": made_from["pooled"]}
    about = {
        "prefix": prefix,
        "content_sha256": content_of(cache),
        "source_sha256": source_sha256(made_from["weights"], results),
    }
    names = image_files(cache)
    journal = _Journal.opened(folder / JOURNAL, about, _made_with(where))
    if set(journal.files) != set(names):
        try:
            network = _network(made_from, results, where)
        except SourceDiverged:
            write_sealed(folder / RECEIPT, {**about, "status": "diverged", "files": {}})
            return
        journal = journal.of_these(_made_with(where))
        _fill(folder, journal, cache, names, *network, where, check)
    done = {"status": "finished", **journal.made_with, "files": journal.files}
    write_sealed(folder / RECEIPT, {**about, **done})


def _fill(
    folder: Path,
    journal: _Journal,
    cache: Path,
    names: Iterable[str],
    front: Front,
    normalise: Normalise,
    device: torch.device,
    check: Callable[[], None],
) -> None:
    """Make every file that the journal does not name."""
    maps = {name: np.load(cache / name, mmap_mode="r", allow_pickle=False) for name in names}
    pixels = verify_images(cache, names)
    shape = _try(front, normalise, maps, device)
    with space_for(folder):
        for name, images in maps.items():
            if name in journal.files:
                continue
            with _Growing(folder / name, (len(images), *shape), journal.pieces(name)) as growing:
                batches = outputs_of(
                    [front], normalise, images, BATCH_SIZE, device, check, first=growing.row
                )
                for piece in _pieces(batches, name, growing.row, len(images)):
                    growing.write(piece)
                    journal.note(name, growing.pieces)
                # What is published was made of the bytes that were written.
                pixels.wait()
                journal.end(name, growing.publish())


def _network(
    made_from: Mapping[str, Any], results: Path, device: torch.device
) -> tuple[Front, Normalise]:
    """Return the cut network with its initial weights, on a device, and the input it expects."""
    network, preprocessing = headless(made_from, made_from["drop"], results)
    front = Front(to_device(network, device), made_from["pooled"])
    return front, Normalise(preprocessing, device)


def _try(
    front: Front, normalise: Normalise, maps: Mapping[str, NDArray[np.uint8]], device: torch.device
) -> tuple[int, ...]:
    """Check that the network may be divided; return the shape of an image's features."""
    images = next((images[:_TRIED] for images in maps.values() if len(images)), None)
    if images is None:
        raise UserError("the cache has no image; run snakemake again with data that has some.")
    inputs = normalise(torch.from_numpy(np.array(images)).to(device))
    check_division(front, inputs)
    with torch.inference_mode():
        return tuple(front(inputs).shape[1:])


def _pieces(
    batches: Iterator[Tensor], name: str, first: int, total: int
) -> Iterator[NDArray[np.float32]]:
    """Yield the features of `PIECE` images at a time, and tell how far it is."""
    waiting: list[NDArray[np.float32]] = []
    rows = 0
    for batch in progress(batches, -(-(total - first) // BATCH_SIZE), f"features of {name}"):
        waiting.append(batch[0].cpu().numpy())
        rows += len(waiting[-1])
        if rows % PIECE == 0:
            yield np.concatenate(waiting)
            waiting = []
    if waiting:
        yield np.concatenate(waiting)


def _made_with(device: torch.device) -> dict[str, Any]:
    """Return what may decide the last bits of features."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {"device": name, "threads": torch.get_num_threads(), "torch": str(torch.__version__)}


@dataclass
class _Journal:
    """How far the files have come, sealed on disk; it stays, and saves work if the receipt is lost.

    Attributes:
        path: Its file.
        about: What the features are of.
        made_with: What may decide the last bits.
        files: SHA-256 of each file that is whole.
        growing: SHA-256 of the pieces of a file that is not.
    """

    path: Path
    about: Mapping[str, Any]
    made_with: Mapping[str, Any]
    files: dict[str, str] = field(default_factory=dict)
    growing: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def opened(cls, path: Path, about: Mapping[str, Any], made_with: Mapping[str, Any]) -> _Journal:
        """Read the journal of an earlier attempt, as far as it still holds, or begin one."""
        try:
            found = read_sealed(path)
        except (OSError, UserError):
            found = {}
        if found.get("about") != about:
            return cls(path, about, made_with)
        whole = {
            name: digest
            for name, digest in found["files"].items()
            if (path.parent / name).is_file() and sha256_file(path.parent / name) == digest
        }
        return cls(path, about, found["made_with"], whole, found["growing"])

    def of_these(self, made_with: Mapping[str, Any]) -> _Journal:
        """Return the journal itself, or a new one if its pieces were made with other things."""
        same = made_with == self.made_with
        return self if same else _Journal(self.path, self.about, made_with)

    def pieces(self, name: str) -> list[str]:
        """Return the SHA-256 of each piece of a file that is on disk."""
        return self.growing.get(name, [])

    def note(self, name: str, pieces: list[str]) -> None:
        """Record the pieces of a file that are on disk."""
        self.growing = {name: pieces}
        self._save()

    def end(self, name: str, digest: str) -> None:
        """Record that a file is whole."""
        self.growing = {}
        self.files[name] = digest
        self._save()

    def _save(self) -> None:
        kept = {"files": self.files, "growing": self.growing}
        write_sealed(self.path, {"about": self.about, "made_with": self.made_with, **kept})


class _Growing:
    """An .npy file that grows by pieces under another name until it is whole.

    If a piece cannot be written, those before it stay, and no part of it.

    Attributes:
        row: Rows that are on disk.
        pieces: SHA-256 of each piece.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], pieces: list[str]) -> None:
        """Open what an earlier attempt left, as far as its pieces are what was written.

        Args:
            path: The file to be.
            shape: Its shape, rows first.
            pieces: SHA-256 of the pieces that the earlier attempt recorded.
        """
        self.path, self.aside = path, path.with_name(f"{path.name}.part")
        self.row, self.pieces = 0, list[str]()
        self._rows, self._bytes = shape[0], 4 * int(np.prod(shape[1:]))
        header = _header(shape)
        self._digest, self._start = hashlib.sha256(header), len(header)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.aside, os.O_RDWR | os.O_CREAT, 0o666)
        # Without a buffer, of which a full disk would refuse the rest once more at the end.
        self._file: BinaryIO = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            self._begin(header, pieces)
        except OSError:
            self.__exit__()
            raise

    def _begin(self, header: bytes, pieces: list[str]) -> None:
        if self._file.read(len(header)) == header:
            self._go_on(pieces)
        else:
            self._file.seek(0)
            self._append(header)
        self._file.seek(len(header) + self.row * self._bytes)
        self._file.truncate()

    def __enter__(self) -> _Growing:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self.row == 0:
            self.aside.unlink(missing_ok=True)
        elif self.aside.exists():
            os.truncate(self.aside, self._start + self.row * self._bytes)

    def _go_on(self, pieces: list[str]) -> None:
        for expected in pieces:
            rows = min(PIECE, self._rows - self.row)
            data = self._file.read(rows * self._bytes)
            if sha256_bytes(data) != expected:
                return
            self._count(data, expected)

    def _count(self, data: bytes | memoryview, digest: str) -> None:
        self._digest.update(data)
        self.row += len(data) // self._bytes
        self.pieces.append(digest)

    def write(self, features: NDArray[np.float32]) -> None:
        """Write a piece through to the disk."""
        data = np.ascontiguousarray(features, "<f4").tobytes()
        self._append(data)
        self._sync()
        self._count(data, sha256_bytes(data))

    def publish(self) -> str:
        """Give the whole file its name; return its SHA-256."""
        self._sync()
        os.replace(self.aside, self.path)
        return self._digest.hexdigest()

    def _append(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]

    def _sync(self) -> None:
        os.fsync(self._file.fileno())


def _header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    layout = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, layout)
    return buffer.getvalue()
