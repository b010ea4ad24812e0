"""What is declared of a kind of data set, looked up by name.

So no declaration is code of any data set, and another kind makes none stale.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transfergrid.catalog.kinds import DatasetKind

_KINDS = "transfergrid.catalog.kinds"


def kinds() -> dict[str, DatasetKind]:
    """Return every declared kind by name; a study's own reader is none of them."""
    return {kind.name: kind for kind in import_module(_KINDS).DATASET_KINDS}


def may_say_dicom(kind: str) -> bool:
    """Tell whether data sets of a kind, or of a reader of one's own, have the setting ``dicom``.

    Of the kinds whose settings are in the schema's file, those that read a study's table have it.
    """
    found = kinds().get(kind)
    if found is None:
        return True
    return "dicom" in found.settings or (not found.settings and found.columns)


def is_drawn(kind: str) -> bool:
    """Tell whether the images of a kind are drawn, and so prove nothing of medicine."""
    found = kinds().get(kind)
    return found is not None and not found.rooted


def has_splits(kind: str) -> bool:
    """Tell whether a kind comes with splits of its own; a study's own reader returns some."""
    found = kinds().get(kind)
    return found is None or found.official is not None
