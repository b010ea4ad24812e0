"""The axes of a study's grid."""

from __future__ import annotations

from collections.abc import Mapping

AXES: Mapping[str, str] = {
    "dataset": "datasets",
    "architecture": "architectures",
    "pretraining": "pretrainings",
    "truncation": "truncations",
    "protocol": "protocols",
    "seed": "seeds",
    "fold": "folds",
}
"""Every axis, and the key of a study that lists its values."""

RUN: tuple[str, ...] = tuple(axis for axis in AXES if axis != "fold")
"""What the folds of a run share."""

PLACE: tuple[str, ...] = tuple(axis for axis in RUN if axis != "seed")
"""What the seeds of a network share, and what a number is about."""
