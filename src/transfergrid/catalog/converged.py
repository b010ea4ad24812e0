"""The tables that say how soon trainings converge."""

from __future__ import annotations

from transfergrid.catalog.records import Column, Table

_ARM = (
    Column("question", "the study's question"),
    Column("dataset", "where"),
    Column(
        "axis, arm, baseline",
        "the question's axis, the value of it that the row is about, and "
        "the one that it is compared with",
    ),
    Column(
        "architecture, pretraining, truncation, protocol",
        "what the arms share; empty for the axis itself",
    ),
    Column("metric", "the metric of validation"),
)
"""What the tables of a convergence question begin with."""

CONVERGENCE = Table(
    name="convergence",
    rows=(
        "One row per arm of a `convergence` question and unit of time. T is when a run's "
        "validation metric first reached the level."
    ),
    caption=(
        "How soon trainings reach a level of their validation metric: one row per arm and unit "
        "(optimiser steps, training examples, seconds of the device). The level was fixed in "
        "advance, or is a share of the best arm's final value in these same runs, as `note` says. "
        "Nothing is interpolated between validations. A run that never reaches the level is "
        "censored: it counts as the horizon, beyond which no time counts, so that a difference to "
        "an arm with such runs is one of restricted means, and the arms may be further apart. "
        "Medians and restricted means are Kaplan and Meier's; differences have Welch's interval "
        "over the runs, and a permutation test beside it that "
        "says when its seeds are too few. Intervals are about other seeds of the same training, "
        "not other patients."
    ),
    columns=(
        *_ARM,
        Column("level", "the level"),
        Column(
            "unit",
            "`steps` of the optimiser, `examples` (training images, with repetition) or `seconds` "
            "that the device spent on steps",
        ),
        Column(
            "horizon",
            "time up to which it is known of every run whether it had reached the level; T counts "
            "no further",
        ),
        Column(
            "n_runs, n_reached, share_reached", "runs (seeds), and those that had by the horizon"
        ),
        Column(
            "median",
            "time by which half had, the middle of two where it lies between them; empty if fewer "
            "did",
        ),
        Column(
            "restricted_mean, restricted_mean_se",
            "mean of min(T, horizon), and its standard error by Greenwood's formula",
        ),
        Column("restricted_mean_low, restricted_mean_high", "its interval, by Student's t"),
        Column(
            "difference, low, high, df, p",
            "restricted mean minus the baseline's, interval, degrees of freedom and p-value by "
            "Welch's t; an arm's variance is no less than that of rounding to its validations; "
            "empty in the baseline's row and where no run of either reached the level, as are the "
            "following",
        ),
        Column("p_adjusted", "p by Holm's method within the question and unit"),
        Column(
            "ratio, ratio_low, ratio_high",
            "geometric mean of min(T, horizon) over the baseline's, by Welch's t on logarithms; "
            "claims are judged by it",
        ),
        Column(
            "p_permutation, p_permutation_least",
            "p-value of a permutation test of the difference, and the smallest that these runs "
            "could have given (3 against 3: .1); not adjusted",
        ),
        Column(
            "permutation",
            "verdict of the permutation test: `sooner`, `later`, `undecided`, or `cannot be "
            "decided` where no order of these runs would be significant",
        ),
        Column(
            "verdict",
            "`sooner` or `later` than the baseline by `p_adjusted`, `undecided`, or `cannot be "
            "decided` (one seed in an arm, no run of either reached the level, or every run of "
            "both was there when it was first validated)",
        ),
        Column("method, note", "how, and what limits it"),
    ),
)

BUDGETS = Table(
    name="budgets",
    rows="One row per arm of a `convergence` question and budget of optimiser steps.",
    caption=(
        "The best validation value that runs reach within a budget of optimiser steps, mean over "
        "seeds, with Student's interval, and its difference to the baseline with Welch's. A run "
        "that ended before the budget keeps what it had reached. Validation chooses checkpoints, "
        "so these values are no test scores."
    ),
    columns=(
        *_ARM,
        Column("budget", "optimiser steps"),
        Column("n_runs", "runs that were validated within the budget"),
        Column("n_ended", "those of them whose training had ended before it"),
        Column(
            "value, sd, value_low, value_high",
            "mean of the runs' best values, its spread and interval",
        ),
        Column(
            "difference, low, high, df, p",
            "value minus the baseline's, by Welch's t; empty in the baseline's row",
        ),
        Column("p_adjusted", "p by Holm's method within the question"),
        Column("verdict", "`better`, `worse`, `undecided` or `cannot be decided` (one seed)"),
        Column("note", "what limits it"),
    ),
)

REACHED = Table(
    name="reached",
    rows="One row per run that a `convergence` question is about.",
    caption=(
        "Every run behind the table of convergence: when it reached the level, or how long it was "
        "trained without. Of a run over folds, validations are averaged over them."
    ),
    columns=(
        *_ARM,
        Column("cell, seed", "the run"),
        Column("level", "the level"),
        Column("reached", "whether it reached the level"),
        Column(
            "steps, examples, seconds",
            "when it did, at the first validation there; else when it was last validated",
        ),
        Column("steps_before", "steps at the last validation before, which was below the level"),
        Column("best, final", "its best and its last validation value"),
        Column("n_validations", "how often it was validated"),
        Column("ended_by", "what ended it: `epochs`, `patience` or `diverged`"),
        Column("device", "what it was trained on"),
    ),
)
