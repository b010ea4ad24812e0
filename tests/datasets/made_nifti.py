"""NIfTI volumes with known voxels, written by nibabel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

SPACING = (1.5, 0.8, 3.0)
"""From voxel to voxel of `affine`, mm."""


def affine(axes: str = "RAS", degrees: float = 0.0) -> Any:
    """Return an affine whose axes lead towards these, each as far as `SPACING` says."""
    turn = nib.orientations.inv_ornt_aff(nib.orientations.axcodes2ornt(axes), (1, 1, 1))
    a, b = np.deg2rad([degrees, degrees / 2])
    about_head = [[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]
    about_right = [[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]
    found = np.eye(4)
    found[:3, :3] = np.array(about_head) @ about_right @ np.diag(SPACING) @ turn[:3, :3].T
    found[:3, 3] = (-20, 30, 7)
    return found


def save(
    path: Path,
    values: Any,
    towards: Any = None,
    dtype: Any = None,
    scale: tuple[float, float] | None = None,
    order: str = "<",
    form: int = 1,
) -> Path:
    """Write a volume and return its path.

    Args:
        path: Ends in .nii, or in .nii.gz and is compressed then.
        values: The scaled values.
        towards: Its affine; None is that of `affine()`.
        dtype: The type of the stored numbers; None is that of the values.
        scale: Slope and intercept that lead from these to the values; None is neither.
        order: Of bytes.
        form: NIfTI-1 or NIfTI-2.
    """
    values = np.asarray(values)
    dtype = values.dtype if dtype is None else dtype
    if scale is not None:  # nibabel then stores what it is given
        values = (values - scale[1]) / scale[0]
        values = values if np.dtype(dtype).kind == "f" else np.rint(values)
    image, header = {
        1: (nib.Nifti1Image, nib.Nifti1Header),
        2: (nib.Nifti2Image, nib.Nifti2Header),
    }[form]
    raw = header(endianness=order)
    raw.set_data_dtype(dtype)
    made = image(values, affine() if towards is None else towards, raw)
    if scale is not None:
        made.header.set_slope_inter(*scale)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(made, path)
    return path


def stored_as(path: Path, towards: str, to: Path) -> Path:
    """Store a volume along other axes, as programs do: its voxels stay where they are."""
    volume = nib.load(path)
    want = nib.orientations.axcodes2ornt(towards)
    turn = nib.orientations.ornt_transform(nib.io_orientation(volume.affine), want)
    nib.save(volume.as_reoriented(turn), to)
    return to
