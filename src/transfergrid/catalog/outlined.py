"""The stage that compares what trained cells mark with true masks, beyond counts of pixels."""

from __future__ import annotations

from transfergrid.catalog.records import Stage

OUTLINING = Stage(
    "outlines",
    "weighing",
    "weighings/{outlines_id}/receipt.json",
    reads=("prepare", "train"),
    code=("evaluation.outlines",),
)
