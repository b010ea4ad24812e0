from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets.medmnist.make import make as make_npz
from unit.planning.made_up_plan import STUDY, grid, names, planned
from unit.planning.test_grid import block, study

from transfergrid.planning.grid import Point, expand, folds_beside, slice_of
from transfergrid.planning.ids import CELL, TUNING_ID
from transfergrid.planning.plan import Plan
from transfergrid.runtime.errors import UserError

FOLDED = {"datasets": {"films": {"folds": {"k": 3}}}}
ONE = {**STUDY["grid"][0], "truncations": [0], "seeds": [0]}


def chain(*targets: str, **pretrainings: dict[str, Any]) -> dict[str, Any]:
    """Return a study of one network whose targets start from cells."""
    return {
        "pretrainings": {
            name: {"kind": "cell", "protocol": "source", **settings}
            if "of" not in settings
            else {"kind": "statistics", **settings}
            for name, settings in pretrainings.items()
        },
        "grid": [{**ONE, "pretrainings": list(targets)}],
    }


def test_each_data_set_of_a_block_has_its_own_folds() -> None:
    one = block(datasets=["e", "d", "f"], architectures=["a"], truncations=[0], seeds=[0])
    found = [(p.dataset, p.pretraining, p.fold) for p in expand(study(one), "s")]
    assert found == [
        *(("e", start, fold) for start in ("random", "imagenet") for fold in "012"),
        ("d", "random", "all"),
        ("d", "imagenet", "all"),
        *(("f", start, fold) for start in ("random", "imagenet") for fold in "01"),
    ]


def test_a_block_a_pattern_and_a_slice_may_name_folds() -> None:
    few = block(datasets=["e", "d"], folds=["2"])
    assert {(p.dataset, p.fold) for p in expand(study(few), "s")} == {("e", "2"), ("d", "all")}
    more = block(datasets=["e"], folds=["2"], include=[{"fold": "0", "seed": 9}])
    assert {(p.fold, p.seed) for p in expand(study(more), "s") if p.seed == 9} == {("0", 9)}
    less = block(datasets=["e"], exclude=[{"fold": "1"}])
    assert {p.fold for p in expand(study(less), "s")} == {"0", "2"}
    part = study(block(datasets=["e", "d"]), folds=[1])
    assert {p.fold for p in expand(part, "s")} == {"1"}
    assert slice_of(part, "s").left_out == {"datasets": ["d"], "folds": ["0", "2", "all"]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"datasets": ["e", "d"], "folds": ["3"]}, "names fold 3, .* e has folds 0 to 2, d has no"),
        ({"datasets": ["d"], "folds": ["0"]}, r"grid\[0\] names fold 0, which none .* d has no"),
        ({"datasets": ["e"], "include": [{"fold": "all"}]}, "include names fold all"),
    ],
)
def test_a_fold_that_no_data_set_has_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        expand(study(block(**change)), "s")


def test_patterns_of_a_study_name_folds_by_number(tmp_path: Path) -> None:
    ask = {"name": "q", "kind": "contrast", "axis": "pretraining", "baseline": "random"}
    changes = {**FOLDED, **grid(exclude=[{"fold": 1}]), "cams": {"where": {"fold": 2}}}
    study = planned(tmp_path, {**changes, "questions": [ask]})
    assert {cell.point.fold for cell in study.targets} == {"0", "2"}
    assert {cell.point.fold for cell in study.cam_cells} == {"2"}
    # An answer is over all folds.
    with pytest.raises(UserError, match="has the fold 0 in its where, but answers pool all folds"):
        planned(tmp_path, {**changes, "questions": [{**ask, "where": {"fold": 0}}]})
    with pytest.raises(UserError, match="no cell of the grid matches"):
        planned(tmp_path, {**FOLDED, "cams": {"where": {"fold": "all"}}})


def test_a_fold_stands_in_names_specs_and_stamps_where_there_is_one(tmp_path: Path) -> None:
    plain, folded = planned(tmp_path), planned(tmp_path, FOLDED)
    assert len(folded.targets) == 3 * len(plain.targets)
    assert folded.sources == plain.sources  # of another data set
    for cell in folded.targets:
        assert re.fullmatch(CELL, cell.name)
        assert f"-seed{cell.point.seed}-fold{cell.point.fold}-" in cell.name
        assert json.loads(cell.spec)["cell"]["fold"] == cell.point.fold
    entries = folded.entries
    assert {e["fold"] for e in entries if e["role"] == "target"} == {"0", "1", "2"}
    assert not any("fold" in e for e in entries if e["role"] == "source")
    for cell in plain.cells:
        assert "fold" not in json.loads(cell.spec)["cell"]
        assert not any("fold" in entry for entry in plain.entries)


def test_a_seed_of_folds_renames_the_cells_of_its_data_set_alone(tmp_path: Path) -> None:
    two = {**grid(datasets=["films", "shapes"], pretrainings=["random"]), **FOLDED}
    before = planned(tmp_path, two)
    after = planned(tmp_path, {**two, "datasets": {"films": {"folds": {"k": 3, "seed": 1}}}})
    same = names(before) & names(after)
    assert same == {cell.name for cell in before.cells if cell.point.dataset == "shapes"} != set()


def test_trials_have_the_fold_of_what_they_are_for(tmp_path: Path) -> None:
    rates = {"tune": {"learning_rates": [0.001, 0.01], "epochs": 1}}
    tuned = planned(tmp_path, {**FOLDED, **chain("random"), "recipe": rates})
    assert len(tuned.targets) == 3
    assert len(Plan({"small": tuned}).tunings) == 3
    for cell in tuned.targets:
        assert cell.tuning and re.fullmatch(TUNING_ID, cell.tuning.id)
        trials = [trial for trial in tuned.trials if trial.name in cell.tuning.trials.values()]
        assert {trial.point.fold for trial in trials} == {cell.point.fold}


def test_a_source_on_the_same_data_set_has_the_same_fold(tmp_path: Path) -> None:
    study = planned(tmp_path, {**FOLDED, **chain("own", own={"dataset": "films"})})
    folds = {cell.name: cell.point.fold for cell in study.sources}
    assert [folds[cell.source_cell] for cell in study.targets] == ["0", "1", "2"]


def test_a_source_on_another_cross_validated_data_set_names_its_fold(tmp_path: Path) -> None:
    both = {"datasets": {name: {"folds": {"k": 3}} for name in ("films", "shapes")}}
    with pytest.raises(UserError, match="'far' is trained on data set 'shapes', which is cut into"):
        planned(tmp_path, {**both, **chain("far", far={"dataset": "shapes"})})
    fixed = planned(tmp_path, {**both, **chain("far", far={"dataset": "shapes", "fold": 1})})
    assert {cell.point.fold for cell in fixed.sources} == {"1"}
    same = planned(tmp_path, {**both, **chain("far", far={"dataset": "shapes", "fold": "same"})})
    assert {cell.point.fold for cell in same.sources} == {"0", "1", "2"}
    for fold, words in ((3, "has folds 0 to 2"), ("same", "'films' has none")):
        one = both if fold == 3 else {"datasets": {"shapes": {"folds": {"k": 3}}}}
        with pytest.raises(UserError, match=words):
            planned(tmp_path, {**one, **chain("far", far={"dataset": "shapes", "fold": fold})})
    with pytest.raises(UserError, match="names fold 1, but its data set 'shapes' is not cut"):
        planned(tmp_path, chain("far", far={"dataset": "shapes", "fold": 1}))


LEAKS = {
    "the source has another fold": chain("own", own={"dataset": "films", "fold": 0}),
    "through a chain": chain(
        "far",
        far={"dataset": "shapes", "pretraining": "near"},
        near={"dataset": "films", "fold": 0},
    ),
    "through statistics": chain("drawn", drawn={"of": "own"}, own={"dataset": "films", "fold": 0}),
    "tuned": {
        **chain("own", own={"dataset": "films", "fold": 0}),
        "protocols": {"finetune": {"tune": {"learning_rates": [0.001, 0.01], "epochs": 1}}},
    },
}


@pytest.mark.parametrize("study", LEAKS.values(), ids=LEAKS)
def test_a_chain_that_has_learned_the_test_part_is_refused(
    study: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="for fold 1 of data set 'films' starts from a network"):
        planned(tmp_path, {**FOLDED, **study})
    grid = [{**study["grid"][0], "folds": [0]}]
    assert len(planned(tmp_path, {**FOLDED, **study, "grid": grid}).targets) == 1


def table(**settings: Any) -> dict[str, Any]:
    plain = {"kind": "csv", "table": "t.csv", "image_column": "i", "label_columns": ["y"]}
    return {**plain, "patient_column": "p", **settings}


RANDOM = {"split": {"random": {"valid": 0.2, "test": 0.2}, "seed": 0}}
OTHER = {"split": {"random": {"valid": 0.2, "test": 0.2}, "seed": 1}}
K3, SEED1 = {"folds": {"k": 3}}, {"folds": {"k": 3, "seed": 1}}
DEALT = {"folds": {"k": 3, "by": "stratified"}}


@pytest.mark.parametrize(
    ("target", "source", "fold", "refused"),
    [
        (table(**K3), table(**K3, image_px=32), "same", False),
        (table(**K3), table(**K3, label_columns=["z"]), "same", False),
        (table(**DEALT), table(**DEALT, label_columns=["z"]), "same", True),
        (table(**K3), table(**K3, image_px=32), 0, True),
        (table(**K3), table(**SEED1), "same", True),
        (table(**K3), table(**RANDOM), None, True),
        (table(**RANDOM), table(**RANDOM, image_px=32), None, False),
        (table(**RANDOM), table(**OTHER), None, True),
        (table(**RANDOM), table(**RANDOM, patient_column=None), None, True),
        (table(**RANDOM), table(**OTHER, table="u.csv"), None, False),
        ({"kind": "phantom", **K3}, {"kind": "phantom", "image_px": 32}, None, True),
        ({"kind": "phantom", **K3}, {"kind": "phantom", "seed": 1}, None, False),
        ({"kind": "phantom"}, {"kind": "phantom", "image_px": 32}, None, False),
    ],
)
def test_two_data_sets_of_one_table_must_be_split_alike(
    target: dict[str, Any], source: dict[str, Any], fold: Any, refused: bool, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text("i,p,y,z\na,1,0,1\n")
    (tmp_path / "u.csv").write_text("i,p,y,z\nb,2,1,0\n")
    roots = [
        {**d, **({"root": str(tmp_path)} if d["kind"] == "csv" else {})} for d in (target, source)
    ]
    datasets = {"one": roots[0], "two": {"image_px": 64, **roots[1]}}
    study = chain("own", own={"dataset": "two", "fold": fold})
    study["grid"][0]["datasets"] = ["one"]
    study["recipe"] = {"epochs": 1}
    if not refused:
        assert planned(tmp_path, {**study, "datasets": datasets}).targets
        return
    words = "shares a label table with it and is not split alike"
    with pytest.raises(UserError, match=words):
        planned(tmp_path, {**study, "datasets": datasets})


@pytest.mark.parametrize("kind", ["csv", "medmnist"])
def test_a_file_of_folds_is_part_of_its_data_set(kind: str, tmp_path: Path) -> None:
    make_npz(tmp_path / "set.npz", np.random.default_rng(0))
    (tmp_path / "t.csv").write_text("i,p,y,z\na,1,0,1\n")
    folds = {"folds": {"k": 2, "file": "folds.csv"}}
    settings = table(**folds, root=str(tmp_path))
    if kind == "medmnist":
        settings = {"kind": kind, "root": str(tmp_path / "set.npz"), **folds, "image_px": 64}
    study = {**grid(datasets=["own"], pretrainings=["random"]), "datasets": {"own": settings}}
    with pytest.raises(UserError, match=r"lacks the label table .*folds\.csv; corr.*folds\.file"):
        planned(tmp_path, study)
    found = []
    for text in ("image,fold,part\n", "image,fold,part\na,0,test\n"):
        (tmp_path / "folds.csv").write_text(text)
        found.append(names(planned(tmp_path, study)))
        assert len(found[-1]) == 8
    assert not found[0] & found[1]


def test_points_are_equal_with_and_without_a_named_fold() -> None:
    point = Point("d", "a", "p", 0, "f", 1)
    assert point == Point("d", "a", "p", 0, "f", 1, "all")
    assert "fold" not in point.axes()
    assert Point("d", "a", "p", 0, "f", 1, "2").axes()["fold"] == "2"
    assert point.matches({"fold": "all"})


def test_a_cell_knows_the_folds_beside_it(tmp_path: Path) -> None:
    blocks = block(datasets=["e", "d"], architectures=["a"], exclude=[{"fold": "1", "seed": 0}])
    points = expand(study(blocks), "s")
    found = folds_beside(points)
    assert set(found) == {point for point in points if point.dataset == "e"}
    assert {tuple(folds) for point, folds in found.items() if point.seed == 0} == {("0", "2")}
    assert {tuple(folds) for point, folds in found.items() if point.seed} == {("0", "1", "2")}
    cells = planned(tmp_path, FOLDED).entries
    assert {tuple(cell.get("folds", ())) for cell in cells if "fold" in cell} == {("0", "1", "2")}


def test_cells_of_a_data_set_have_the_same_folds(tmp_path: Path) -> None:
    fewer = {**ONE, "folds": [0, 1], "seeds": [1]}
    with pytest.raises(UserError) as caught:
        planned(tmp_path, FOLDED | {"grid": [ONE, fewer]})
    told = str(caught.value)
    assert "seed 1 has fold(s) 0, 1 of data set 'films'" in told
    assert "seed 0 has 0, 1, 2" in told and "the same folds" in told
    both = {**ONE, "folds": [0, 1]}
    assert planned(tmp_path, FOLDED | {"grid": [both, fewer]}).targets
