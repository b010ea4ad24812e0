"""The table of what networks reach with few training patients."""

from __future__ import annotations

from transfergrid.catalog.records import Column, Table

SMALL_DATA = Table(
    name="small_data",
    rows=(
        "One row per arm and number of training patients: its score, what it adds to the baseline, "
        "and with how many times the patients the baseline is as good."
    ),
    caption=(
        "What networks reach with few training patients: the metric of every arm, its difference "
        "to the baseline, and the number of times the patients with which the baseline is as good, "
        "read off its monotone curve. Every size is drawn by the seed, the same patients for every "
        "arm, and contains the smaller ones. Intervals hold the sampling of test patients and the "
        "seed, and are about one size alone; bands hold for all sizes of a curve at once. A ratio "
        "beyond the sizes that were trained is infinite or 0."
    ),
    columns=(
        Column("question", "the study's question"),
        Column("dataset, metric", "where, and the metric"),
        Column(
            "axis, arm, baseline", "the question's axis, and two of its values; a score has none"
        ),
        Column(
            "quantity",
            (
                "`score` (the metric), `boost` (arm minus baseline, within each seed), "
                "`boost_change` (the boost with the fewest patients less that with the most) or "
                "`data_ratio` (with how many times the arm's patients the baseline is as good)"
            ),
        ),
        Column("patients", "training patients of the arm; of a change, the fewest"),
        Column(
            "value",
            (
                "the estimate; a ratio is `inf` where the baseline does not get there with the "
                "most patients, and 0 where it is there with the fewest"
            ),
        ),
        Column(
            "low, high",
            (
                "interval at this size; of a ratio, 0 and `inf` where it may lie below or beyond "
                "the sizes that were trained"
            ),
        ),
        Column("band_low, band_high", "the same for all sizes of the curve at once"),
        Column(
            "verdict",
            (
                "what the interval of a ratio shows: `crosses`, `never crosses` (with the most "
                "patients the baseline is still worse), `already at the smallest` (with the fewest "
                "it is as good) or `undecided`; it is about this size alone"
            ),
        ),
        Column("band_verdict", "what its band shows, for all sizes of the curve at once"),
        Column("n_sizes", "sizes of the curve; for a ratio, of the baseline's"),
        Column("n_seeds", "seeds, each with its own draw, that all points have"),
        Column("n_patients", "patients tested on"),
        Column("se_patient", "standard error from these; empty for a ratio"),
        Column(
            "se_seed",
            (
                "standard error from seeds, net of the patients' noise in it; empty with one seed "
                "and for a ratio"
            ),
        ),
        Column("method", "how"),
        Column(
            "conditional_on",
            (
                "what the interval takes as given, as in `contrasts.csv`; and that studies or "
                "images were drawn for patients, where these are unknown"
            ),
        ),
        Column(
            "architecture, pretraining, truncation, protocol",
            "what the cells share; empty for the axis itself. `protocol` is the arm's at this size",
        ),
    ),
)
