"""What the images of a cache were read from, and by which libraries."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL
from PIL import features

from transfergrid.data.decoding import dicom_module
from transfergrid.data.images import ImageFiles
from transfergrid.data.likeness import Prints
from transfergrid.data.manifest import Manifest
from transfergrid.data.survey import Survey
from transfergrid.runtime.hashing import canonical_json, sha256_text

_CODECS = ("jpg", "libjpeg_turbo", "zlib", "libtiff")


@dataclass(frozen=True)
class Origin:
    """What a cache was made from; row i of each array belongs to image i of `names`.

    Attributes:
        base: The images' folder, relative to the data set's root; None if they have no lasting
            files of their own (drawn images, archives, a user's own reader).
        names: Name of each image, a path relative to `base` if that is given.
        digests: SHA-256 of each image, 32 bytes: of its file, or of its pixels without one.
        sizes: (N,) int64, bytes of each file; 0 without one.
        times: (N,) int64, when each file was last changed, in nanoseconds; 0 without one.
        parts: The split, or part of a data set in folds, that each image is in.
        prints: (N, 12) uint64, what `transfergrid.data.likeness` remembers of each, as cached.
        px: Side of the cached images.
        content: What the card's content_sha256 is the hash of.
        decoders: Version of each library that decoded.
    """

    base: str | None
    names: Sequence[str]
    digests: Sequence[bytes]
    sizes: npt.NDArray[np.int64]
    times: npt.NDArray[np.int64]
    parts: Sequence[str]
    prints: Prints
    px: int
    content: Mapping[str, Any]
    decoders: Mapping[str, str]

    @property
    def content_sha256(self) -> str:
        """SHA-256 over the ids, labels and pixels of every split."""
        return sha256_text(canonical_json(self.content))


def origin_of(
    manifest: Manifest,
    survey: Survey,
    px: int,
    root: Path | None,
    content: Mapping[str, Any],
    workers: int,
) -> Origin:
    """Describe what a cache is made from.

    Args:
        manifest: What it is made of.
        survey: What has looked at each of its images.
        px: See `Origin`.
        root: The data set's root; None if its images do not last.
        content: See `Origin`.
        workers: Threads that look up the files' sizes and times.
    """
    images, digests = manifest.images, survey.digests
    places = sorted(digests)
    files = images if isinstance(images, ImageFiles) and root is not None else None
    states: list[os.stat_result | None] = [None] * len(places)
    if files:
        with ThreadPoolExecutor(workers) as executor:
            states = list(executor.map(lambda i: os.stat(files.path(i)), places))
    return Origin(
        base=os.path.relpath(files.root, root) if files and root else None,
        names=[images.name(place) for place in places],
        digests=[digests[place] for place in places],
        sizes=np.array([state.st_size if state else 0 for state in states], np.int64),
        times=np.array([state.st_mtime_ns if state else 0 for state in states], np.int64),
        parts=manifest.table["split"].tolist(),
        prints=survey.prints,
        px=px,
        content=content,
        decoders=decoders(files is not None and bool(files.levels.dicom)),
    )


def decoders(dicom: bool = False) -> dict[str, str]:
    """Return the version of each library that an image's pixels may depend on.

    Args:
        dicom: Whether files may be DICOM.
    """
    codecs = {name: features.version(name) for name in _CODECS}
    known = {name: str(found) for name, found in codecs.items() if found}
    ours = {"pillow": PIL.__version__, "numpy": np.__version__}
    more: dict[str, str] = dicom_module().decoders() if dicom else {}
    return {**ours, "kornia_rs": version("kornia_rs"), **known, **more}
