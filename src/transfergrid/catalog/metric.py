"""What is declared of a metric."""

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
class Choice:
    """A word that a metric takes.

    Attributes:
        name: Key in studies, and keyword argument of the metric's functions.
        default: Its value unless a study says otherwise.
        allowed: What it may be.
    """

    name: str
    default: str
    allowed: tuple[str, ...]


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
        no_skill: Its value for scores that say nothing, where no data are needed to know it.
        roc_area: Whether it is the area under the ROC curve: DeLong's test and a bootstrap that
            counts ranks are for it alone, and it is what published scores are compared with.
        per: "task": computed for each task and averaged over the scored ones; "case": one number
            over all classes of a case.
        interval: ``module:function`` of bounds of its own, or None for
            `transfergrid.metrics.intervals.general_bounds`.
        operating_point: ``module:function`` that fixes a threshold for each task on validation
            scores, or None for a metric without one.
        settings: What a study may set.
        note: What a reader must know of how it is computed, such as where it is clipped.
        source: Where the method comes from.
        least_patients: With fewer patients an interval is flagged ``few_patients``, in the place of
            what is said of patients of a class; 0 for a metric that classes matter to.
        outlines: Whether it needs distances of outlines, and not only counts of pixels.
    """

    name: str
    title: str
    task_kinds: tuple[str, ...]
    function: str
    estimate: str | None = None
    higher_is_better: bool = True
    range: tuple[float, float] = (0.0, 1.0)
    no_skill: float | None = None
    roc_area: bool = False
    per: Literal["task", "case"] = "task"
    interval: str | None = None
    operating_point: str | None = None
    settings: tuple[Setting | Choice, ...] = ()
    note: str = ""
    source: str = ""
    least_patients: int = 0
    outlines: bool = False
