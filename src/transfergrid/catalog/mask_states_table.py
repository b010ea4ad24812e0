"""The table of how many films show a structure, and of how many a network says so."""

from __future__ import annotations

from transfergrid.catalog.records import Column, Table

MASK_STATES = Table(
    name="mask_states",
    rows=(
        "Of data sets with masks, one row per cell, or run over folds, selection and structure: in "
        "how many test films it is marked, and in how many it is there."
    ),
    caption=(
        "Of data sets with masks: of how many test films both the true mask of a structure and the "
        "predicted one have pixels, or one of them alone, or none. Each state has a value in every "
        "metric, so no failure leaves a mean; these are the films behind it."
    ),
    columns=(
        Column("cell, fold, selection", "as above"),
        Column("task", "the structure"),
        Column(
            "scored_at",
            "whether masks are compared at the size of the `cache`, or at that of each `film`",
        ),
        Column("unit", "what distances of outlines are in, `px` or `mm`; empty without any"),
        Column("n", "test films of which a pixel is known"),
        Column("both", "films with a true and a predicted pixel"),
        Column("missed", "films with true pixels alone"),
        Column("false_alarm", "films with predicted pixels alone"),
        Column("both_empty", "films with neither"),
        Column("unknown", "films without a known pixel, which count nowhere"),
    ),
)
