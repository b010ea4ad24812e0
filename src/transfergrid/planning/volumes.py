"""Settings of a data set whose films are slices of NIfTI volumes, where they contradict others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from transfergrid.runtime.errors import UserError, listed


def check_volumes(where: str, settings: Mapping[str, Any]) -> None:
    """Refuse what has no meaning for slices of volumes.

    Args:
        where: The study and the data set, for the message.
        settings: The data set's settings, with ``nifti``.

    Raises:
        UserError: Black and white are said twice or reversed, masks are not in volumes, or nothing
            tells whose a volume is.
    """
    _check_greys(where, settings["nifti"])
    if settings.get("dicom"):
        raise UserError(
            f"{where}: films are slices of NIfTI volumes or DICOM files, not both; remove nifti or "
            "dicom."
        )
    given = [key for key, plain in (("white", None), ("black", 0)) if settings.get(key) != plain]
    if given:
        raise UserError(
            f"{where}: {listed(given)} stands for numbers of image files; of NIfTI volumes write "
            "nifti.range: [LOW, HIGH], in the units of their scaled values."
        )
    if not settings.get("patient_column"):
        raise UserError(
            f"{where}: slices of one volume are of one patient, and nothing keeps them in one "
            "part; name patient_column (the volumes' own column where each patient has one volume)."
        )
    view = settings.get("field_of_view")
    layers = [*settings.get("layers", ()), *([view] if view else [])]
    other = sorted({form for form in _forms(layers) if form != "files"})
    if other:
        raise UserError(
            f"{where}: masks of slices are slices of NIfTI volumes themselves, and not "
            f"{listed(other)}; write files, and the column that names the mask's volume."
        )


def _check_greys(where: str, nifti: Mapping[str, Any]) -> None:
    given = [key for key in ("range", "percentiles") if nifti.get(key)]
    if len(given) > 1:
        raise UserError(
            f"{where}: nifti.range and nifti.percentiles both say which values are black and "
            "white; keep one."
        )
    for key in given:
        low, high = nifti[key]
        if low >= high:
            raise UserError(
                f"{where}: nifti.{key} {[low, high]} does not rise; write the lower one, which is "
                "black, first."
            )


def _forms(layers: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for layer in layers:
        yield from (form for form in ("files", "runs", "coco") if form in layer)
        yield from _forms(layer.get("observers", ()))
