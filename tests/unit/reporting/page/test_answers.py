"""Questions, and the quantities that answer them, in words."""

from __future__ import annotations

import math

from unit.reporting.page.asked import MANNER, shown

from transfergrid.reporting.page.answers import question_text


def test_quantities_stand_under_their_question_means_first_and_blanks_last() -> None:
    row = {"question": "cuts", "kind": "efficiency", "networks": "mean", "subject": "m"}
    rows = [
        {**row, "quantity": "blocks_no_loss_found", "value": math.nan},
        {**row, "quantity": "macs_ratio_non_inferior", "value": 2, "networks": "a"},
        {**row, "quantity": "params_ratio_non_inferior", "value": 3},
        {**row, "question": "other", "quantity": "seed_sd", "value": 0.004},
    ]
    noise = {"name": "other", "kind": "seed_noise", "where": {}}
    first, second = shown({"name": "cuts", "kind": "efficiency"}, noise, findings=rows)
    assert first.text == "How far can networks be cut and lose less than the margin?"
    assert [(one.quantity, one.value) for one in first.findings] == [
        ("parameters, whole / cut, largest cut shown to lose less than the margin", "3"),
        ("multiply-accumulates, whole / cut, largest cut shown to lose less than the margin", "2"),
        (
            "blocks removed, largest cut before a loss is found, which depends on the test set's "
            "size",
            "–",
        ),
    ]
    assert second.text == "How far do seeds spread, against networks?"
    assert [(one.quantity, one.value) for one in second.findings] == [("SD between seeds", "0.004")]


def test_what_no_study_asks_is_shown_where_it_has_rows() -> None:
    row = {"question": "published against ours", "kind": "published", "networks": ""}
    row |= {"subject": "s", "quantity": "mean_difference", "value": 0.1}
    assert shown() == []
    (question,) = shown(findings=[row])
    assert question.text.startswith("How do the AUROCs of the paper's own figure")
    assert question.findings[0].quantity == "mean of ours minus the figure's"


def test_a_question_of_the_user_s_own_is_told_in_the_user_s_words() -> None:
    own = {"name": "rank_of_nets", "kind": "my_lab:rank", "text": "Which net is best?"}
    row = {"question": "rank_of_nets", "networks": "", "subject": "films", "value": 1.5}
    (question,) = shown(own, findings=[{**row, "quantity": "best_by"}])
    assert question.text == "Which net is best?"
    assert (question.findings[0].quantity, question.findings[0].value) == ("best by", "1.5")
    (question,) = shown({**own, "text": None})
    assert question.text == "Rank of nets?"


def test_questions_in_words() -> None:
    contrast = {"kind": "contrast", "axis": "pretraining", "baseline": "random"}
    assert question_text(contrast, MANNER) == (
        "What do other initial weights change, compared with random weights?"
    )
    cut = {"kind": "contrast", "axis": "truncation", "baseline": 0, "where": {"dataset": "chest"}}
    assert question_text(cut, MANNER).endswith("compared with the whole network (on chest only)?")
    size = {"kind": "correlation", "x": "params", "y": "boost", "where": {"truncation": 0}}
    assert question_text(size, MANNER) == (
        "Does the number of parameters go with the boost (whole networks)?"
    )
