"""The tables of how alike networks are, with the stages that make them."""

from __future__ import annotations

from transfergrid.catalog.records import Column, Table, analysis

_PLACE = Column(
    "dataset, fold, architecture, truncation",
    "the place that both share; `fold` is `all` where the data set has none",
)
_PAIR = (
    "`before_after`: a cell's best checkpoint and what it started from; `sources_before`, "
    "`sources_after`: two pretrainings, as released, and trained alike; `seeds`; `protocols`; "
    "`random`: weights drawn at random and a pretraining of which weights are loaded, all or some; "
    "`drawn`: any other two pretrainings of which one or both load none (statistics, filters)"
)

SIMILARITY = Table(
    name="similarity",
    rows=(
        "Where a study asks for it (`similarity`): one row per pair of states, layer and measure. "
        "A pair with a diverged cell has one row, without a layer."
    ),
    caption=(
        "One row per pair of states (a cell's initial weights, or its best checkpoint), layer and "
        "measure: how alike what they make of the same images is, with its interval by patient, "
        "and with what two states reach that have nothing in common (the floor: the same rows, "
        "patients permuted). A similarity says nothing unless it stands outside its floor, which "
        "is far from 0 where rows are few for the channels."
    ),
    columns=(
        _PLACE,
        Column("layer, depth", "end of a block, or the pooled features; its number from 0"),
        Column("pair", f"why they are compared. {_PAIR}"),
        Column(
            "left_pretraining, left_protocol, left_seed, left_state",
            "one state: `initial` or `final`; an initial one has no protocol, and no seed where "
            "all seeds share it",
        ),
        Column(
            "right_pretraining, right_protocol, right_seed, right_state",
            "the other; of `before_after` the later, of `random` and `drawn` the one with more "
            "of a source's weights",
        ),
        Column("left, right", "their folders under `results/activations/`"),
        Column(
            "measure",
            "`mean_cca`, `svcca` (99 % of the sum of squares), `pwcca_xy` (weighted by the left "
            "side) and `pwcca_yx`, `cka` (linear, biased), `cka_debiased`, `procrustes`",
        ),
        Column("value, low, high", "the measure and its interval, by a jackknife over patients"),
        Column(
            "floor, floor_low, floor_high",
            "its mean, and 2.5 and 97.5 percentiles, when the patients of this pair's right side "
            "are permuted",
        ),
        Column("split", "the images that were seen"),
        Column("n, images, patients", "rows, their images and patients"),
        Column(
            "rank_left, rank_right",
            "directions kept of each side by the canonical correlations",
        ),
        Column("flags", "remarks, separated by `;`"),
    ),
    flags=(
        Column("short", "fewer than ten rows for each channel, whatever the study allowed"),
        Column("cut_left, cut_right", "directions were left out, because rows are too few"),
        Column("dead_left, dead_right", "the layer says the same of every image: no value"),
        Column(
            "uneven_patients",
            "patients' numbers of rows differ so much that exchanging them breaks up more than 5 % "
            "of what they have together, or leaves more than 5 % of rows with their own patient: "
            "the floor may be too low, or too high",
        ),
        Column(
            "calibrated_left, calibrated_right",
            "drawn weights as their training starts, which lets batch norms take statistics of the "
            "training images (`norms: calibrate`); loaded weights go on computing what they did",
        ),
        Column("not_finite", "activations hold NaN or infinity: no value"),
        Column("one_patient", "the images are of one patient: no interval and no floor"),
        Column("diverged", "a cell diverged, so that there is nothing to compare"),
    ),
)

AGREEMENT = Table(
    name="agreement",
    rows=(
        "Where a study asks for it (`similarity`, unless `predictions: false`): one row per pair "
        "of cells in a place, task and measure, from the primary selection's test scores."
    ),
    caption=(
        "One row per pair of cells on the same data set, network and cut, task and measure: how "
        "alike their predictions on the test split are, with intervals by patient, beside what "
        "two independent networks of the same accuracies would reach, and the most that these "
        "accuracies allow."
    ),
    columns=(
        _PLACE,
        Column(
            "pair",
            "what sets the two apart: `sources`, `random` and `drawn` (as in similarity.csv), "
            "`seeds`, `protocols`, or `several` of these",
        ),
        Column("left_pretraining, left_protocol, left_seed", "one cell's place on these axes"),
        Column("right_pretraining, right_protocol, right_seed", "the other's"),
        Column("left, right", "names of the cells"),
        Column("task", "the task; empty for the mean over tasks, or for all classes together"),
        Column(
            "measure",
            "`agreement` (both right or both wrong), `excess_agreement` (beyond the baseline, of "
            "the most that can be), `same_label`, `kappa`, `rank_correlation` (Spearman's of the "
            "scores), `error_overlap` (Jaccard); a label is given above a probability of 0.5",
        ),
        Column("value, low, high", "the measure, and its interval by patient"),
        Column("baseline", "what independent networks of the same accuracies would reach"),
        Column("ceiling", "the most that their accuracies allow"),
        Column(
            "n, patients", "test studies with a label, and their patients; the fewest of a mean"
        ),
        Column("flags", "remarks, separated by `;`"),
    ),
    flags=(
        Column("diverged", "a cell diverged, so that there is nothing to compare"),
        Column(
            "undefined", "the measure has no value, such as overlap of errors where nobody errs"
        ),
        Column(
            "few_patients",
            "fewer than ten patients tell anything of it: those with a study that either network "
            "gets wrong (or, of `kappa`, does not label as nearly all are)",
        ),
        Column("no_variance", "the studies do not tell how sure the value is"),
    ),
)

ALIKE = analysis(
    "similarity",
    "reporting.tables.similarity:similarity",
    SIMILARITY,
    title="Comparing the networks of {wildcards.study}",
    reads=("gather", "activations"),
    holds=("similarity", "states", "evaluation.confidence"),
    asked_by="similarity",
    threads=2,
    memory_mb=8000,
    minutes=240,
)

AGREEING = analysis(
    "agreement",
    "reporting.tables.agreement:agreement",
    AGREEMENT,
    title="Comparing the predictions of {wildcards.study}",
    reads=("gather",),
    holds=("compared", "evaluation.primary", "evaluation.confidence"),
    asked_by="similarity",
)
