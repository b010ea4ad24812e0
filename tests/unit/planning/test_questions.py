from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.unit.planning.made_up_plan import planned

from transfergrid.runtime.errors import UserError

QUESTIONS: list[dict[str, Any]] = [
    {"name": "of_cut", "kind": "efficiency", "contrast": "cut"},
    {"name": "cut", "kind": "contrast", "axis": "truncation", "baseline": 0},
    {"name": "boost", "kind": "contrast", "axis": "pretraining", "baseline": "random"},
    {"name": "size", "kind": "correlation", "x": "params", "y": "score"},
    {"name": "size_boost", "kind": "correlation", "x": "params", "y": "boost"},
    {"name": "noise", "kind": "seed_noise", "contrast": "boost"},
    {"name": "cut_noise", "kind": "seed_noise", "where": {"truncation": 1}},
]
ASKS: dict[str, Any] = {
    "questions": QUESTIONS,
    "cams": {"where": {"truncation": 1, "seed": 0}},
    "claims": {"about": ["cxt.trunc.ratio"], "where": {"pretraining": "shapes"}},
}
ALL = [question["name"] for question in QUESTIONS]


def test_without_a_slice_all_is_asked(tmp_path: Path) -> None:
    study = planned(tmp_path, ASKS)
    assert [question["name"] for question in study.study.config["questions"]] == ALL
    assert study.warnings == ()


@pytest.mark.parametrize(
    ("only", "kept", "words"),
    [
        ({"seeds": [0]}, ALL, []),
        (
            {"truncations": [0]},
            ["boost", "size", "size_boost", "noise"],
            [
                "'of_cut' .* no 'cut', which it builds on",
                "'cut' .* no truncation of it but the baseline 0",
                "'cut_noise' .* no cell of it",
                "no activation maps, .* cams.where {'seed': 0, 'truncation': 1}",
            ],
        ),
        (
            {"truncations": [1]},
            ["boost", "size", "size_boost", "noise", "cut_noise"],
            ["'of_cut' .* no 'cut'", "'cut' .* no cell with its baseline, truncation 0"],
        ),
        (
            {"pretrainings": ["random"]},
            ["of_cut", "cut", "size", "cut_noise"],
            [
                "'boost' .* no pretraining of it but the baseline random",
                "'size_boost' .* no 'boost', which it builds on",
                "'noise' .* no 'boost'",
                "no claim is tested, .* claims.where {'pretraining': 'shapes'}",
            ],
        ),
        ({"seeds": ["1"]}, ALL, ["no activation maps"]),
    ],
)
def test_a_slice_leaves_out_what_it_has_no_cells_for(
    tmp_path: Path, only: dict[str, Any], kept: list[str], words: list[str]
) -> None:
    study = planned(tmp_path, {**ASKS, "only": only})
    assert [question["name"] for question in study.study.config["questions"]] == kept
    told = study.stamps["report"][1]["slice"]
    assert told["kept"] == len(study.targets) < told["whole"]
    assert sorted([*told["questions"], *kept]) == sorted(ALL)
    assert len(study.warnings) == len(words)
    for warning, pattern in zip(study.warnings, words, strict=True):
        assert re.search(pattern, warning), warning
        assert warning.endswith(".") and "study.yaml" in warning
    maps = not any("activation maps" in warning for warning in study.warnings)
    assert bool(study.cam_cells) is maps
    assert ("cams" in study.stamps) is maps


def test_the_report_of_a_whole_study_names_no_slice(tmp_path: Path) -> None:
    content = planned(tmp_path, ASKS).stamps["report"][1]
    assert content["slice"] is None
    assert content["source"] is None  # the file lies outside the project


def test_the_boost_is_that_of_the_first_contrast_or_of_none(tmp_path: Path) -> None:
    # Under a slice the second contrast must not come to stand for the first.
    boost = {"kind": "contrast", "axis": "pretraining"}
    first = {"name": "first", "baseline": "random", "where": {"seed": 1}, **boost}
    second = {"name": "second", "baseline": "random", **boost}
    size = {"name": "size", "kind": "correlation", "x": "params", "y": "boost"}
    asked = {"questions": [first, second, size], "only": {"seeds": [0]}}
    study = planned(tmp_path, asked)
    assert [question["name"] for question in study.study.config["questions"]] == ["second"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"questions": [{"name": "f", "kind": "family", "where": {"seed": 7}}]}, "question 'f'"),
        ({"cams": {"where": {"seed": 7}}}, "cams.where is {'seed': 7}, which no cell of the grid"),
        ({"claims": {"about": [], "where": {"seed": 7}}}, "claims.where is {'seed': 7}"),
    ],
)
@pytest.mark.parametrize("only", [{}, {"seeds": [0]}])
def test_what_the_whole_grid_cannot_answer_is_a_mistake_in_any_slice(
    tmp_path: Path, change: dict[str, Any], message: str, only: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match=message):
        planned(tmp_path, {**change, "only": only})
