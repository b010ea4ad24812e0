"""The question how soon trainings reach a level of their validation metric."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from transfergrid.catalog.arms import arms_keys, check_baseline, lack_of_arms
from transfergrid.catalog.question_kind import Asked, Question, QuestionKind
from transfergrid.runtime.errors import UserError

_MOST_STEPS = 10**9


def _check_convergence(question: Question, asked: Asked) -> None:
    check_baseline(question, asked)
    level = question["level"]
    if (level is None) == (question["share"] is None):
        raise UserError(
            f"{asked.start} needs one level: level, a value of the validation metric that is fixed "
            "before any result, or share, of the best arm's final value; write one of them."
        )
    horizon, budgets = question["horizon"], question["budgets"] or ()
    if horizon is not None and max(budgets, default=0) > horizon:
        raise UserError(
            f"{asked.start} has the budget {max(budgets)} beyond its horizon of {horizon} steps, "
            "after which nothing is looked at; write a smaller budget or a longer horizon."
        )
    for dataset, (low, high) in asked.ranges.items() if level is not None else ():
        if not low < level < high:
            raise UserError(
                f"{asked.start} has the level {level:g}, which {dataset}'s metric passes never or "
                f"always: it lies between {low:g} and {high:g}; write a level within, or leave the "
                "data set out with where."
            )
        if level <= asked.no_skill.get(dataset, -math.inf):
            raise UserError(
                f"{asked.start} has the level {level:g}, but {dataset}'s metric is "
                f"{asked.no_skill[dataset]:g} for a network that has learned nothing; write a "
                "level above that, or leave the data set out with where."
            )


def _few_seeds(question: Question, found: Collection[Any], alpha: float) -> str:
    axis, baseline = question["axis"], question["baseline"]
    seeds: dict[Any, set[int]] = {}
    for point in found:
        seeds.setdefault(getattr(point, axis), set()).add(point.seed)
    others = [len(own) for arm, own in seeds.items() if arm != baseline]
    if baseline not in seeds or not others:
        return ""
    own, other = len(seeds[baseline]), max(others)
    if min(own, other) < 2:
        return "has one seed in an arm, which gives no interval and no test; use three at least."
    least = 2 / math.comb(own + other, own)
    if least <= alpha:
        return ""
    return (
        f"cannot be decided by its permutation test, whose p-value with {own} seeds against "
        f"{other} is {least:.2g} at least; its verdict rests on Welch's t test."
    )


CONVERGENCE = QuestionKind(
    name="convergence",
    answer="transfergrid.statistics.convergence:convergence",
    tell="transfergrid.reporting.page.convergence_answers",
    keys={
        **arms_keys("Axis along which trainings that agree in all others are compared."),
        "level": {
            "description": (
                "Value of the validation metric that trainings are to reach, fixed before any "
                "result; null where a share is given."
            ),
            "type": ["number", "null"],
            "minimum": -1000,
            "maximum": 1000,
            "default": None,
        },
        "share": {
            "description": (
                "The level as a share of the best arm's mean value at the end of training, which "
                "is known when all runs are done; of a metric of which less is better, that value "
                "over the share."
            ),
            "type": ["number", "null"],
            "exclusiveMinimum": 0,
            "maximum": 1,
            "default": None,
        },
        "horizon": {
            "description": "Optimiser steps after which time is cut; null takes all that there is.",
            "type": ["integer", "null"],
            "minimum": 1,
            "maximum": _MOST_STEPS,
            "default": None,
        },
        "budgets": {
            "description": (
                "Optimiser steps within which the best values are compared; null takes an eighth, "
                "a quarter, a half and all of the shortest training."
            ),
            "type": ["array", "null"],
            "items": {"type": "integer", "minimum": 1, "maximum": _MOST_STEPS},
            "minItems": 1,
            "uniqueItems": True,
            "default": None,
        },
    },
    scores=False,
    check=_check_convergence,
    lack=lack_of_arms,
    few=_few_seeds,
    table="convergence",
    beside=("budgets", "reached"),
    shown=("budgets", "reached"),
)
