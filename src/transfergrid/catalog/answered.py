"""The tables that answer a study's questions, and the stage that makes them."""

from __future__ import annotations

from dataclasses import replace

from transfergrid.catalog.converged import BUDGETS, CONVERGENCE, REACHED
from transfergrid.catalog.external_question import EXTERNAL_ARMS, EXTERNAL_PAIRS
from transfergrid.catalog.questions import answering
from transfergrid.catalog.ranked import MEAN_RANKS, RANK_PAIRS, TRIALS
from transfergrid.catalog.records import Column, Table, analysis
from transfergrid.catalog.small_data_table import SMALL_DATA

CONTRASTS = Table(
    name="contrasts",
    rows="One row per comparison; the difference is `a` minus `b`.",
    caption=(
        "Paired differences of a metric, the first arm minus the second, on the same test "
        "patients and with the same seeds. The variance adds what the choice of patients "
        "does, by influence values summed per patient, and what the seed does beyond that; "
        "the interval is Student's t with Satterthwaite's degrees of freedom and is not "
        "adjusted for the number of contrasts, while p-values are adjusted by Holm's method "
        "within a question. Where a margin was set in advance, equivalence is tested by two "
        "one-sided tests. Each contrast has its n and seeds."
    ),
    columns=(
        Column("contrast", "what is compared, in words"),
        Column("question", "the study's question; p-values are adjusted within it"),
        Column("metric", "the metric that is compared"),
        Column("dataset", "where"),
        Column(
            "a, b", "the two values of the question's axis (for truncation, the blocks removed)"
        ),
        Column("n_cells", "pairs of networks over which the difference is a mean"),
        Column("n_seeds", "seeds that both arms share"),
        Column(
            "n_studies, n_patients",
            "what they were scored on; without a known label they do not count",
        ),
        Column("estimate", "difference of the seed means"),
        Column("se_patient", "standard error from patients"),
        Column(
            "se_seed",
            ("standard error from seeds, net of the patients' noise in it; empty with one seed"),
        ),
        Column(
            "df",
            (
                "degrees of freedom of the t distribution, from the seeds of each arm and the "
                "patients of each class"
            ),
        ),
        Column(
            "low, high",
            "interval within the metric's range, not adjusted for the number of comparisons",
        ),
        Column("p_difference", "p-value of the test of no difference"),
        Column("p_difference_adjusted", "the same by Holm's method within the question"),
        Column(
            "p_equivalence",
            (
                "p-value of the test of a difference of at least the margin (TOST); empty "
                "without a margin"
            ),
        ),
        Column("p_equivalence_adjusted", "the same by Holm's method within the question"),
        Column("method", "variance and test: `paired t`, or `TOST` with a margin"),
        Column("margin", "largest difference that counts as equivalent, as the study states it"),
        Column(
            "verdict",
            (
                "`better` (`a` than `b`, by the metric), `worse`, `equivalent`, `different within "
                "margin` (equivalent by its p-value, but the interval excludes 0: different, but "
                "by less than the margin) or `undecided`, at the adjusted level"
            ),
        ),
        Column(
            "verdict_rests_on",
            (
                "the p-value that decided, by its adjusted column: `p_difference` or "
                "`p_equivalence`; for an undecided row, the one that the question asks for"
            ),
        ),
        Column(
            "power",
            (
                "of the test that `method` names, at the measured variance and before Holm's "
                "adjustment: to show equivalence if there is no difference, or without a "
                "margin to find a difference of the question's `effect` (.01 by default)"
            ),
        ),
        Column(
            "seeds_needed",
            (
                "seeds that would give 80 % power; `inf` if patients' variance alone is "
                "too large, empty with one seed"
            ),
        ),
        Column(
            "conditional_on",
            (
                "what the interval takes as given: one seed, one released weight file (also "
                "at the start of a chain of source cells), source cells trained with one seed "
                "for all seeds of an arm, learning rates from trials of one seed, studies or "
                "images for patients"
            ),
        ),
        Column("axis", "the question's axis"),
        Column(
            "architecture, pretraining, truncation, protocol",
            (
                "what both arms share; empty for the axis itself, and `architecture` for a "
                "mean over networks"
            ),
        ),
        Column("n_cells_asked", "pairs of networks that there would be if all had a result"),
    ),
)

CORRELATIONS = Table(
    name="correlations",
    rows="One row per rank correlation over networks.",
    caption=(
        "Spearman's rank correlation over architectures between a property of the network and "
        "its result, once for each combination of the other axes, with n networks and "
        "families, an interval by Fisher's z, a permutation p-value, adjusted by Holm's "
        "method within a question, and the correlation freed of the noise of patients and "
        "seeds. Networks are a sample of families; the interval includes what the choice of "
        "patients does."
    ),
    columns=(
        Column("question", "the study's question"),
        Column("x, y", "the two quantities"),
        Column("n", "networks with both"),
        Column("rho, low, high", "Spearman's correlation and its interval"),
        Column(
            "p",
            (
                "p-value of a permutation test: families trade places as wholes, and members "
                "within them"
            ),
        ),
        Column("method", "how interval and p were made, or why there are none"),
        Column("p_adjusted", "p by Holm's method within the question"),
        Column(
            "p_family",
            (
                "p-value when values are permuted within families only: a test of association "
                "within families"
            ),
        ),
        Column(
            "se_patients",
            ("standard error of Fisher's z from the test set's patients; the interval includes it"),
        ),
        Column("margin", "largest correlation that counts as no relation, as the study states it"),
        Column(
            "verdict",
            (
                "`none` (the interval without noise lies within the margin), `positive`, "
                "`negative` or `undecided`"
            ),
        ),
        Column(
            "rho_critical", "smallest correlation of `n_effective` networks that is significant"
        ),
        Column("rho_detectable", "true correlation that they detect with 80 % power"),
        Column("n_families", "families of these networks"),
        Column("n_effective", "independent networks that would leave the correlation as uncertain"),
        Column(
            "rho_disattenuated, disattenuated_low, disattenuated_high",
            (
                "the correlation freed of patients' and seeds' noise, which pulls `rho` towards 0, "
                "and its interval"
            ),
        ),
        Column("reliability", "share of the networks' spread that is not noise"),
        Column(
            "n_needed", "fewest networks that can show that there is no relation, within the margin"
        ),
        Column(
            "dataset, pretraining, truncation, protocol",
            ("what the networks share; `protocol` is empty if each network has a single one"),
        ),
        Column("metric", "the metric of `y`"),
    ),
)

FINDINGS = Table(
    name="findings",
    rows=(
        "One row per quantity of a question that is neither a contrast nor a correlation, or of "
        "the comparison with a published figure."
    ),
    caption=(
        "One row per quantity of a question that is neither a contrast nor a correlation, or of "
        "the comparison with a published figure: the estimate with its interval, the networks "
        "and families behind it, and the method. Shares of variance are descriptive and have no "
        "test."
    ),
    columns=(
        Column(
            "question, kind",
            (
                "the study's question and its kind; `published` is none of its own, but the "
                "paper's figure against ours"
            ),
        ),
        Column("subject", "the cells it is about"),
        Column("quantity", "what was estimated ([design.md](design.md) lists them)"),
        Column("value, low, high", "the estimate and its interval"),
        Column("n", "networks behind it"),
        Column("method, note", "how, and what it takes as given or why there is none"),
        Column("n_families", "families of these networks; 0 if they play no part"),
        Column(
            "networks",
            (
                "what the value is of where it may be of one network: its name, `mean`, or "
                "`alone` for a mean over a single one"
            ),
        ),
        Column(
            "dataset, architecture, pretraining, truncation, protocol",
            "what the networks share; empty if they differ",
        ),
        Column("metric", "the metric on which it rests"),
    ),
)

GAINS = Table(
    name="gains",
    rows=(
        "One row per point of a question of kind `similarity_gain`: a pair of states in one layer, "
        "and what its networks gain."
    ),
    caption=(
        "What answers on similarity and gain were made of: one row per pair of states in one "
        "layer, with their similarity, and what the pair's networks gain over random weights by "
        "the same recipe and seed, plain and relative to the score of random weights."
    ),
    columns=(
        Column("question", "the study's question"),
        Column(
            "dataset, fold, architecture, truncation", "the place; `fold` is `all` without folds"
        ),
        Column(
            "pretraining, protocol, seed",
            "of the networks that gain; where a pair has two, both; empty where it has all",
        ),
        Column("pair", "why the two states are compared, as in similarity.csv"),
        Column("layer, depth", "end of a block, or the pooled features; its number from 0"),
        Column("baseline", "the pretraining that gain is over"),
        Column("measure, similarity", "the measure, and its value"),
        Column("metric", "the data set's primary metric, by which gain is measured"),
        Column(
            "gain",
            "score minus that of random weights by the same recipe and seed, turned so that more "
            "is better; the mean where a pair has several networks",
        ),
        Column("relative_gain", "the same, over the score of random weights"),
        Column("n_cells", "cells whose gains that is the mean of"),
    ),
)

CLAIMS = Table(
    name="claims",
    rows="One row per published claim and result by which it is judged.",
    caption=(
        "One row per published claim and result by which it is judged: the published value "
        "if a public source gives one, ours with its interval, the rule that was fixed "
        "before any result, and the verdict: reproduced, stronger, not reproduced, undecided, "
        "cannot be decided with so few networks, or not tested. ``evidence`` names the row "
        "that was judged. A verdict on drawn images says that it is no evidence."
    ),
    columns=(
        Column(
            "claim, study, statement",
            "its name in `resources/claims.csv`, the study that made it, what it says",
        ),
        Column("published", "the published value, if one was read in a public source"),
        Column("measured, low, high", "ours, with its interval"),
        Column("rule", "the rule by which it is judged, fixed before any result"),
        Column(
            "verdict",
            (
                "`reproduced`, `stronger`, `not reproduced`, `undecided`, `cannot be decided "
                "with n networks (m needed)` or `not tested`; on drawn images with `(drawn "
                "data, no evidence)` after it"
            ),
        ),
        Column("data", "what the verdict rests on; drawn images are no evidence"),
        Column("evidence", "the row that was judged, or why there is none"),
        Column("provenance, source", "how the published value is known, and from where"),
        Column("detail", "what else is known of it, such as where sources disagree"),
    ),
)

SENSITIVITY = Table(
    name="sensitivity",
    rows=(
        "The same questions by other methods and selections. No verdict and no claim rests on it."
    ),
    caption=(
        "The same questions by other means: a two-level bootstrap of patients and seeds, the "
        "other selections of checkpoints, and task by task (of AUROCs by DeLong's test). No "
        "verdict and no claim rests on a row of this table; ``n`` is the number of seeds of a "
        "contrast, or of networks of a correlation."
    ),
    columns=(
        Column("subject, question, dataset", "what is compared"),
        Column("analysis", "what differs from the primary analysis"),
        Column("task", "the one task that is compared; empty for the mean over tasks"),
        Column("n", "seeds of a contrast, networks of a correlation"),
        Column(
            "estimate, se, low, high, p",
            (
                "difference of the metric, or rho, with its error, interval and p-value; the "
                "two-level bootstrap has no interval and no p-value from fewer than 8 seeds "
                "(of a contrast) or families (of a correlation)"
            ),
        ),
        Column("method", "how"),
        Column("metric", "the metric that is compared"),
        Column("note", "what it is good for"),
    ),
)


_STATISTICS = analysis(
    "statistics",
    "reporting.tables.answered:statistics",
    CONTRASTS,
    CORRELATIONS,
    FINDINGS,
    MEAN_RANKS,
    RANK_PAIRS,
    TRIALS,
    GAINS,
    CONVERGENCE,
    BUDGETS,
    REACHED,
    SMALL_DATA,
    EXTERNAL_ARMS,
    EXTERNAL_PAIRS,
    CLAIMS,
    SENSITIVITY,
    title="Answering the questions of {wildcards.study}",
    reads=("cells", "similarity", "agreement", "external"),
    holds=(
        "similarity",
        "externals",
        "evaluation.primary",
        "evaluation.selections",
        "evaluation.confidence",
        "evaluation.bootstrap",
        "questions",
        "claims",
        "asked_metrics",
    ),
    memory_mb=4000,
    minutes=60,
)
STATISTICS = replace(
    _STATISTICS,
    code=(*_STATISTICS.code, *(name.removeprefix("transfergrid.") for name in answering())),
)
"""One stage for all of them, which share what they read."""
