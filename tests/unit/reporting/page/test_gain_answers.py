"""Similarity against gain in words: pooled, within, and that they disagree."""

from __future__ import annotations

import pandas as pd
from unit.statistics.test_gains import QUESTION, basis_of, cells_of, similarity_of

from transfergrid.reporting.metric_words import MetricWords
from transfergrid.reporting.page.answer import Manner
from transfergrid.reporting.page.answers import question_text, questions
from transfergrid.reporting.page.gain_answers import method
from transfergrid.statistics.gains import similarity_gain

MANNER = Manner(0.95, {"auroc": MetricWords("auroc")}, frozenset({"auroc"}))


def test_the_page_tells_both_correlations_and_that_they_disagree() -> None:
    cells = cells_of()
    # A little noise, without which r is exactly -1 and has no interval.
    cells["score"] += [0.001 * ((7 * number) % 5 - 2) for number in range(len(cells))]
    found = similarity_gain(QUESTION, basis_of(cells, similarity=similarity_of()))
    rows = pd.DataFrame([row.columns() for row in found.rows])
    tables = {"findings": rows}
    (shown,) = questions([QUESTION], tables, MANNER)
    assert len(shown.answers) == 4 and len(shown.findings) == 8
    within = [a for a in shown.answers if a.lead.startswith("Within a data set gain falls")]
    assert len(within) == 2 and all(answer.number.startswith("r −") for answer in within)
    assert all("opposite sign of what" in " ".join((*a.support, *shown.common)) for a in within)
    assert any("data sets no relation" in a.lead or "gain rises" in a.lead for a in shown.answers)


def test_methods_say_when_the_two_are_set_against_each_other() -> None:
    (found,) = method(pd.DataFrame())
    for part in ("where its interval excludes 0", "not adjusted for the number of layers"):
        assert part in found


def test_the_question_in_words() -> None:
    assert question_text({**QUESTION, "where": {"protocol": "freeze"}}, MANNER) == (
        "Does the similarity of a network after training with what it started from in block1, by "
        "CKA, go with the gain over random weights (recipe freeze only)?"
    )
    anywhere = question_text({**QUESTION, "layer": None, "pair": "sources_after"}, MANNER)
    assert "of networks from two sources, trained alike, by CKA" in anywhere
