"""The metrics: what each is called, which way is better, and the code that computes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Setting:
    """A number that a metric takes.

    Attributes:
        name: Key in studies, and keyword argument of the metric's functions.
        default: Its value unless a study says otherwise.
        above: It is greater than this.
        below: It is less than this.
    """

    name: str
    default: float
    above: float
    below: float


@dataclass(frozen=True)
class Metric:
    """A number that scores a set of predictions.

    Attributes:
        name: Key in studies, and the value of the column ``metric``.
        title: Name in figures and on the page, such as "AUROC".
        task_kinds: The kinds of task that it is defined for.
        function: ``module:function`` that returns estimates and each case's contribution; see
            `docs/extending.md` for its contract.
        estimate: ``module:function`` from scores and labels to estimates alone, where that is
            cheaper, or None.
        higher_is_better: Whether a higher value is better.
        range: Least and greatest value; infinite where it has no bound.
        per: "task": computed for each task and averaged over the scored ones; "case": one number
            over all classes of a case.
        interval: ``module:function`` of bounds of its own, or None for
            `transfergrid.metrics.intervals.general_bounds`.
        operating_point: ``module:function`` that fixes a threshold for each task on validation
            scores, or None for a metric without one.
        settings: What a study may set.
        note: What a reader must know of how it is computed, such as where it is clipped.
        source: Where the method comes from.
    """

    name: str
    title: str
    task_kinds: tuple[str, ...]
    function: str
    estimate: str | None = None
    higher_is_better: bool = True
    range: tuple[float, float] = (0.0, 1.0)
    per: Literal["task", "case"] = "task"
    interval: str | None = None
    operating_point: str | None = None
    settings: tuple[Setting, ...] = ()
    note: str = ""
    source: str = ""


METRICS: tuple[Metric, ...] = (
    Metric(
        name="auroc",
        title="AUROC",
        task_kinds=("multilabel", "multiclass"),
        function="transfergrid.metrics.influence:influence_values",
        estimate="transfergrid.metrics.auroc:auroc",
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
)
"""Every built-in metric; a study may name its own under ``metrics``."""
