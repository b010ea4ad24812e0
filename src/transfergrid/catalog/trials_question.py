"""The question whether an arm is better than the baseline over several trials."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from transfergrid.catalog.arms import arms_keys, check_baseline, lack_of_arms
from transfergrid.catalog.question_kind import Asked, Question, QuestionKind


def _check_trials(question: Question, asked: Asked) -> None:
    check_baseline(question, asked)


def _few_trials(question: Question, found: Collection[Any], alpha: float) -> str:
    seeds = {point.seed for point in found}
    return "" if len(seeds) > 1 else "has one seed, and so no trials to compare; use several."


TRIALS = QuestionKind(
    name="trials",
    answer="transfergrid.statistics.trials:trials",
    tell="transfergrid.reporting.page.trials_answers",
    keys={
        **arms_keys("Axis along which cells that agree in all others are compared."),
        "test": {
            "description": (
                "Test that the verdict rests on: welch takes the trials of both arms as "
                "independent, paired takes those of one seed as a pair. Both are in the table."
            ),
            "enum": ["welch", "paired"],
            "default": "welch",
        },
    },
    check=_check_trials,
    lack=lack_of_arms,
    few=_few_trials,
    table="trials",
)
