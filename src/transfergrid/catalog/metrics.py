"""The metrics: what each is called, which way is better, and the code that computes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Metric:
    """A number that scores a set of predictions.

    Attributes:
        name: Key in studies, and the value of the column ``metric``.
        title: Name in figures and on the page, such as "AUROC".
        task_kinds: The kinds of task that it is defined for.
        function: ``module:function`` that returns estimates and each case's contribution; see
            `transfergrid.metrics.scoring` for its contract.
        higher_is_better: Whether a higher value is better.
        range: Least and greatest value; infinite where it has no bound.
        per: "task": computed for each task and averaged over the scored ones; "case": one number
            over all classes of a case.
        interval: ``module:function`` of an interval of its own, or None for the general one.
        operating_point: ``module:function`` that fixes a threshold for each task on validation
            scores, or None for a metric without one.
        settings: Keys that a study may set, with their defaults.
        note: What a reader must know of how it is computed, such as where it is clipped.
        source: Where the method comes from.
    """

    name: str
    title: str
    task_kinds: tuple[str, ...]
    function: str
    higher_is_better: bool = True
    range: tuple[float, float] = (0.0, 1.0)
    per: Literal["task", "case"] = "task"
    interval: str | None = None
    operating_point: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    source: str = ""


METRICS: tuple[Metric, ...] = (
    Metric(
        name="auroc",
        title="AUROC",
        task_kinds=("multilabel", "multiclass"),
        function="transfergrid.metrics.influence:influence_values",
        interval="transfergrid.metrics.intervals:intervals",
        source="DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44:837-845",
    ),
)
"""Every built-in metric; a study may name its own under ``metrics``."""
