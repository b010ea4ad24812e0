"""The tables of what training did to weights, with the stages that make them."""

from __future__ import annotations

from transfergrid.catalog.records import Column, Stage, Table, analysis

_NETWORK = Column(
    "cell, dataset, architecture, pretraining, truncation, protocol, seed", "the cell"
)
_FOLD = Column("fold", "the cell's fold; `all` where the data set has none")
_LOST = (
    Column("diverged", "the cell diverged, so that there is no checkpoint"),
    Column(
        "start_lost",
        "what the cell started from is another file by now, or another training of its source cell",
    ),
)

DRIFT = Table(
    name="drift",
    rows=(
        "Where a study asks for it (`weights`, unless `drift: false`): one row per cell, layer and "
        "group of weights. A cell without both ends of its training has one row, without a layer."
    ),
    caption=(
        "One row per cell, layer and group of weights: how far the best checkpoint is from the "
        "cell's own initial weights, as the norm of the change over the norm of the start, and as "
        "the cosine of the angle between the two. Running statistics of batch norms are left out."
    ),
    columns=(
        _NETWORK,
        _FOLD,
        Column(
            "layer, depth",
            "`stem`, `block1` and so on, `head` (the classifier), or `body` (all but the head); "
            "its number from 0, empty for the body",
        ),
        Column(
            "group",
            "`all` of the layer, or its `convolution`s, `linear` layers, `norm`s (scale and "
            "shift), `bias`es, or `other` weights",
        ),
        Column("n", "weights"),
        Column("norm_start", "Euclidean norm of the initial weights"),
        Column("norm_change", "Euclidean norm of checkpoint minus start"),
        Column("change", "`norm_change` over `norm_start`; empty where the start is 0"),
        Column("cosine", "of the angle between start and checkpoint; empty where one of them is 0"),
        Column("flags", "remarks, separated by `;`"),
    ),
    flags=(
        Column("zero_start", "all weights start at 0, as biases do: no ratio and no angle"),
        Column("zero_end", "all weights are 0 in the checkpoint: no angle"),
        Column("not_finite", "a weight is NaN or infinite"),
        Column(
            "calibrated",
            "scale and shift of batch norms were set anew before they learned, because these took "
            "statistics of the training images (`norms: calibrate`): the change has that in it",
        ),
        *_LOST,
    ),
)

FILTERS = Table(
    name="filters",
    rows=(
        "Where a study asks for it (`weights`, unless `filters: false`): one row per cell and "
        "filter of the first convolution. A cell without both ends of its training has one row, "
        "without a filter."
    ),
    caption=(
        "One row per cell and filter of the first convolution: its correlation with itself before "
        "training, and, of the lowest seed and fold of each network, the filter before and after, "
        "averaged over the input's channels."
    ),
    columns=(
        _NETWORK,
        _FOLD,
        Column("filter", "its number from 0"),
        Column("correlation", "Pearson's, of all its weights before and after; empty if constant"),
        Column("change", "norm of the change over the norm before; empty where that is 0"),
        Column("height, width", "its size"),
        Column(
            "before, after",
            "mean over input channels, row by row, separated by blanks; empty but for the lowest "
            "seed and fold",
        ),
        Column("flags", "remarks, separated by `;`"),
    ),
    flags=(
        Column("no_convolution", "the network has none"),
        Column("not_finite", "a weight is NaN or infinite"),
        *_LOST,
    ),
)

LAYER_RESET = Table(
    name="layer_reset",
    rows=(
        "Where a study asks for it (`weights.reset`): one row per cell and network: the trained "
        "one, and that with one layer put back. A cell without both ends of its training has one "
        "row, without a layer."
    ),
    caption=(
        "One row per cell and layer: the score of the best checkpoint with that layer alone put "
        "back to what it was before training, and the paired difference to the untouched network, "
        "with intervals by patient. Where the interval holds 0, no cost was shown, which is "
        "not to say that there is none."
    ),
    columns=(
        _NETWORK,
        _FOLD,
        Column(
            "layer, depth",
            "the layer that is put back: `stem`, `block1` and so on, `head`, or `body` (all but "
            "the head: the initial network under the trained classifier); empty for the untouched "
            "network. Its number from 0",
        ),
        Column(
            "to",
            "`initial`: the cell's own start; `source`: the weights that this is derived from",
        ),
        Column("split", "the images that were scored"),
        Column("metric, score, score_low, score_high", "the primary metric, with its interval"),
        Column(
            "difference, difference_low, difference_high",
            "minus the untouched network's, paired by patient; its interval",
        ),
        Column("n, n_patients", "studies and patients"),
        Column("flags", "remarks, separated by `;`"),
    ),
    flags=(
        Column("not_finite", "a score of the network is NaN or infinite: no value"),
        Column(
            "no_threshold",
            "the metric needs an operating point from validation scores: no value",
        ),
        Column("undefined", "the metric has no value"),
        Column("no_variance", "patients do not tell how sure the difference is"),
        *_LOST,
    ),
)

DRIFTING = Stage(
    "drift",
    "weighing",
    "weighings/{drift_id}/receipt.json",
    reads=("weights", "train"),
    code=("evaluation.drift",),
)
RESETTING = Stage(
    "reset",
    "weighing",
    "weighings/{reset_id}/receipt.json",
    reads=("prepare", "weights", "train"),
    code=("evaluation.reset", "training.starts"),
)
WEIGHED = (
    analysis(
        "drifts",
        "reporting.tables.drift:drift",
        DRIFT,
        title="Measuring how far the weights of {wildcards.study} have moved",
        reads=("gather", "drift"),
        holds=("drifts",),
        asked_by="drifts",
    ),
    analysis(
        "filters",
        "reporting.tables.filters:filters",
        FILTERS,
        title="Comparing the first filters of {wildcards.study}",
        reads=("gather", "drift"),
        holds=("filters",),
        asked_by="filters",
    ),
    analysis(
        "resets",
        "reporting.tables.layer_reset:layer_reset",
        LAYER_RESET,
        title="Scoring the networks of {wildcards.study} with layers put back",
        reads=("gather", "reset"),
        holds=("resets", "evaluation.confidence", "primary_metrics"),
        asked_by="resets",
    ),
)
