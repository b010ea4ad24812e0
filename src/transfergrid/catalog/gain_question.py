"""The question whether similarity of networks goes with what they gain."""

from __future__ import annotations

from transfergrid.catalog.question_kind import Asked, Question, QuestionKind
from transfergrid.runtime.errors import UserError, listed, suggest

MEASURES = (
    "mean_cca",
    "svcca",
    "pwcca_xy",
    "pwcca_yx",
    "cka",
    "cka_debiased",
    "procrustes",
)
"""Measures of similarity, as similarity.csv names them."""
PAIRS = ("before_after", "sources_before", "sources_after", "seeds", "protocols", "random", "drawn")
"""Reasons for a pair, as similarity.csv names them."""


def _check_gain(question: Question, asked: Asked) -> None:
    settings, baseline, layer = asked.similarity, question["baseline"], question["layer"]
    if settings is None:
        raise UserError(
            f"{asked.start} needs similarities, but the study has no key similarity; add one."
        )
    if question["pair"] not in settings["pairs"]:
        raise UserError(
            f"{asked.start} is about the pair {question['pair']}, which similarity.pairs leaves "
            f"out; it names {listed(settings['pairs'])}."
        )
    there = settings["layers"]
    if layer is not None and there != "stages" and layer not in there:
        raise UserError(
            f"{asked.start} is about the layer '{layer}'{suggest(layer, there)}, which "
            f"similarity.layers leaves out; it names {listed(there)}."
        )
    # The random arm is no part of a slice along pretraining.
    where = {axis: v for axis, v in question["where"].items() if axis != "pretraining"}
    values = list(dict.fromkeys(p.pretraining for p in asked.points if p.matches(where)))
    if baseline not in values:
        raise UserError(
            f"{asked.start} has the baseline '{baseline}', which is no pretraining of its "
            f"cells{suggest(baseline, values)}; they have {listed(values)}."
        )
    if values == [baseline]:
        raise UserError(
            f"{asked.start} has no pretraining but its baseline, '{baseline}'; add one."
        )


SIMILARITY_GAIN = QuestionKind(
    name="similarity_gain",
    answer="transfergrid.statistics.gains:similarity_gain",
    tell="transfergrid.reporting.page.gain_answers",
    keys={
        "measure": {
            "description": "Measure of similarity.",
            "enum": list(MEASURES),
            "default": "cka_debiased",
        },
        "layer": {
            "description": (
                "End of a block (stem, block1 and so on), or pooled, what goes into the "
                "classifier; null takes each layer by itself."
            ),
            "anyOf": [{"$ref": "#/$defs/word"}, {"type": "null"}],
            "default": None,
        },
        "pair": {
            "description": "Which states are compared; one of similarity.pairs.",
            "enum": list(PAIRS),
            "default": "before_after",
        },
        "baseline": {
            "$ref": "#/$defs/word",
            "description": "The pretraining that gain is measured over.",
            "default": "random",
        },
    },
    scores=False,
    beside=("gains",),
    check=_check_gain,
)
