"""The figures of a study, in the order of the page."""

from __future__ import annotations

from dataclasses import dataclass

_ROOM = "transfergrid.reporting.figures"


@dataclass(frozen=True)
class Figure:
    """A figure that a study may have.

    Attributes:
        name: File name without ``.svg``, and anchor on the page.
        title: Heading on the page; ``{metric}`` stands for the name of the study's metric.
        reads: Names of the tables that it is drawn from.
        module: Module that has ``lack``, ``draw`` and ``caption``, each a function of the figures'
            data; ``lack`` says why there is nothing to show, or returns an empty string. It may
            have ``drawn_cells``, where title and caption are about some of the cells alone.
        caption: What a reader must know whatever the study, for Snakemake's report.
        section: Anchor of the page's section that it stands in.
        shows_films: Whether it has films in it, or parts of them.
    """

    name: str
    title: str
    reads: tuple[str, ...]
    module: str
    caption: str
    section: str = "figures"
    shows_films: bool = False


FIGURES: tuple[Figure, ...] = (
    Figure(
        "score",
        "{metric} of every network",
        ("cells", "observers"),
        f"{_ROOM}.score",
        "The score on the test split by architecture, truncation and pretraining. Large markers "
        "are means over seeds, small dots single seeds. Lines are the mean over seeds of each "
        "cell's interval, which covers the sampling of patients, but not the variance "
        "between seeds. Overlapping lines are not a test; the paired contrasts are. A dashed line "
        "is what a second observer of the masks scores against the first. n of studies and "
        "patients is in the table of cells.",
    ),
    Figure(
        "tasks",
        "{metric} of every task",
        ("cells", "scores"),
        f"{_ROOM}.tasks",
        "The score of every task on the test split, mean over seeds: a row per network, a panel "
        "per pretraining, one scale of colour. −1, −2 are blocks removed. Intervals and numbers "
        "of positives are in the table of scores.",
    ),
    Figure(
        "seeds",
        "What the seed does",
        ("cells",),
        f"{_ROOM}.seeds",
        "Scores of single seeds around the mean of their network. Grey bars are the mean over "
        "seeds of each cell's interval, clustered by patient: how far one score would move with "
        "other patients. SD is the standard deviation between seeds. Networks with one finished "
        "seed are left out.",
    ),
    Figure(
        "boosts",
        "Paired differences",
        ("contrasts",),
        f"{_ROOM}.boosts",
        "Paired differences of scores, the first arm minus the second, on the same test patients "
        "and with the same seeds, grouped by question. Lines are intervals that hold the sampling "
        "of patients and, with several seeds, the seed; they are not adjusted for the number of "
        "contrasts. A filled square's interval excludes zero. Dotted lines mark the margin, where "
        "one was set in advance. n, seeds, p-values and method are in the table of contrasts.",
    ),
    Figure(
        "critical_difference",
        "Mean ranks over data sets",
        ("cells", "mean_ranks"),
        f"{_ROOM}.critical_difference",
        "Mean ranks of methods over data sets, 1 the best. A bar joins methods of which no two "
        "differ by Nemenyi's test; CD is its critical difference, for all pairs together. Seeds "
        "and folds are averaged within a data set and are no blocks. p-values, the Bayesian "
        "signed-rank test and the mixed model are in the table of rank_pairs.",
    ),
    Figure(
        "truncation",
        "What truncation costs",
        ("cells", "contrasts"),
        f"{_ROOM}.truncation",
        "Scores of networks against the blocks that were removed, mean over seeds, with the "
        "parameters that are left; one panel per network. Vertical lines are the mean over seeds "
        "of each cell's interval, clustered by patient. The bands are the margin of equivalence "
        "around the whole network, where a question fixed one in advance. n of studies and "
        "patients is in the table of cells.",
    ),
    Figure(
        "correlation",
        "{metric} against ImageNet accuracy and size",
        ("cells", "correlations"),
        f"{_ROOM}.correlation",
        "Scores of whole networks, mean over seeds, against the ImageNet top-1 accuracy of the "
        "architecture's released weights and against the number of parameters; one panel per "
        "pretraining, one lettered point per architecture with its interval. Above each panel "
        "Spearman's correlation over architectures with its interval and n.",
    ),
    Figure(
        "boost_size",
        "Boost against size",
        ("cells", "contrasts", "correlations"),
        f"{_ROOM}.boost_size",
        "What pretraining adds to the score of whole networks, mean over seeds, against the number "
        "of parameters: one panel per comparison of two pretrainings, one lettered point per "
        "architecture with the interval of the paired difference. A filled point's interval "
        "excludes zero. Above each panel Spearman's correlation over architectures with its "
        "interval and n, where the study asked for it. n of studies, p-values and method are in "
        "the tables of contrasts and correlations.",
    ),
    Figure(
        "small_data",
        "Few patients to train on",
        ("cells", "small_data"),
        f"{_ROOM}.small_data",
        "Scores against the number of training patients on a log scale, mean over seeds, each of "
        "which draws its own patients: the same for every arm, and smaller numbers as parts of "
        "larger ones. Vertical lines are intervals at one number, from test patients and seeds; "
        "bands hold at all numbers of a curve at once. Differences, and with how many times the "
        "patients the baseline is as good, are in the table small_data.",
    ),
    Figure(
        "published",
        "Published against ours",
        ("cells", "findings"),
        f"{_ROOM}.published",
        "This study's AUROCs against those of the paper's own figure, which were read off the "
        "picture (digitised), one panel per arm; with Spearman's correlation and the mean "
        "difference.",
    ),
    Figure(
        "gains",
        "Similarity against gain",
        ("cells", "findings", "gains"),
        f"{_ROOM}.gains",
        "Similarity of pairs of networks in one layer against what their networks gain over random "
        "weights, one panel per source, recipe and layer, a colour per data set; above a panel "
        "Pearson's r pooled over data sets and within them, where intervals could be made with "
        "these.",
    ),
    Figure(
        "calibration",
        "Calibration",
        ("cells", "calibration"),
        f"{_ROOM}.calibration",
        "Share of positives against mean predicted probability, a panel per comparison of "
        "pretrainings on the networks that all of them have: pairs of a test study and a scored "
        "task, pooled, in ten bins of about equal count. Vertical lines are Wilson intervals on "
        "the number of cases that remains when a patient counts as one. ECE is the mean distance "
        "from the dotted line, weighted by the bins' counts; Brier is the mean squared error of "
        "the probability.",
    ),
    Figure(
        "precision_recall",
        "Precision and recall",
        ("cells", "scores"),
        f"{_ROOM}.precision_recall",
        "Precision against recall, if the study asks for average precision: a panel per task, on "
        "the whole networks that the compared pretrainings share. Lines are means over cells at "
        "equal recall, and the area under one is the mean average precision. The dashed line is "
        "the share of positives, which is the precision of guessing.",
    ),
    Figure(
        "curves",
        "ROC and precision-recall curves",
        ("cells", "curves"),
        f"{_ROOM}.curves",
        "If the study asks for curves: sensitivity against the false positive rate, and precision "
        "against recall, a row per task, of the arm with the best validation score and the "
        "baseline on its network, or as the study says. Lines are means of single trainings' "
        "curves at equal rate or recall; bands are pointwise, by a bootstrap of patients.",
    ),
    Figure(
        "confusion",
        "Which class is taken for which",
        ("cells", "curves", "confusion"),
        f"{_ROOM}.confusion",
        "If the study asks for curves, of data sets with classes: shares of each true class by "
        "predicted class, mean over seeds, a matrix per arm whose curves are drawn. Counts and "
        "intervals are in the table of confusion.",
    ),
    Figure(
        "learning",
        "Learning curves",
        ("cells",),
        f"{_ROOM}.learning",
        "Mean validation score during training against training examples seen, one line per cell, "
        "one panel per architecture and data set. Colours are pretrainings, dashes are "
        "truncations. Checkpoints are chosen on these scores alone; no interval is drawn, and the "
        "test split takes no part.",
    ),
    Figure(
        "losses",
        "Loss while training",
        ("cells",),
        f"{_ROOM}.losses",
        "Training loss (left) and validation loss (right) against training examples seen, one line "
        "per cell, a row per data set and architecture. Colours are pretrainings, dashes are "
        "truncations. No interval is drawn, and the test split takes no part.",
    ),
    Figure(
        "convergence",
        "How training converges",
        ("cells", "reached"),
        f"{_ROOM}.convergence",
        "Mean validation curves of the arms of each question about convergence, on an axis of log "
        "steps, as far as all runs of an arm go, with intervals of the mean over seeds (Student's "
        "t, step by step). Dotted: the level that runs are timed to. The test split takes no part.",
    ),
    Figure(
        "time_to_level",
        "Time to the level",
        ("cells", "convergence", "reached"),
        f"{_ROOM}.time_to_level",
        "Share of the runs of each arm whose validation metric has reached the level (Kaplan and "
        "Meier), by optimiser steps on a logarithmic axis, without interpolation between "
        "validations. A line ends at the horizon; one that ends below 1 has runs that never "
        "reached the level. Medians, restricted means and tests are in the table of convergence.",
    ),
    Figure(
        "cams",
        "What the networks look at",
        ("cams",),
        f"{_ROOM}.cams",
        "Class activation maps of each network's best checkpoint, whole and truncated, on the same "
        "test films: the first positive ones in the order of their ids, chosen by label and name. "
        "The map's size before it is enlarged stands above it. Outline: the true region, where "
        "the data set knows it; cross: the map's highest point; p: the checkpoint's probability.",
        shows_films=True,
    ),
    Figure(
        "drift",
        "How far the weights have moved",
        ("drift",),
        f"{_ROOM}.drift",
        "Change of the weights of each layer by training, over the size of the initial weights: "
        "mean over seeds, a panel per network, a line per pretraining. The classifier is left "
        "out. Cosines, and groups of weights, are in the table of drift.",
    ),
    Figure(
        "layer_reset",
        "What putting a layer back costs",
        ("layer_reset",),
        f"{_ROOM}.layer_reset",
        "Score of the trained network with one layer alone put back to its initial weights, minus "
        "that of the untouched network: mean over seeds, a panel per network, a line per "
        "pretraining. Vertical lines are the mean of the intervals by patient. n is in the table "
        "of layer resets.",
    ),
    Figure(
        "filters",
        "The first filters, before and after",
        ("filters",),
        f"{_ROOM}.filters",
        "Filters of the first convolution before and after training, in pairs, averaged over the "
        "input's channels, one scale for both of a pair: of each network the lowest seed. Below a "
        "pair Pearson's correlation of its weights.",
    ),
    Figure(
        "subgroups",
        "{metric} by group",
        ("cells", "subgroups"),
        f"{_ROOM}.subgroups",
        "The score on the test images of groups of patients or films: mean over seeds, a panel per "
        "column that the study groups by. Large markers are means over the networks of a "
        "pretraining, small dots single networks; lines are the mean of their intervals by patient "
        "and seed. Overlapping lines are no test; the differences in the table subgroup_gaps are. "
        "n is in the table subgroups.",
        section="groups",
    ),
    Figure(
        "features",
        "How alike the layers are",
        ("cells", "similarity"),
        f"{_ROOM}.features",
        "Mean canonical correlation of what two states of a network make of the same images, by "
        "layer, a group of panels per kind of pair; lines are means over seeds, vertical lines "
        "the mean of their intervals by patient. The grey band is the floor: what the same rows "
        "give when the patients of one side are permuted. A value that is not above it says "
        "nothing. n, and other measures, are in the table of similarities.",
        section="features",
    ),
    Figure(
        "feature_pairs",
        "All states against each other",
        ("cells", "similarity"),
        f"{_ROOM}.feature_pairs",
        "Similarity of states in the deepest layer that was compared, mean over seeds: on and "
        "below the diagonal mean CCA, above it debiased linear CKA. The diagonal is two seeds of "
        "one arm. A ring behind a number: not above the floor band. "
        "Intervals and n are in the table of similarities.",
        section="features",
    ),
    Figure(
        "predictions",
        "Agreement of predictions",
        ("cells", "agreement"),
        f"{_ROOM}.predictions",
        "Share of test studies on which two networks are both right or both wrong, mean over "
        "tasks and seeds, with its interval by patient. Grey bars run from what independent "
        "networks of the same accuracies would reach to the most that these accuracies allow. n "
        "of studies and patients is in the table of agreement.",
        section="predictions",
    ),
    Figure(
        "prediction_pairs",
        "All networks against each other",
        ("cells", "agreement"),
        f"{_ROOM}.prediction_pairs",
        "Agreement of predictions, mean over tasks and seeds: on and below the diagonal the share "
        "of studies on which two networks are both right or both wrong, above it the excess over "
        "independent networks. The diagonal is two seeds of one arm. Intervals and n are in the "
        "table of agreement.",
        section="predictions",
    ),
)
"""Every built-in figure; a study may name its own under ``figures``."""
