"""The file of a cell's activation maps: films to show, and marks for every map."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transfergrid.evaluation.archives import read_arrays, write_arrays


@dataclass(frozen=True)
class CamRecord:
    """Class activation maps of one cell on the test split.

    Films are pairs of an image and a task for which it is positive; every such pair whose true
    region is known gets marks.

    Attributes:
        status: "finished", or why there are no maps: "diverged", or a sentence.
        method: "CAM" (exact: one product) or "Grad-CAM" (gradients).
        step: Optimiser step of the checkpoint; -1 without one.
        film_image: (F,) image ids.
        film_task: (F,) task names.
        film_pixels: (F, px, px) or (F, px, px, 3) uint8.
        film_truth: (F, px, px) bool, the true region; all false if none is known.
        film_map: (F, h, w) float16, rectified and scaled to its own maximum.
        film_peak: (F, 2) int64, row and column of the enlarged map's highest pixel.
        film_probability: (F,) float32, the checkpoint's probability for the image alone.
        mark_image: (M,) image ids.
        mark_patient: (M,) patient ids.
        mark_task: (M,) task names.
        hit: (M,) float32, 1 if the map's highest pixel lies in the true region, even if it is
            below zero.
        iou: (M,) float32, overlap of the rectified map's region with the true one.
        blank: (M,) float32, 1 if no pixel of the map is above zero, so that iou is 0.
        random_hit: (M,) float32, mean hit of random maps with the same resolution.
        random_iou: (M,) float32, mean overlap of random maps.
        map_px: (2,) int64, height and width of the maps before they are enlarged.
    """

    status: str
    method: str
    step: int
    film_image: NDArray[np.str_]
    film_task: NDArray[np.str_]
    film_pixels: NDArray[np.uint8]
    film_truth: NDArray[np.bool_]
    film_map: NDArray[np.float16]
    film_peak: NDArray[np.int64]
    film_probability: NDArray[np.float32]
    mark_image: NDArray[np.str_]
    mark_patient: NDArray[np.str_]
    mark_task: NDArray[np.str_]
    hit: NDArray[np.float32]
    iou: NDArray[np.float32]
    blank: NDArray[np.float32]
    random_hit: NDArray[np.float32]
    random_iou: NDArray[np.float32]
    map_px: NDArray[np.int64]


def empty_record(status: str) -> CamRecord:
    """Return the record of a cell without maps, which says why."""
    text, number = np.zeros(0, np.str_), np.zeros(0, np.float32)
    return CamRecord(
        status=status,
        method="",
        step=-1,
        film_image=text,
        film_task=text,
        film_pixels=np.zeros((0, 0, 0), np.uint8),
        film_truth=np.zeros((0, 0, 0), np.bool_),
        film_map=np.zeros((0, 0, 0), np.float16),
        film_peak=np.zeros((0, 2), np.int64),
        film_probability=number,
        mark_image=text,
        mark_patient=text,
        mark_task=text,
        hit=number,
        iou=number,
        blank=number,
        random_hit=number,
        random_iou=number,
        map_px=np.zeros(2, np.int64),
    )


def write_record(path: str | Path, record: CamRecord) -> None:
    """Write a record as an .npz file, atomically; equal records give equal bytes."""
    arrays = {field.name: getattr(record, field.name) for field in fields(CamRecord)}
    write_arrays(path, arrays, compressed=True)


def read_record(path: str | Path) -> CamRecord:
    """Read a record.

    Raises:
        FileNotFoundError: There is none.
        UserError: It is damaged, or an array is missing.
    """
    names = [field.name for field in fields(CamRecord)]
    arrays = read_arrays(path, "remove it and run snakemake again, which makes it again", names)
    status, method = (str(arrays.pop(name)) for name in ("status", "method"))
    return CamRecord(status=status, method=method, step=int(arrays.pop("step")), **arrays)
