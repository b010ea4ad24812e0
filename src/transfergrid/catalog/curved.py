"""The tables of curves, operating points and confused classes, with the stage that makes them."""

from __future__ import annotations

from transfergrid.catalog.records import Column, Table, analysis

_ARM = Column("dataset, architecture, pretraining, truncation, protocol", "the arm")

CURVES = Table(
    name="curves",
    rows=(
        "Where a study asks for curves (`curves`): one row per compared arm, task, kind of curve "
        "and point. By default the arms of a data set are the one with the best mean validation "
        "score and the baseline (random weights, or the first pretraining) on the same network."
    ),
    caption=(
        "One row per arm, task, kind of curve and point: the mean over seeds and folds of each "
        "model's own curve at that false positive rate (``roc``: sensitivity) or recall "
        "(``precision_recall``: precision). The band is pointwise, by a bootstrap of patients, for "
        "these trainings. Arms are chosen by validation scores."
    ),
    columns=(
        _ARM,
        Column(
            "chosen",
            "why it is here: `best` by validation score, its `baseline`, the `next` best where the "
            "best is the baseline, or `asked` for by the study",
        ),
        Column("task", "the label, or the class against the rest"),
        Column("curve", "`roc` or `precision_recall`"),
        Column(
            "area",
            "mean over these trainings of the area under each one's own curve: AUROC, or average "
            "precision. That of the points here only comes near",
        ),
        Column("x", "false positive rate, or recall"),
        Column(
            "y, low, high",
            "mean sensitivity, or mean precision, and its pointwise interval over patients",
        ),
        Column("n_seeds, n_folds", "seeds, and folds of each, whose curves are averaged"),
        Column("n, n_pos, n_patients", "test studies with a known label, positives, patients"),
    ),
)

OPERATING_POINTS = Table(
    name="operating_points",
    rows=(
        "Where a study asks for curves: one row per cell, or run over folds, task and rule that "
        "chose the threshold on validation scores."
    ),
    caption=(
        "One row per cell, or run over folds, task and rule: sensitivity, specificity and "
        "predictive values on the test split at a threshold that was chosen on validation scores, "
        "each with its interval (Wilson's, clustered by patient), which takes the threshold as "
        "given. Predictive values hold at this test split's share of positives."
    ),
    columns=(
        Column("cell, fold, selection", "as above; the primary selection alone"),
        Column("task", "the label, or the class against the rest"),
        Column(
            "rule",
            "`specificity 0.9`: the lowest threshold below which that share of the validation "
            "negatives lies; `youden`: that of the largest sensitivity plus specificity there",
        ),
        Column(
            "threshold",
            "the probability from which on a study is called positive; empty for a run, each of "
            "whose folds has its own",
        ),
        Column(
            "sensitivity, sensitivity_low, sensitivity_high",
            "share of the positives that are called positive, and its interval over patients",
        ),
        Column(
            "specificity, specificity_low, specificity_high",
            "share of the negatives that are not called positive, and its interval",
        ),
        Column(
            "ppv, ppv_low, ppv_high",
            "share of positives among those called positive (positive predictive value), and its "
            "interval; empty where nobody is called",
        ),
        Column(
            "npv, npv_low, npv_high",
            "share of negatives among the others (negative predictive value), and its interval; "
            "empty where everybody is called",
        ),
        Column("n, n_pos, n_patients", "studies with a known label, positives, patients"),
        Column("n_folds", "folds over which values are the mean; empty for a single cell"),
        Column("conditional_on", "what the intervals take as given"),
        Column("flags", "notes, separated by `;`, as in `cells.csv`"),
    ),
)

CONFUSION = Table(
    name="confusion",
    rows=(
        "Where a study asks for curves, of data sets with classes: one row per arm, true class and "
        "predicted class."
    ),
    caption=(
        "Of data sets with classes: one row per arm, true class and predicted class, the most "
        "probable one. Counts are means over seeds, summed over folds, in each of which a patient "
        "is tested once; shares are of the true class, with their interval over patients."
    ),
    columns=(
        _ARM,
        Column("true, predicted", "the classes"),
        Column("count", "test studies, the mean over seeds"),
        Column(
            "share, low, high",
            "share of the studies of the true class, and its interval over patients for these "
            "trainings",
        ),
        Column("n, n_patients", "studies of the true class, and their patients"),
        Column("n_seeds, n_folds", "seeds of the mean, and folds of the sum"),
    ),
)

CURVED = analysis(
    "curves",
    "reporting.tables.curves:analyse",
    CURVES,
    OPERATING_POINTS,
    CONFUSION,
    title="Drawing the curves of {wildcards.study}",
    reads=("cells",),
    holds=(
        "curves",
        "evaluation.primary",
        "evaluation.confidence",
        "evaluation.bootstrap",
        "primary_metrics",
    ),
    threads=8,
    memory_mb=4000,
    minutes=60,
    asked_by="curves",
)
