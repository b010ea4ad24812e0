"""The metrics: what each is called, which way is better, and the code that computes it."""

from __future__ import annotations

import math

from transfergrid.catalog.mask_metrics import MASK_METRICS
from transfergrid.catalog.metric import Choice, Metric, Setting

__all__ = ["LABEL_METRICS", "METRICS", "Choice", "Metric", "Setting"]

LABEL_METRICS: tuple[Metric, ...] = (
    Metric(
        name="auroc",
        title="AUROC",
        task_kinds=("multilabel", "multiclass"),
        function="transfergrid.metrics.influence:influence_values",
        estimate="transfergrid.metrics.auroc:auroc",
        no_skill=0.5,
        roc_area=True,
        interval="transfergrid.metrics.auroc_interval:bounds",
        source="DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44:837-845",
    ),
    Metric(
        name="average_precision",
        title="Average precision",
        task_kinds=("multilabel", "multiclass"),
        function="transfergrid.metrics.average_precision:average_precision",
        note="a sum of steps without interpolation; what chance gives is the share of positives",
        source="Davison and Hinkley 1997, Bootstrap Methods and their Application, section 2.7",
    ),
    Metric(
        name="brier",
        title="Brier score",
        task_kinds=("multilabel", "multiclass"),
        function="transfergrid.metrics.brier:brier_score",
        higher_is_better=False,
        note="for classes each one against the rest, which is the score over all classes divided "
        "by their number",
        source="Brier 1950, Monthly Weather Review 78:1-3",
    ),
    Metric(
        name="log_loss",
        title="Log loss",
        task_kinds=("multilabel", "multiclass"),
        function="transfergrid.metrics.log_loss:log_loss",
        higher_is_better=False,
        range=(0.0, math.inf),
        settings=(Setting("clip", 1e-7, 0.0, 0.5),),
        note="in natural units; probabilities are clipped to {clip:g} from 0 and 1, so that no "
        "case costs more than the logarithm of that; for classes each one against the rest",
        source="Good 1952, Journal of the Royal Statistical Society B 14:107-114",
    ),
    Metric(
        name="sensitivity",
        title="Sensitivity at a specificity of {specificity:g}",
        task_kinds=("multilabel", "multiclass"),
        function="transfergrid.metrics.sensitivity:sensitivity",
        operating_point="transfergrid.metrics.sensitivity:threshold_at_specificity",
        settings=(Setting("specificity", 0.9, 0.0, 1.0),),
        note="the threshold has that specificity on the validation set",
        source="Dean and Pagano 2015, J. Surv. Stat. Methodol. 3:484-503 (interval)",
    ),
    Metric(
        name="balanced_accuracy",
        title="Balanced accuracy",
        task_kinds=("multilabel", "multiclass"),
        function="transfergrid.metrics.balanced_accuracy:balanced_accuracy",
        no_skill=0.5,
        interval="transfergrid.metrics.balanced_accuracy:bounds",
        operating_point="transfergrid.metrics.balanced_accuracy:best_threshold",
        note="the threshold is the best one on the validation set",
        source="Youden 1950, Cancer 3:32-35",
    ),
    Metric(
        name="accuracy",
        title="Accuracy",
        task_kinds=("multiclass",),
        function="transfergrid.metrics.class_accuracy:class_accuracy",
        per="case",
        interval="transfergrid.metrics.intervals:share_bounds",
        note="the most probable class counts",
        source="Dean and Pagano 2015, J. Surv. Stat. Methodol. 3:484-503 (interval)",
    ),
    Metric(
        name="quadratic_kappa",
        title="Quadratic kappa",
        task_kinds=("multiclass",),
        function="transfergrid.metrics.quadratic_kappa:quadratic_kappa",
        range=(-1.0, 1.0),
        no_skill=0.0,
        per="case",
        note="the most probable class counts; classes are in the order of the data set's tasks, "
        "which must be theirs",
        source="Cohen 1968, Psychological Bulletin 70:213-220",
    ),
    Metric(
        name="macro_f1",
        title="Macro F1",
        task_kinds=("multiclass",),
        function="transfergrid.metrics.macro_f1:macro_f1",
        per="case",
        note="the most probable class counts",
        source="Opitz and Burst 2019, arXiv:1911.03347 (the mean of F1, not F1 of means)",
    ),
)
"""The metrics of labels."""

METRICS: tuple[Metric, ...] = (*LABEL_METRICS, *MASK_METRICS)
"""Every built-in metric; a study may name its own under ``metrics``."""
