"""The tables of a study's cells, each with the stage that makes it."""

from __future__ import annotations

from transfergrid.catalog.leaked import LEAKS
from transfergrid.catalog.mask_states_table import MASK_STATES
from transfergrid.catalog.records import Column, Table, analysis

CELLS = Table(
    name="cells",
    rows=(
        "One row per cell of the grid and selection of checkpoints; the primary selection first. "
        "If a data set is cut into folds, the rows of single folds follow that of their run, "
        "whose fold is `all`."
    ),
    caption=(
        "One row per cell and selection of checkpoints, the primary selection first: the "
        "cell's place in the grid, its size and compute, the score of the data set's primary "
        "metric on the test split with its interval (clustered by patient), remarks, and what "
        "the training cost. Scores by task are in the table of scores. A diverged or missing "
        "cell has empty fields. ``micro_batch`` below the recipe's batch size means that batch "
        "statistics differ from other cells'. Where ``fold`` is a number, the row is a single "
        "fold; the row above, whose fold is ``all``, has the mean over folds of their scores."
    ),
    columns=(
        Column(
            "cell",
            "name of the cell, its folder under `results/cells/`, or of a run over folds, which "
            "has none",
        ),
        Column("dataset, architecture", "its place on these axes"),
        Column("family", "family of the architecture"),
        Column(
            "pretraining, truncation, protocol, seed",
            "its place on the other axes; truncation is the number of final blocks removed",
        ),
        Column(
            "fold",
            "the fold whose test part it is scored on; `all` if the data set has no folds, and "
            "for a run, which is the mean over its folds",
        ),
        Column(
            "status",
            "`finished`, `diverged` (no score) or `missing` (not trained or not scored yet); of a "
            "run `finished` if all of its folds are",
        ),
        Column("params", "parameters of the network as trained, with its head"),
        Column("macs", "multiply-accumulates of one forward pass at `input_size`"),
        Column("input_size", "side of the square images, in pixels"),
        Column("selection", "rule that chose the checkpoints on validation scores"),
        Column("n_checkpoints", "checkpoints in the ensemble; for rules by task, distinct ones"),
        Column(
            "micro_batch",
            (
                "images that went through the network at once; below the recipe's batch where "
                "memory ran out"
            ),
        ),
        Column("n_images, n_studies, n_patients", "in the test split; for a run, in all folds"),
        Column("metric", "the data set's primary metric, by which checkpoints are ranked"),
        Column(
            "score, score_low, score_high",
            (
                "its value on the test split (for a metric per task, the mean over the scored "
                "tasks), and its interval over patients"
            ),
        ),
        Column(
            "flags",
            "notes on the score, separated by `;`: `<flag>:<task>`, or `<flag>` for all tasks",
        ),
        Column(
            "train_seconds", "seconds of training, validations included; for a run, in all folds"
        ),
        Column("images_per_second", "training images per second, steps only"),
        Column(
            "peak_memory_mb",
            "most memory held, in MiB: by PyTorch on a GPU, by the process on a CPU",
        ),
        Column("device", "name of the GPU, or `cpu`"),
    ),
    flags=(
        Column(
            "few_positives, few_negatives",
            (
                "fewer than 30 patients of that class: the interval's width rests in part on "
                "a model of the scores ([statistics.md](statistics.md))"
            ),
        ),
        Column(
            "scarce_positives, scarce_negatives",
            "fewer than 5 patients of that class: it rests almost entirely on the model",
        ),
        Column(
            "few_patients",
            "of masks: fewer than 50 patients ([segmentation.md](segmentation.md))",
        ),
        Column("single_class", "a single class: no value"),
        Column("no_score", "the training diverged: no value"),
        Column(
            "no_threshold",
            "no operating point, because the validation split lacks a class: no value",
        ),
        Column(
            "undefined",
            "a study's own metric has no value, though both classes are there; of masks: no film "
            "counts",
        ),
        Column(
            "without_fold_<k>",
            "the mean is over the other folds, because the patients of fold k lack a class, or one "
            "of its classes has a single patient, or its validation split has no operating point",
        ),
        Column(
            "no_variance",
            (
                "the classes are separated perfectly (or all scores are equal), so the "
                "interval rests only on the model"
            ),
        ),
        Column("synthetic", "drawn images: no evidence about medicine"),
        Column(
            "patients_unknown",
            ("the source has no patient ids: each study, or else each image, counts as a patient"),
        ),
    ),
)

SCORES = Table(
    name="scores",
    rows=(
        "One row per cell of the grid, or a run over folds, selection of checkpoints, metric and "
        "task. One that has not been scored has no row. A row without a task is the whole: the "
        "mean over the scored tasks, or a metric that is one number over all classes."
    ),
    caption=(
        "One row per cell, selection of checkpoints, metric and task on the test split, with its "
        "interval (clustered by patient) and the numbers that it rests on. A row without a task "
        "is the mean over the scored tasks, or a metric that is one number over all classes."
    ),
    columns=(
        Column("cell, fold, selection", "as above"),
        Column("task", "what was scored, even if the mean leaves it out; empty for the whole"),
        Column(
            "metric",
            "the primary metric of the data set, or another one that `evaluation.metrics` names",
        ),
        Column("value, low, high", "the metric on the test split, and its interval over patients"),
        Column("n", "studies with a known label (for the whole: in any of the scored tasks)"),
        Column(
            "n_pos", "studies with a positive label (for the whole: the fewest of the scored tasks)"
        ),
        Column("n_patients", "patients of these studies"),
        Column(
            "threshold",
            "operating point, fixed on validation scores; empty for a metric without one, and for "
            "a run, each of whose folds has its own",
        ),
        Column("n_folds", "folds over which the value is the mean; empty for a single cell"),
        Column(
            "conditional_on", "what the interval takes as given, such as a fixed operating point"
        ),
        Column("flags", "notes, separated by `;`, as above; for the whole, those of any task"),
    ),
)

SOURCES = Table(
    name="sources",
    rows=(
        "One row per cell that others start from. Whether it learned its own task is what its "
        "pretraining is worth."
    ),
    caption=(
        "One row per cell that others start from, on its own validation split: its "
        "score, its share of right answers and that of always giving the most common class, over "
        "``n_valid`` studies. A source that is no better than chance has nothing to pass on. "
        "No interval is given."
    ),
    columns=(
        Column("cell, dataset, architecture, pretraining, protocol, seed, status", "as above"),
        Column("metric", "the primary metric of its data set"),
        Column("valid_score", "its validation score at the best checkpoint"),
        Column(
            "valid_accuracy",
            (
                "share of the validation studies whose class is right; for several labels, "
                "the mean over tasks"
            ),
        ),
        Column("chance_accuracy", "the same for always answering the most common class"),
        Column("n_valid", "validation studies"),
    ),
)

BOOTSTRAP = Table(
    name="bootstrap",
    rows=(
        "Other intervals of every cell's score under the primary selection, beside that of "
        "`cells.csv`; before them those of runs over folds, each of which draws its own patients."
    ),
    caption=(
        "One row per cell under the primary selection: the score with the percentile "
        "interval of a bootstrap of patients, who are the same draws for every cell, beside "
        "the closed form of the table of cells. ``n_undefined`` draws had a task with one "
        "class only and are left out."
    ),
    columns=(
        Column("cell, fold, selection, metric", "as above"),
        Column(
            "score, low, high, se",
            "the value, its percentile interval and the replicates' standard deviation",
        ),
        Column(
            "delong_low, delong_high",
            (
                "DeLong's interval, clustered by patient, cut at 0 and 1 as R's pROC cuts it; "
                "empty where a class has one patient, and for another metric than AUROC"
            ),
        ),
        Column("replicates", "draws of patients, the same for every cell"),
        Column(
            "n_undefined",
            "draws that leave the score undefined, such as a task with one class only; left out",
        ),
        Column("n_studies, n_patients", "of the test split"),
        Column("method", "how the interval was made"),
    ),
)

TUNING = Table(
    name="tuning",
    rows=(
        "One row per learning rate that was tried, if a study tunes (`tune`); otherwise "
        "there is no row."
    ),
    caption=(
        "One row per learning rate that was tried: the score that a short training with it "
        "reached on patients held out from the training images, and whether it was taken. "
        "``at_edge``: the rate that was taken is the lowest or highest that was tried, so a "
        "better one may lie outside. All seeds of a network share one choice; no validation "
        "or test image takes part."
    ),
    columns=(
        Column(
            "tuning",
            ("what is tuned: its folder under `results/tuning/`; all seeds of a cell share it"),
        ),
        Column(
            "dataset, architecture, pretraining, truncation, protocol",
            "of the cells that take the rate",
        ),
        Column("seed", "of the trials"),
        Column("learning_rate", "the rate that was tried"),
        Column("cell", "the trial, its folder under `results/cells/`"),
        Column("status", "of the trial: `finished`, `diverged` or `missing` (not trained yet)"),
        Column("metric", "the primary metric of the data set"),
        Column(
            "valid_score",
            (
                "its best value on the patients held out from the training images; the validation "
                "split takes no part"
            ),
        ),
        Column("chosen", "whether this rate was taken: best score, the lower rate where equal"),
        Column(
            "at_edge",
            ("of the whole tuning: whether the rate taken is the lowest or highest that was tried"),
        ),
    ),
)

CALIBRATION = Table(
    name="calibration",
    rows=(
        "One row per bin of a pretraining's reliability curve, under the primary selection. "
        "Pretrainings are compared on the networks and seeds that all of them have; where "
        "there are none, each with the first on what the two share."
    ),
    caption=(
        "One row per comparison, pretraining and bin of the reliability curves, over the "
        "networks that the compared pretrainings share: how many cases the bin holds, their "
        "mean predicted probability, and the share of positives with its interval (Wilson's, "
        "on the number of cases that remains when a patient counts as one). ``n_cases`` are "
        "pairs of a test study and a scored task, of these cells, under the primary "
        "selection; ``ece`` and ``brier`` are of all of them."
    ),
    columns=(
        Column("dataset", "where"),
        Column("comparison", "the pretrainings that stand together"),
        Column("pretraining, selection", "whose probabilities"),
        Column(
            "n_networks",
            (
                "networks that they share: architectures and cuts, and recipes where a "
                "network has several"
            ),
        ),
        Column(
            "n_cells",
            "finished cells of this pretraining that are pooled; those of a run over folds are one",
        ),
        Column("n_cells_left_out", "its finished cells of other networks or seeds"),
        Column("n_studies, n_patients", "of the test split"),
        Column(
            "n_cases",
            ("pairs of a study and a scored task with a known label, over all of these cells"),
        ),
        Column(
            "ece, brier",
            ("expected calibration error over the bins, and mean squared error, of all cases"),
        ),
        Column("bin, n", "the bin, from the lowest probability up, and its cases"),
        Column("predicted", "mean probability of the bin"),
        Column("observed, low, high", "share of positives, and its interval over patients"),
    ),
)

MEASURED = (
    analysis(
        "cells",
        "reporting.tables.cells:analyse",
        CELLS,
        title="Gathering the cells of {wildcards.study}",
        reads=("gather",),
        holds=(
            "evaluation.selections",
            "evaluation.primary",
            "evaluation.confidence",
            "primary_metrics",
        ),
        threads=8,
        memory_mb=4000,
        minutes=60,
    ),
    analysis(
        "scores",
        "reporting.tables.scores:analyse",
        SCORES,
        MASK_STATES,
        title="Scoring the cells of {wildcards.study}",
        reads=("gather",),
        holds=(
            "evaluation.selections",
            "evaluation.primary",
            "evaluation.confidence",
            "all_metrics",
        ),
        threads=8,
        memory_mb=4000,
        minutes=60,
    ),
    analysis(
        "sources",
        "reporting.tables.sources:analyse",
        SOURCES,
        LEAKS,
        title="Gathering what the cells of {wildcards.study} start from",
        reads=("gather", "external"),
        holds=("primary_metrics", "externals"),
        threads=8,
        memory_mb=4000,
        minutes=60,
    ),
    analysis(
        "bootstrap",
        "reporting.tables.bootstrap:analyse",
        BOOTSTRAP,
        title="Drawing the patients of {wildcards.study} again",
        reads=("gather",),
        holds=(
            "evaluation.primary",
            "evaluation.bootstrap",
            "evaluation.confidence",
            "primary_metrics",
        ),
        threads=8,
        memory_mb=4000,
        minutes=60,
    ),
    analysis(
        "tuning",
        "reporting.tables.tuning:analyse",
        TUNING,
        title="Gathering the learning rates that {wildcards.study} tried",
        reads=("gather",),
        holds=("tunings", "primary_metrics"),
    ),
    analysis(
        "calibration",
        "reporting.tables.calibration:analyse",
        CALIBRATION,
        title="Comparing the probabilities of {wildcards.study} with what happened",
        reads=("cells",),
        holds=("evaluation.primary", "evaluation.confidence"),
        memory_mb=4000,
        minutes=60,
    ),
)
"""What is gathered from cells and ensembles, a stage each."""
