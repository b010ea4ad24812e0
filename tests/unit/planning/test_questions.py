from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.planning.made_up_plan import grid, planned

from transfergrid.catalog.questions import kind_of
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


GAIN: dict[str, Any] = {"name": "g", "kind": "similarity_gain"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"similarity": None}, "question 'g' needs similarities, but the study has no key similar"),
        (
            {"similarity": {"pairs": ["seeds"]}},
            "the pair before_after, which similarity.pairs leav",
        ),
        (
            {"similarity": {"layers": ["stem"]}, "questions": [{**GAIN, "layer": "block1"}]},
            "layer 'block1', which similarity.layers leaves out; it names stem",
        ),
        (
            {"questions": [{**GAIN, "baseline": "rnadom"}]},
            "baseline 'rnadom', which is no pretrain",
        ),
        ({"questions": [{**GAIN, "measure": "rsa"}]}, "measure"),
    ],
)
def test_gain_needs_similarities_and_a_random_arm(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    asked = {"questions": [GAIN], "similarity": {}, **change}
    with pytest.raises(UserError, match=re.escape(message)):
        planned(tmp_path, asked)


def test_gain_along_one_pretraining_keeps_its_baseline(tmp_path: Path) -> None:
    asked = {"questions": [{**GAIN, "where": {"pretraining": "shapes"}}], "similarity": {}}
    study = planned(tmp_path, asked)
    stage = study.stamps["statistics"][1]
    assert stage["similarity"]["pairs"] and "gains" in stage["columns"]


SOURCES: dict[str, Any] = {"name": "i", "kind": "interaction", "axis": "truncation"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"of": [1, 0], "against": [2, 0]}, "names 2, which is no truncation of its cells; they"),
        ({"of": [1, 0], "against": [1, 0]}, "so that there is no difference, or the same one twi"),
        ({"of": [1, 1], "against": [1, 0]}, "compares 1, 1 against 1, 0"),
        ({"of": [1], "against": [1, 0]}, "of"),
    ],
)
def test_an_interaction_needs_two_differences(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        planned(tmp_path, {"questions": [{**SOURCES, **change}]})


def test_a_slice_without_an_arm_leaves_an_interaction_out(tmp_path: Path) -> None:
    asked = {"questions": [{**SOURCES, "of": [1, 0], "against": [0, 1]}]}
    assert planned(tmp_path, asked).warnings == ()
    (warning,) = planned(tmp_path, {**asked, "only": {"truncations": [0]}}).warnings
    assert "no cell with truncation 1" in warning


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
                "no activation maps, .* cams.where { seed: 0, truncation: 1 }",
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
                "no claim is tested, .* claims.where { pretraining: shapes }",
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
        ({"cams": {"where": {"seed": 7}}}, "cams.where is { seed: 7 }, which no cell of the grid"),
        ({"claims": {"about": [], "where": {"seed": 7}}}, "claims.where is { seed: 7 }"),
    ],
)
@pytest.mark.parametrize("only", [{}, {"seeds": [0]}])
def test_what_the_whole_grid_cannot_answer_is_a_mistake_in_any_slice(
    tmp_path: Path, change: dict[str, Any], message: str, only: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match=message):
        planned(tmp_path, {**change, "only": only})


BOOST = {"name": "boost", "kind": "contrast", "axis": "pretraining", "baseline": "random"}
CUT = {"name": "cut", "kind": "contrast", "axis": "truncation", "baseline": 0}
NOISE = {"name": "n", "kind": "seed_noise"}
SPEED = {"name": "speed", "kind": "convergence", "axis": "pretraining", "baseline": "random"}


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        (
            [{**BOOST, "metric": "aurok"}],
            "'boost': there is no metric 'aurok' .did you mean 'auroc'",
        ),
        (
            [{**BOOST, "metric": "accuracy"}],
            "'boost' asks for the metric 'accuracy', but data set .* is multilabel, .* choose one",
        ),
        ([{**BOOST, "margin": 1.5}], "'boost' has the margin 1.5, .* further apart than 1; write"),
        ([{**BOOST, "effect": 2}], "'boost' has the effect 2, and no two values of its metric"),
        (
            [CUT, {"name": "e", "kind": "efficiency", "contrast": "cut", "margin": 1}],
            "the margin 1",
        ),
        ([{**BOOST, "kind": "kontrast"}], r"kind' is 'kontrast'.*did you mean 'contrast'"),
        ([{"name": "q", "kind": "correlation", "x": "params", "y": "auroc"}], "write score, which"),
        ([{**BOOST, "metrik": "brier"}], r"no setting 'metrik' .did you mean 'metric'"),
        (
            [BOOST, {"name": "n", "kind": "seed_noise", "contrast": "boost", "metric": "brier"}],
            "'n' names a contrast and a metric; the contrast has its own",
        ),
        (
            [BOOST, {**CUT, "name": "boost"}],
            "two questions are named 'boost'; rename one",
        ),
        (
            [
                BOOST,
                {"name": "q", "kind": "correlation", "x": "macs", "y": "boost", "metric": "brier"},
            ],
            "'q' needs the boost, but no question is a contrast along pretraining by its metric",
        ),
        ([SPEED], "'speed' needs one level: level, .* before any result, or share, .* write one"),
        ([{**SPEED, "level": 0.8, "share": 0.9}], "'speed' needs one level"),
        (
            [{**SPEED, "level": 1.0}],
            "'speed' has the level 1, which films's metric passes never or always: .* between 0",
        ),
        (
            [{**SPEED, "level": 0.5}],
            "the level 0.5, but films's metric is 0.5 for a network that has learned nothing; wr",
        ),
        ([{**SPEED, "level": 0.8, "baseline": "imagenet"}], "the baseline 'imagenet', which is no"),
        ([{**SPEED, "level": 0.8, "budgets": [0]}], "budgets"),
        (
            [{**SPEED, "level": 0.8, "budgets": [100, 500], "horizon": 400}],
            "'speed' has the budget 500 beyond its horizon of 400 steps, after which .* write",
        ),
        ([{**SPEED, "share": 1.5}], "share"),
        ([{**BOOST, "where": {"fold": 1}}], "has the fold 1 in its where, but answers pool all"),
        (
            [{"name": "order", "kind": "mean_ranks"}],
            "'order' ranks methods over data sets, and there is no second data set that has every "
            "pretraining of its cells; add one",
        ),
        ([{"name": "order", "kind": "mean_ranks", "rope": 1}], "the rope 1, and no two values"),
        ([{**BOOST, "kind": "trials", "baseline": "rnd"}], "the baseline 'rnd', which is no"),
        (
            [BOOST, {**NOISE, "contrast": "boost", "axis": "pretraining"}],
            "names a contrast and the axis pretraining",
        ),
        ([{"name": "q", "kind": "no_such_lab:ask"}], "module 'no_such_lab' .* was not found"),
    ],
)
def test_a_question_that_cannot_be_is_refused_in_a_sentence(
    tmp_path: Path, questions: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        planned(tmp_path, {"questions": questions})


def test_a_margin_may_be_as_wide_as_the_metric(tmp_path: Path) -> None:
    asked = {"questions": [{**BOOST, "metric": "log_loss", "margin": 1.5}]}
    study = planned(tmp_path, asked)
    content = study.stamps["statistics"][1]
    assert content["questions"][0]["metric"] == "log_loss"
    assert set(content["metrics"]) == {"auroc", "log_loss"}


def test_the_code_of_a_question_s_own_kind_is_in_the_stamp_of_the_statistics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "asking_lab.py"
    monkeypatch.syspath_prepend(tmp_path)
    question = {"name": "own", "kind": "asking_lab:ask", "options": {"k": 2}}

    def stamps(text: str) -> dict[str, str]:
        module.write_text(text, encoding="utf-8")
        found = planned(tmp_path, {"questions": [question]}).stamps
        assert "code" in found["statistics"][1]["questions"][0]
        return {stage: name for stage, (name, _) in found.items()}

    before = stamps("def ask(options, cells, influence):\n    return []\n")
    comment = stamps("def ask(options, cells, influence):  # nothing yet\n    return []\n")
    after = stamps("def ask(options, cells, influence):\n    return [{}]\n")
    assert before == comment
    changed = {stage for stage in before if before[stage] != after[stage]}
    assert changed == {"statistics", "report"}


@pytest.mark.parametrize(
    ("seeds", "warning"),
    [
        ([0], "'speed' has one seed in an arm, which gives no interval and no test; use three"),
        (
            [0, 1, 2],
            "cannot be decided by its permutation test, whose p-value with 3 seeds .* 0.1 ",
        ),
        ([0, 1, 2, 3], ""),
    ],
)
def test_seeds_too_few_for_a_convergence_question_are_told_before_anything_runs(
    tmp_path: Path, seeds: list[int], warning: str
) -> None:
    question = {**SPEED, "level": 0.8}
    warnings = planned(tmp_path, {"questions": [question], **grid(seeds=seeds)}).warnings
    assert len(warnings) == bool(warning)
    assert not warning or re.search(warning, warnings[0])


def test_a_slice_without_a_convergence_question_s_baseline_leaves_it_out(tmp_path: Path) -> None:
    asked = {"questions": [{**SPEED, "level": 0.8}], "only": {"pretrainings": ["shapes"]}}
    study = planned(tmp_path, asked)
    assert study.study.config["questions"] == []
    assert any("no cell with its baseline" in sentence for sentence in study.warnings)


def test_data_sets_too_few_for_ranks_and_seeds_for_trials_are_told_before_anything_runs() -> None:
    def few(datasets: int, methods: int, seeds: int = 3, kind: str = "mean_ranks") -> str:
        points = [
            SimpleNamespace(dataset=f"d{d}", pretraining=f"p{p}", seed=s)
            for d in range(datasets)
            for p in range(methods)
            for s in range(seeds)
        ]
        question = {"kind": kind, "axis": "pretraining"}
        return kind_of(question).few(question, points, 0.05)

    # Two methods that always differ one way: the normal test with one over the root of n.
    assert few(4, 2) == "" and re.search("its p-value is 0.083 at least; seeds and", few(3, 2))
    assert few(5, 6) == "" and "any two of 6 methods apart" in few(2, 6)
    assert few(2, 6, seeds=100) == few(2, 6)
    assert few(1, 2, kind="trials") == "" and "one seed" in few(1, 2, 1, kind="trials")


def test_data_sets_that_lack_methods_are_named_with_what_they_lack(tmp_path: Path) -> None:
    (block,) = grid()["grid"]
    blocks = [block, {**block, "datasets": ["shapes"], "pretrainings": ["random"]}]
    asked = [{"name": "order", "kind": "mean_ranks"}]
    told = r"every pretraining of its cells \(shapes lacks shapes\); add one"
    with pytest.raises(UserError, match=told):
        planned(tmp_path, {"grid": blocks, "questions": asked})


def test_a_curve_over_patients_with_one_seed_is_told_before_anything_runs() -> None:
    def few(seeds: int, sizes: tuple[str, ...] = ("p50", "all"), **asked: Any) -> str:
        points = [
            SimpleNamespace(
                dataset="d", architecture="a", pretraining=arm, truncation=0, protocol=size, seed=s
            )
            for arm in ("random", "imagenet")
            for size in sizes
            for s in range(seeds)
        ]
        question = {"kind": "small_data", "axis": "pretraining", "protocols": None, **asked}
        return kind_of(question).few(question, points, 0.05)

    assert few(1).startswith("has one seed in an arm") and few(2) == ""
    assert few(1, ("all",)) == "" == few(1, protocols=["all"])  # no curve
