"""The kinds of question that a study may ask: what each takes, and the code that answers it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from transfergrid.catalog.arms import arms_keys, check_baseline, lack_of_arms
from transfergrid.catalog.convergence_question import CONVERGENCE
from transfergrid.catalog.external_question import EXTERNAL_QUESTION
from transfergrid.catalog.gain_question import SIMILARITY_GAIN
from transfergrid.catalog.interaction_question import INTERACTION
from transfergrid.catalog.mean_ranks_question import MEAN_RANKS
from transfergrid.catalog.question_kind import Asked, Planned, Question, QuestionKind
from transfergrid.catalog.small_data_question import SMALL_DATA
from transfergrid.catalog.trials_question import TRIALS
from transfergrid.runtime.errors import UserError, listed, suggest


def kind_of(question: Question) -> QuestionKind:
    """Return the declaration of a question's kind; any that is not built in is a plug-in's."""
    return _BY_NAME.get(str(question["kind"]), PLUGIN)


def _margin(text: str, default: float | None, most: int = 1) -> dict[str, Any]:
    kinds = ["number", "null"] if default is None else "number"
    bounds = {"exclusiveMinimum": 0, "exclusiveMaximum": most}
    return {"description": text, "type": kinds, **bounds, "default": default}


# --- contrast


def _check_differences(question: Question, asked: Asked) -> None:
    for key in ("margin", "effect"):
        value = question.get(key)
        if value is not None and value >= asked.width:
            raise UserError(
                f"{asked.start} has the {key} {value:g}, and no two values of its metric are "
                f"further apart than {asked.width:g}; write less."
            )


def _check_contrast(question: Question, asked: Asked) -> None:
    _check_differences(question, asked)
    values = check_baseline(question, asked)
    for value in values if question["axis"] == "architecture" else ():
        _check_padding(asked, str(question["baseline"]), str(value))


def _check_padding(asked: Asked, baseline: str, value: str) -> None:
    """Refuse two variants of one network that pad differently: no other arm would be fair."""
    own, other = asked.padding.get(baseline), asked.padding.get(value)
    if own and other and own[0] == other[0] and own[1] != other[1]:
        raise UserError(
            f"{asked.start} compares '{value}' with '{baseline}', one network ({own[0]}) that pads "
            f"{other[1]} in one arm and {own[1]} in the other, so that no weights are right in "
            "both; leave one of them out with where, and give each source of weights an arm of "
            "random weights with its own padding."
        )


_CONTRAST = QuestionKind(
    name="contrast",
    answer="transfergrid.statistics.comparisons:compare",
    tell="transfergrid.reporting.page.contrast_answers",
    keys={
        **arms_keys("Axis along which cells that agree in all others are compared, seed by seed."),
        "margin": _margin(
            "Equivalence margin on the metric, such as 0.01; null asks only for a difference.",
            None,
            most=1000,
        ),
        "effect": _margin(
            "True difference at which the power is stated where there is no margin.",
            0.01,
            most=1000,
        ),
    },
    required=("axis", "baseline"),
    check=_check_contrast,
    lack=lack_of_arms,
    table="contrasts",
    otherwise="transfergrid.statistics.sensitivity:contrast_otherwise",
)

# --- correlation


def boost_of(questions: Sequence[Question], metric: str | None) -> str | None:
    """Return the contrast whose differences are the boost: the first of a metric's."""
    return next(
        (
            str(question["name"])
            for question in questions
            if question["kind"] == _CONTRAST.name
            and question["axis"] == "pretraining"
            and question["metric"] == metric
        ),
        None,
    )


def _boost(question: Question, questions: Sequence[Question]) -> str | None:
    return boost_of(questions, question["metric"]) if question["y"] == "boost" else None


def _check_correlation(question: Question, asked: Asked) -> None:
    if question["y"] == "boost" and _boost(question, asked.questions) is None:
        raise UserError(
            f"{asked.start} needs the boost, but no question is a contrast along pretraining by "
            "its metric; add one."
        )


def _networks(question: Question, cells: Collection[Planned]) -> int:
    """Return the most networks that one correlation of a question is over."""
    groups: dict[tuple[Any, ...], set[str]] = {}
    for cell in cells:
        point = cell.point
        known = question["x"] != "imagenet_top1" or cell.imagenet_top1 is not None
        if known and point.matches(question["where"]):
            key = (point.dataset, point.pretraining, point.truncation)
            groups.setdefault(key, set()).add(point.architecture)
    return max(map(len, groups.values()), default=0)


_CORRELATION = QuestionKind(
    name="correlation",
    answer="transfergrid.statistics.relations:relate",
    tell="transfergrid.reporting.page.correlation_answers",
    keys={
        "x": {
            "enum": ["imagenet_top1", "params", "macs"],
            "description": "Property of the network.",
            "default": "params",
        },
        "y": {
            "description": (
                "score, the mean over seeds, or boost, the mean difference to the baseline of the "
                "first contrast along pretraining."
            ),
            "enum": ["score", "boost"],
            "x-once": {"auroc": "score, which is the metric's value"},
            "default": "score",
        },
        "margin": _margin(
            "Largest |rho| that counts as no relation, which is shown if the interval lies within "
            "it; null asks only for a relation.",
            None,
        ),
    },
    required=("x", "y"),
    check=_check_correlation,
    builds_on=_boost,
    networks=_networks,
    table="correlations",
    otherwise="transfergrid.statistics.sensitivity:correlation_otherwise",
)

# --- family

_FAMILY = QuestionKind(
    name="family",
    answer="transfergrid.statistics.family:families",
    tell="transfergrid.reporting.page.family_answers",
    keys={
        "groups": {
            "description": (
                "Two named lists of families whose means are compared; null compares none."
            ),
            "type": ["object", "null"],
            "minProperties": 2,
            "maxProperties": 2,
            "additionalProperties": {"$ref": "#/$defs/names"},
            "default": None,
        },
    },
)

# --- efficiency and seed_noise, which build on a contrast


def _contrast(question: Question, questions: Sequence[Question]) -> str | None:
    return None if question["contrast"] is None else str(question["contrast"])


def _fits(question: Question, asked: Asked, fit: Sequence[str], needed: str) -> None:
    if question["contrast"] is not None and question["contrast"] not in fit:
        there = f"the study has {listed(fit)}" if fit else "the study has none, so add one"
        raise UserError(
            f"{asked.start} builds on the contrast '{question['contrast']}'"
            f"{suggest(question['contrast'], fit)}; it must name {needed}; {there}."
        )


def _contrasts(questions: Sequence[Question]) -> list[Question]:
    return [question for question in questions if question["kind"] == _CONTRAST.name]


def _check_cuts(question: Question, asked: Asked) -> None:
    _check_differences(question, asked)
    fit = [
        str(other["name"])
        for other in _contrasts(asked.questions)
        if (other["axis"], other["baseline"]) == ("truncation", 0)
    ]
    _fits(question, asked, fit, "a contrast along truncation with the baseline 0")


def _check_seed_noise(question: Question, asked: Asked) -> None:
    fit = [str(other["name"]) for other in _contrasts(asked.questions)]
    _fits(question, asked, fit, "a contrast")
    if question["contrast"] is not None and question["metric"] is not None:
        raise UserError(
            f"{asked.start} names a contrast and a metric; the contrast has its own, so leave the "
            "metric out."
        )
    if question["contrast"] is not None and question["axis"] != "architecture":
        raise UserError(
            f"{asked.start} names a contrast and the axis {question['axis']}; differences are set "
            "beside networks, so leave one of the two out."
        )


_EFFICIENCY = QuestionKind(
    name="efficiency",
    answer="transfergrid.statistics.efficiency:efficiency",
    tell="transfergrid.reporting.page.efficiency_answers",
    keys={
        "contrast": {
            "$ref": "#/$defs/word",
            "description": "The contrast along truncation to judge cuts by.",
        },
        "margin": _margin(
            "Largest loss, in the contrast's metric, that counts as none.", 0.01, most=1000
        ),
    },
    required=("contrast",),
    scores=False,
    where=False,
    check=_check_cuts,
    builds_on=_contrast,
)
_SEED_NOISE = QuestionKind(
    name="seed_noise",
    answer="transfergrid.statistics.seed_noise:seed_noise",
    tell="transfergrid.reporting.page.seed_noise_answers",
    keys={
        "contrast": {
            "description": "A contrast whose differences are taken; null takes the metric itself.",
            "anyOf": [{"$ref": "#/$defs/word"}, {"type": "null"}],
            "default": None,
        },
        "axis": {
            "description": "Axis whose values are set beside the seeds; a contrast takes networks.",
            "enum": ["architecture", "pretraining", "truncation"],
            "default": "architecture",
        },
    },
    check=_check_seed_noise,
    builds_on=_contrast,
)

# --- ranking

_RANKING = QuestionKind(
    name="ranking",
    answer="transfergrid.statistics.ranking:ranking",
    tell="transfergrid.reporting.page.ranking_answers",
)

# --- what no study asks, and what a study brings with it

PUBLISHED = QuestionKind(
    name="published",
    answer="transfergrid.statistics.published:published",
    tell="transfergrid.reporting.page.published_answers",
    unasked="published against ours",
)
_ALIKE = QuestionKind(
    name="alike",
    answer="transfergrid.statistics.alike:alike",
    tell="transfergrid.reporting.page.alike_answers",
    unasked="sources compared",
)
_REUSE = QuestionKind(
    name="reuse",
    answer="transfergrid.statistics.reuse:reuse",
    tell="transfergrid.reporting.page.reuse_answers",
    unasked="reuse of features",
)
FIRST_VERSION = QuestionKind(
    name="first_version",
    answer="transfergrid.statistics.first_version:first_version",
    tell="transfergrid.reporting.page.first_version_answers",
    unasked="published, v1 of February 2023",
)
PUBLISHED_SCORES = QuestionKind(
    name="published_scores",
    answer="transfergrid.statistics.published_scores:published_scores",
    tell="transfergrid.reporting.page.published_scores_answers",
    unasked="published table",
)
PLUGIN = QuestionKind(
    name="module:function of your own",
    answer="transfergrid.statistics.plugin:answered",
    tell="transfergrid.reporting.page.plugin_answers",
    keys={
        "text": {
            "description": "The question in words, as the page asks it; null takes its name.",
            "type": ["string", "null"],
            "minLength": 1,
            "maxLength": 200,
            "default": None,
        },
        "options": {
            "description": "Settings of your own; a number that is whole arrives as an integer.",
            "type": "object",
            "default": {},
        },
    },
)
"""The kind of every question whose code comes with the study."""
QUESTION_KINDS: tuple[QuestionKind, ...] = (
    _CONTRAST,
    INTERACTION,
    _CORRELATION,
    _FAMILY,
    _EFFICIENCY,
    _SEED_NOISE,
    _RANKING,
    MEAN_RANKS,
    TRIALS,
    SIMILARITY_GAIN,
    CONVERGENCE,
    SMALL_DATA,
    EXTERNAL_QUESTION,
    PUBLISHED,
    _ALIKE,
    _REUSE,
    FIRST_VERSION,
    PUBLISHED_SCORES,
)
"""Every built-in kind, in the order in which they are answered: one may build on those before."""
_BY_NAME = {kind.name: kind for kind in QUESTION_KINDS}


def answering() -> tuple[str, ...]:
    """Return the modules that answer questions, which `QuestionKind` names as text."""
    kinds = (*QUESTION_KINDS, PLUGIN)
    named = [name for kind in kinds for name in (kind.answer, kind.otherwise) if name]
    return tuple(dict.fromkeys(name.partition(":")[0] for name in named))


def telling() -> tuple[str, ...]:
    """Return the modules that put questions and their answers into words."""
    return tuple(kind.tell for kind in (*QUESTION_KINDS, PLUGIN))
