"""The table of what further observers of masks score, with the stage that makes it."""

from __future__ import annotations

from transfergrid.catalog.records import Column, Table, analysis

OBSERVERS = Table(
    name="observers",
    rows=(
        "Where masks have several observers: one row per data set, further observer, metric and "
        "structure: what that person scores against the first one, on the test films of the "
        "study's cells. A row without a structure is the mean over the scored ones."
    ),
    caption=(
        "One row per data set with masks of several observers, further observer, metric and "
        "structure: the score of that person's masks against those of the first one, on the films "
        "that cells are tested on, at the size at which they are scored, and its interval by "
        "patient. It is the human line of a comparison: people who look at the same film again "
        "agree no better than this."
    ),
    columns=(
        Column("dataset", "the data set"),
        Column(
            "observer",
            "whose masks are scored: 2 is the second observer; the first is taken "
            "for true, whatever rule makes one mask of several",
        ),
        Column("metric", "the primary metric of the data set, or another one of the study"),
        Column(
            "task",
            "the structure; empty for the mean over the scored ones, which is there if several "
            "people have drawn all of them",
        ),
        Column("value, low, high", "the metric, and its interval over patients"),
        Column("n, n_patients", "films that both observers have looked at, and their patients"),
        Column("scored_at, unit", "as in `mask_states.csv`"),
        Column("n_folds", "folds over which the value is the mean; empty without folds"),
        Column("flags", "notes, separated by `;`, as in `cells.csv`"),
    ),
)

OBSERVED = analysis(
    "observers",
    "reporting.tables.observers:observers",
    OBSERVERS,
    title="Comparing the observers of {wildcards.study}",
    reads=("gather",),
    holds=(
        "observers",
        "evaluation.selections",
        "evaluation.primary",
        "evaluation.confidence",
        "all_metrics",
    ),
    threads=8,
    memory_mb=4000,
    minutes=60,
    asked_by="observers",
)
