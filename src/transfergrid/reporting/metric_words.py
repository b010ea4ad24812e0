"""What a metric is called in figures, captions and sentences, and which way is better."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

PROPER = ("Brier ", "Dice")
"""Names of people, which keep their capital within a sentence."""


@dataclass(frozen=True)
class MetricWords:
    """What a reader sees of a metric.

    Attributes:
        title: Its name, such as "AUROC".
        averaged: Whether it is computed for each task and averaged over the scored ones, of which
            there are several.
        higher_is_better: Whether a higher value is better.
        low: Least value; infinite where it has no bound.
        high: Greatest value; infinite where it has no bound.
        thresholded: Whether it cuts scores at operating points, which its intervals take as given.
    """

    title: str
    averaged: bool = True
    higher_is_better: bool = True
    low: float = -math.inf
    high: float = math.inf
    thresholded: bool = False

    @property
    def inline(self) -> str:
        """Its name within a sentence: "AUROC", "log loss"."""
        capital = len(self.title) > 1 and self.title[0].isupper() and self.title[1].islower()
        proper = self.title.startswith(PROPER)
        return self.title[0].lower() + self.title[1:] if capital and not proper else self.title

    @property
    def mean(self) -> str:
        """The score of a whole cell within a sentence: "macro AUROC", "macro log loss"."""
        return f"macro {self.inline}" if self.averaged else self.inline

    @property
    def score(self) -> str:
        """The score of a whole cell at the start of a sentence or an axis."""
        return f"Macro {self.inline}" if self.averaged else self.title

    @property
    def direction(self) -> str:
        """`` (lower is better)`` where it is; empty where higher is, as readers expect."""
        return "" if self.higher_is_better else " (lower is better)"


def of_tasks(metric: MetricWords, tasks: Iterable[str]) -> MetricWords:
    """Return a metric as it is called where these tasks are scored: of one, there is no mean."""
    return replace(metric, averaged=metric.averaged and len(set(tasks)) != 1)


SEVERAL = MetricWords("Score", averaged=False)
"""What stands for several metrics: it has no better side and no range of its own."""


def named_together(names: Iterable[str], metrics: Mapping[str, MetricWords]) -> MetricWords:
    """Return what scores in some metrics are called: the metric, or `SEVERAL` of more than one."""
    found = list(dict.fromkeys(names))
    return metrics.get(found[0], MetricWords(found[0])) if len(found) == 1 else SEVERAL


def metric_words(
    study: Mapping[str, Any], cards: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, MetricWords]:
    """Return the metrics that a study uses, by name.

    Args:
        study: The stamp's content; ``metrics`` holds their declarations.
        cards: Per data set name its card.json, where known: with one scored task there is no mean.
    """
    return {
        str(name): _words(entry, _averaged(str(name), entry, study, cards or {}))
        for name, entry in study["metrics"].items()
    }


def ranked_by(
    study: Mapping[str, Any], cards: Mapping[str, Mapping[str, Any]] | None = None
) -> MetricWords:
    """Return what a study's checkpoints are ranked by; `SEVERAL` where data sets differ."""
    return named_together(study["primary_metric"].values(), metric_words(study, cards))


def _averaged(
    name: str,
    declaration: Mapping[str, Any],
    study: Mapping[str, Any],
    cards: Mapping[str, Mapping[str, Any]],
) -> bool:
    """Tell whether a metric is a mean over tasks on some data set that it is used on."""
    extra, primary = study.get("extra_metrics", ()), study.get("primary_metric", {})
    tested = {entry["dataset"] for entry in study.get("cells", ()) if entry["role"] == "target"}
    tasks = [
        len(card["score_tasks"])
        for dataset, card in cards.items()
        if dataset in tested
        and (primary.get(dataset) == name or name in extra)
        and card.get("task_kind") in declaration["task_kinds"]
    ]
    return bool(declaration["per"] == "task" and set(tasks) != {1})


def _words(declaration: Mapping[str, Any], averaged: bool) -> MetricWords:
    low, high = declaration["range"]
    return MetricWords(
        declaration["title"],
        averaged,
        declaration["higher_is_better"],
        -math.inf if low is None else float(low),
        math.inf if high is None else float(high),
        declaration.get("operating_point") is not None,
    )
