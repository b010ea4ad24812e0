"""The tables that compare many methods: over data sets by ranks, and over trials."""

from __future__ import annotations

from transfergrid.catalog.records import Column, Table

_SHARED = Column(
    "architecture, pretraining, truncation, protocol",
    "what the cells share; empty for the axis itself, and for a recipe that follows from the data "
    "set",
)

MEAN_RANKS = Table(
    name="mean_ranks",
    rows="One row per method of a `mean_ranks` question; what is about all methods is in each row.",
    caption=(
        "Methods ranked within each data set, 1 the best, and their mean ranks over data sets, of "
        "which each counts once: its folds and seeds are averaged, and are no blocks of their own. "
        "Friedman's test is corrected for ties; Iman and Davenport's F is the better one for few "
        "data sets. Two methods differ by Nemenyi's test where their mean ranks are further apart "
        "than the critical difference."
    ),
    columns=(
        Column("question", "the study's question"),
        Column("metric", "the metric; several, with `; ` between them, where data sets differ"),
        Column("axis, method", "the question's axis, and the value of it that the row is about"),
        Column("mean_rank", "mean of its ranks over data sets, 1 the best, ties averaged"),
        Column("mean_score", "mean of its scores over data sets; empty with several metrics"),
        Column("n_datasets, n_methods", "data sets that have every method, and the methods"),
        Column("datasets", "their names, with `; ` between them"),
        Column("friedman_chi2, p_friedman", "Friedman's statistic, corrected for ties"),
        Column(
            "iman_davenport_f, df1, df2, p_iman_davenport",
            "Iman and Davenport's; of data sets that all agree, infinite, with the p-value of such "
            "an order by chance, (1 / k!)^(n - 1)",
        ),
        Column("critical_difference", "Nemenyi's, at the study's level"),
        Column(
            "sd_dataset, sd_interaction, sd_seed, sd_left",
            "of the mixed model: SD between data sets, of what a method does on one of them beyond "
            "its mean, of what a seed does to all methods of a data set, and what is left",
        ),
        _SHARED,
        Column("note", "what is missing, and why"),
    ),
)

RANK_PAIRS = Table(
    name="rank_pairs",
    rows="One row per pair of methods of a `mean_ranks` question; `a` has the better mean rank.",
    caption=(
        "Every pair of methods over data sets, in three ways: by mean ranks (Nemenyi's test, on "
        "which the verdict rests, and Conover's with Holm's method), by the Bayesian signed-rank "
        "test with a region of practical equivalence, and by a mixed model of the scores of all "
        "seeds. Data sets are the sample in all three. A pair's ranks depend on which other "
        "methods were compared; the other two ways do not."
    ),
    columns=(
        Column("question", "the study's question"),
        Column("metric", "as in `mean_ranks.csv`"),
        Column("axis, a, b", "the question's axis, and two of its values"),
        Column("n_datasets", "data sets that have every method"),
        Column("rank_difference", "mean rank of a minus that of b, at most 0"),
        Column("p_nemenyi", "p-value of Nemenyi's test, which holds for all pairs together"),
        Column("p_conover, p_conover_adjusted", "Conover's, and by Holm's method over all pairs"),
        Column(
            "verdict",
            "`better` where the mean ranks differ by more than the critical difference, else "
            "`undecided`",
        ),
        Column("rope", "difference up to which methods count as alike"),
        Column(
            "bayes_better, bayes_alike, bayes_worse",
            "probability that a is better than b by more than the rope, alike, or worse",
        ),
        Column(
            "difference, low, high, p_mixed",
            "a minus b by the mixed model, turned so that more is better, with its interval (not "
            "adjusted) and p-value; empty with several metrics",
        ),
        Column("p_mixed_adjusted", "by Holm's method over all pairs"),
        _SHARED,
        Column("note", "what is missing, and why"),
    ),
)

TRIALS = Table(
    name="trials",
    rows="One row per arm of a `trials` question and place; differences are to the baseline.",
    caption=(
        "What repeated trials show of an arm against the baseline: trials differ in their seed and "
        "share their test patients, which `p` takes as given. How far other patients would move "
        "the difference stands beside it, and `p_with_patients` has both. p-values are adjusted by "
        "Holm's method over all rows of the question."
    ),
    columns=(
        Column("question", "the study's question"),
        Column("dataset, metric", "where, and the metric"),
        Column("axis, arm, baseline", "the question's axis, and two of its values"),
        Column("n, n_baseline", "trials with a result"),
        Column("mean, sd, mean_baseline, sd_baseline", "of their scores; SD with n - 1"),
        Column("difference, low, high, df", "by the test that the verdict rests on"),
        Column("test", "`welch` (trials are independent) or `paired` (trials of one seed)"),
        Column("p_welch, p_paired", "two-sided p-values; paired only where seeds are shared"),
        Column("p_one_sided", "of the test, that the arm is not better; half or more of it"),
        Column("p, p_adjusted", "two-sided, of the test, and by Holm's method in the question"),
        Column(
            "verdict",
            "by `p_adjusted`: `better` or `worse` on these test patients, `undecided`, or `cannot "
            "be decided` (one trial)",
        ),
        Column("correlation", "of the trials that share a seed; empty with fewer than three"),
        Column("n_patients", "patients tested on"),
        Column("se_trials", "standard error of the difference from trials, by the test"),
        Column("se_patient", "standard error of the difference from these patients"),
        Column(
            "p_with_patients, p_with_patients_adjusted",
            "of no difference with other patients and trials, as in `contrasts.csv`",
        ),
        Column("verdict_with_patients", "the same by that"),
        _SHARED,
        Column("conditional_on", "what the intervals take as given, as in `contrasts.csv`"),
    ),
)
