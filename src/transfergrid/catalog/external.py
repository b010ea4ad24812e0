"""Finished cells on the films of other hospitals: the stage that scores them, and their table."""

from __future__ import annotations

from transfergrid.catalog.records import Column, Stage, Table, analysis

EVERY = "all"
"""What ``split`` says where every film is scored."""

EXTERNAL = Table(
    name="external",
    rows=(
        "Where a study asks for it (`external`): for each cell, selection and data set of another "
        "hospital one row per metric and task, and one for all tasks together; of runs in folds "
        "also the mean over folds. The cell's own test set stands beside it."
    ),
    caption=(
        "One row per cell, selection, other data set, metric and task: the value there, the value "
        "on the cell's own test films over the same tasks, and the drop from the latter to the "
        "former, each with its interval by patient. The two sets of patients are independent, so "
        "the interval of the drop is made of both (Zou and Donner 2008). Nothing was chosen by "
        "the scores there: neither checkpoints, which validation films choose, nor operating "
        "points."
    ),
    columns=(
        Column("cell, fold", "the cell; of a run over folds its name, and `all`"),
        Column("dataset", "the data set that the cell was trained and tested on"),
        Column("selection", "rule that chose the checkpoints, on the cell's own validation films"),
        Column("tested_on", "the other data set"),
        Column("split", "its films: `test` (of its test split) or `all`"),
        Column("metric", "the metric"),
        Column("task", "the task; empty for all of them together"),
        Column(
            "mean_over",
            "tasks that the value is a mean over, separated by `;`: those of the cell's scored "
            "tasks that the other data set has; empty in the rows of single tasks",
        ),
        Column("value, low, high", "on the other data set, with its interval"),
        Column("n, n_pos, n_patients", "cases, positive ones and patients there, each once"),
        Column(
            "internal, internal_low, internal_high",
            "the same on the cell's own test films, over the same tasks",
        ),
        Column("internal_n, internal_n_pos, internal_n_patients", "cases, positives, patients"),
        Column(
            "drop, drop_low, drop_high",
            "`internal` minus `value` or, of a metric of which less is better, `value` minus "
            "`internal`: above 0 is worse there. Its interval",
        ),
        Column("conditional_on", "what the intervals take as given, possibly empty"),
        Column("flags", "remarks on the value there, separated by `;`, as in `scores.csv`"),
    ),
    flags=(
        Column("synthetic", "the other data set is drawn and proves nothing of medicine"),
        Column("patients_unknown", "its patients are not known: each study counts as one"),
        Column(
            "shared_films",
            "some of its films equal, or nearly equal, films of the cell's own data set or of one "
            "that its network learned before: see `leaks.csv`",
        ),
    ),
)

SCORED_ELSEWHERE = Stage(
    "external",
    "weighing",
    "weighings/{external_id}/receipt.json",
    reads=("prepare", "train"),
    code=("evaluation.external",),
)

EXTERNALS = analysis(
    "externals",
    "reporting.tables.external:analyse",
    EXTERNAL,
    title="Comparing what {wildcards.study} scores on films of other hospitals",
    reads=("gather", "external", "sources"),
    holds=("externals", "evaluation", "all_metrics"),
    asked_by="externals",
    threads=8,
    memory_mb=4000,
    minutes=60,
)
