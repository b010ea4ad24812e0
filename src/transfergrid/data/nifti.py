"""NIfTI volumes, by nibabel: what a header says, and the numbers of one plane.

It is code of the data sets alone that say ``nifti:``. Places and directions are those of NIfTI-1:
an affine leads from voxels to millimetres towards the patient's right, front and head (RAS+).
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation

from transfergrid.data.formats import UnfitError
from transfergrid.data.images import missing
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.filehead import HEAD, mistaken

Numbers = npt.NDArray[Any]

AXES = {"sagittal": 0, "coronal": 1, "axial": 2}
"""Across which axis of a volume that is turned to right, front and head a plane lies."""

_GZIP = b"\x1f\x8b"
_AT_ONCE = 1 << 20
_NIFTI_1, _NIFTI_2 = slice(344, 348), slice(4, 8)
_OWN_FILE = "save it as one file, .nii or .nii.gz"


@dataclass(frozen=True)
class Header:
    """What a volume's header says.

    Attributes:
        shape: Voxels from left to right, back to front and feet to head, whatever way they are
            stored: along the axes of the patient that are closest.
        affine: (4, 4) float64, from a place among these to millimetres.
        turns: (3, 2), nibabel's orientation that brings what is stored to that shape.
        dtype: The type of the stored numbers, with their order of bytes.
        slope: What a stored number is multiplied with.
        inter: What is added then.
    """

    shape: tuple[int, int, int]
    affine: npt.NDArray[np.float64]
    turns: npt.NDArray[np.float64]
    dtype: np.dtype[Any]
    slope: float
    inter: float

    def size(self, axis: str) -> tuple[int, int]:
        """Return height and width of the planes of `AXES`."""
        across, down = [n for place, n in enumerate(self.shape) if place != AXES[axis]]
        return down, across

    @property
    def corners(self) -> npt.NDArray[np.float64]:
        """Return (8, 3) where the centres of the outermost voxels are, mm."""
        ends = np.stack(np.meshgrid(*[(0, n - 1) for n in self.shape], indexing="ij"), axis=-1)
        found: npt.NDArray[np.float64] = ends.reshape(8, 3) @ self.affine[:3, :3].T
        return found + self.affine[:3, 3]


@dataclass(frozen=True, eq=False)
class Volume:
    """A volume in memory, or mapped from a file that is not compressed.

    Attributes:
        header: Its header.
        stored: Its numbers as they are stored, of the header's shape: a view, turned as it says.
    """

    header: Header
    stored: Numbers

    def plane(self, axis: str, number: int) -> Numbers:
        """Return a plane as stored numbers, (H, W), drawn the radiological way.

        As DICOM's axial, coronal and sagittal images are: the patient's right is on the left and
        the front on top (axial), the right on the left and the head on top (coronal), the front on
        the left and the head on top (sagittal).
        """
        across = np.moveaxis(self.stored, AXES[axis], 0)[number]
        return across[::-1, ::-1].T

    def scaled(self, numbers: Numbers) -> npt.NDArray[np.float64]:
        """Return stored numbers in the units of the volume."""
        return numbers.astype(np.float64) * self.header.slope + self.header.inter


def header_of(path: str, what: str = "volume") -> Header:
    """Read a volume's header, and none of its voxels.

    Args:
        path: The file.
        what: What a message calls it.

    Raises:
        UserError: It is missing, or is not known to be read correctly.
    """
    with _told(path, what), _opened(path) as file:
        return _checked(_header(file))


def read_volume(path: str, what: str = "volume") -> Volume:
    """Read a volume; one that is compressed to its end, so that its checksum is compared.

    Raises:
        UserError: As `header_of`; or it is cut off or broken.
    """
    with _told(path, what), _opened(path) as file:
        raw = _header(file)
        header = _checked(raw)
        stored = raw.raw_data_from_fileobj(file)
        if isinstance(file, gzip.GzipFile):
            while file.read(_AT_ONCE):
                pass
    solid = stored.reshape(_solid(stored.shape), order="F")
    return Volume(header, apply_orientation(solid, header.turns))


@contextmanager
def _told(path: str, what: str) -> Iterator[None]:
    """Say in a sentence what is wrong with a file."""
    fault = missing(path)
    if fault:
        raise UserError(f"{what} {fault.removeprefix('image ')}")
    try:
        yield
    except UnfitError as unfit:
        raise UserError(f"{what} {path} {unfit}.") from None
    except Exception as error:  # given broken files, readers raise nearly every class there is
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{what} {path} cannot be read ({reason}); restore it.") from None


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """Open a file, through gzip if it begins so, whatever its name."""
    with open(path, "rb") as file:
        packed = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        if not packed:
            yield file
            return
        with gzip.open(file) as unpacked:
            yield unpacked


def _header(file: IO[bytes] | gzip.GzipFile) -> Any:
    """Return nibabel's header of NIfTI-1 or NIfTI-2.

    Raises:
        UnfitError: It is neither.
    """
    head = file.read(HEAD)
    file.seek(0)
    if head[_NIFTI_1] == b"n+1\0":
        return nib.Nifti1Header.from_fileobj(file)
    if head[_NIFTI_2] == b"n+2\0":
        return nib.Nifti2Header.from_fileobj(file)
    if head[_NIFTI_1] == b"ni1\0" or head[_NIFTI_2] == b"ni2\0":
        raise UnfitError("is the header of a pair of files (.hdr and .img)", _OWN_FILE)
    if 348 in (int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big")):
        raise UnfitError(
            "is a header of Analyze, which does not tell left from right",
            "convert it to NIfTI from where that is known",
        )
    told = mistaken(head)
    if told:
        what, _, mend = told.partition("; ")
        raise UnfitError(f"cannot be read (it is {what})", mend)
    raise UnfitError(
        "is no NIfTI volume", "name a .nii or .nii.gz file, or leave `nifti` out of the data set"
    )


def _checked(raw: Any) -> Header:
    """Return what is needed of a header.

    Raises:
        UnfitError: It has several volumes, numbers that are no greys, or no directions.
    """
    _check_numbers(raw.get_data_dtype())
    shape = _solid(raw.get_data_shape())
    if not (int(raw["sform_code"]) or int(raw["qform_code"])):
        raise UnfitError(
            "does not say how the patient lies in it (sform_code and qform_code are 0)",
            "write its affine into it",
        )
    affine = np.asarray(raw.get_best_affine(), np.float64)
    whole = np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 0
    turns = io_orientation(affine) if whole else np.full((3, 2), np.nan)
    if np.isnan(turns).any():
        raise UnfitError("has an affine that is not that of a volume", "correct it")
    slope, inter = raw.get_slope_inter()
    order = turns[:, 0].argsort()
    return Header(
        (shape[order[0]], shape[order[1]], shape[order[2]]),
        affine @ inv_ornt_aff(turns, shape),
        turns,
        raw.get_data_dtype(),
        1.0 if slope is None else float(slope),
        0.0 if inter is None else float(inter),
    )


def _check_numbers(dtype: np.dtype[Any]) -> None:
    if dtype.fields:
        raise UnfitError("has colours", "save its greys, or export its slices as PNG")
    if dtype.kind == "c":
        raise UnfitError("has complex numbers", "save their magnitude")
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise UnfitError(f"has numbers of the kind {dtype.name}", "save it with 32-bit ones")


def _solid(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return the three lengths of a volume whose further ones are 1.

    Raises:
        UnfitError: They are not, or one is 0.
    """
    first, second, third, *more = (*shape, 1, 1, 1)
    if any(length != 1 for length in more):
        count = int(np.prod(more))
        raise UnfitError(
            f"holds {count} volumes ({' x '.join(map(str, shape))})",
            "save the one that is meant as a file of its own",
        )
    if min(first, second, third) < 1:
        raise UnfitError("has no voxels", "restore it")
    return int(first), int(second), int(third)
