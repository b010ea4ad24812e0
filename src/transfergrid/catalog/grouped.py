"""The tables of groups of patients or films, with the stages that make them."""

from __future__ import annotations

from transfergrid.catalog.records import Column, Table, analysis

_PLACE = "dataset, architecture, pretraining, truncation, protocol"

SUBGROUPS = Table(
    name="subgroups",
    rows=(
        "Where a study asks for groups (`subgroups`): one row per cell or run over folds, column, "
        "group, metric and task, under the primary selection; then the same for the mean over the "
        "seeds of a network, whose `cell` is empty. A row without a task is the mean over the "
        "scored tasks, or a metric of whole cases. A group in which the metric has no value has "
        "its row, with counts and without a value."
    ),
    caption=(
        "One row per cell, column, group, metric and task: the metric on the test films of that "
        "group alone, with its interval clustered by patient; rows without a cell are means over "
        "the seeds of a network, whose interval holds the seed's variance as well. A group without "
        "a value, such as one with a single class, has its counts."
    ),
    columns=(
        Column("cell", "name of the cell, or of a run over folds; empty for a mean over seeds"),
        Column(_PLACE, "its place on these axes"),
        Column("seed", "its seed; empty for a mean over seeds"),
        Column("selection", "the primary selection"),
        Column("metric", "the primary metric of the data set, or another one of the study"),
        Column("task", "what was scored; empty for the whole"),
        Column("column", "by what test films are grouped"),
        Column(
            "group",
            "the group: a value of the column, or a band of its numbers; `unknown` where the table "
            "says nothing; values joined by `and` for a study with images of several groups",
        ),
        Column(
            "n, n_pos, n_patients",
            "studies with a known label, those of them that are positive (for the whole: the "
            "fewest of the tasks), and their patients",
        ),
        Column("value, low, high", "the metric, and its interval"),
        Column("n_seeds", "seeds in the value"),
        Column("n_folds", "folds over which the value is the mean; empty without folds"),
        Column(
            "conditional_on", "what the interval takes as given, such as a fixed operating point"
        ),
        Column("flags", "notes, separated by `;`: as in `cells.csv`, and `no_case`"),
    ),
    flags=(Column("no_case", "no test film is of this group"),),
)

SUBGROUP_GAPS = Table(
    name="subgroup_gaps",
    rows=(
        "How far groups are apart: one row per network (mean over seeds), column, metric and task "
        "for the group with the largest value against the one with the smallest; and, with three "
        "groups or more, one for each group against all others. `unknown` is no group here."
    ),
    caption=(
        "One row per network, column, metric, task and comparison of groups: the difference of "
        "the metric with its interval and p-value, by patient and with the seeds' variance. The "
        "largest value against the smallest was chosen by what came out: its interval and p-value "
        "hold for all pairs of groups at once (Bonferroni). ``p_adjusted`` is by Holm over all "
        "rows of this table."
    ),
    columns=(
        Column(_PLACE, "where"),
        Column("selection, metric, task, column", "as in `subgroups.csv`"),
        Column(
            "comparison",
            "`largest against smallest`, of the values (not of what is better), or `against the "
            "rest`",
        ),
        Column("a, b", "the two sides; `rest` is every other known group"),
        Column("n_a, n_b", "studies with a known label on each side"),
        Column("patients_a, patients_b, patients_both", "their patients, and those on both sides"),
        Column(
            "n_groups, n_undefined",
            "groups that have a value, and those that have none and are not compared",
        ),
        Column("value_a, value_b", "the metric on each side, mean over seeds"),
        Column("difference, low, high", "a minus b, and its interval"),
        Column(
            "p, p_adjusted",
            "p-value of no difference, and by Holm over the whole table; of a single scored task, "
            "the rows of the task and of the mean count once",
        ),
        Column("n_seeds, n_folds", "as in `subgroups.csv`"),
        Column("conditional_on, flags", "as in `subgroups.csv`, and `too_few_groups`"),
    ),
    flags=(Column("too_few_groups", "fewer than two groups have a value: nothing is compared"),),
)

GROUPED = analysis(
    "subgroups",
    "reporting.tables.subgroups:analyse",
    SUBGROUPS,
    SUBGROUP_GAPS,
    title="Scoring groups of patients of {wildcards.study}",
    reads=("gather",),
    holds=("subgroups", "evaluation.primary", "evaluation.confidence", "all_metrics"),
    threads=8,
    memory_mb=4000,
    minutes=60,
    asked_by="subgroups",
)

SHORTCUTS = Table(
    name="shortcuts",
    rows=(
        "How well labels are predicted without looking at a film: one row per network (mean over "
        "seeds), column of `subgroups` and scored task, then the same for all columns together. A "
        "row without a task is the mean over the scored tasks. Of data sets with labels."
    ),
    caption=(
        "One row per network, column and task: the AUROC of a logistic regression that knows a "
        "study's group in that column and nothing else, learned from all patients who are not "
        "tested; beside it the network's on the same test studies, and their difference with its "
        "interval, clustered by patient. A network that is no better than a column may have "
        "learned it; one that is better may have learned it as well. ``p_adjusted`` is by Holm "
        "over all rows of this table."
    ),
    columns=(
        Column(_PLACE, "the network"),
        Column("selection, task", "as in `subgroups.csv`"),
        Column("column", "what the prediction knows; `all together` is every column at once"),
        Column("n, n_pos, n_patients", "test studies with a known label, as in `subgroups.csv`"),
        Column(
            "n_learned",
            "studies that the prediction was learned from: of everybody who is not tested, those "
            "of validation among them; with folds, the fewest of them",
        ),
        Column(
            "shortcut, shortcut_low, shortcut_high",
            "AUROC of the prediction, and its interval, which takes what was learned as given",
        ),
        Column(
            "network, network_low, network_high",
            "AUROC of the network on the same studies, mean over seeds, whatever metric the study "
            "ranks by",
        ),
        Column("difference, low, high", "the network's minus the prediction's, and its interval"),
        Column("p, p_adjusted", "as in `subgroup_gaps.csv`"),
        Column("n_seeds, n_folds, conditional_on, flags", "as in `subgroups.csv`"),
    ),
)

PROBED = analysis(
    "shortcuts",
    "reporting.tables.shortcuts:analyse",
    SHORTCUTS,
    title="Predicting the labels of {wildcards.study} without films",
    reads=("gather",),
    holds=("subgroups", "evaluation.primary", "evaluation.confidence", "with_auroc"),
    threads=8,
    memory_mb=4000,
    minutes=60,
    asked_by="subgroups",
)
