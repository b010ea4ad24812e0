"""Which states of networks are compared, what names them, and what cannot be asked for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from unit.planning.made_up_plan import grid, planned

from transfergrid.planning import stored
from transfergrid.planning.layers import layer_depth, layer_names
from transfergrid.planning.state_pairs import (
    LIKENESS,
    NOTHING,
    PAIRS,
    WEIGHTS,
    cell_pairs,
    pairs_of,
)
from transfergrid.planning.states import check_state, compared_predictions
from transfergrid.runtime.errors import UserError

WHEEL = {"architectures": ["tf_efficientnet_lite0"], "pretrainings": ["random", "wheel", "shapes"]}


def compared(folder: Path, similarity: dict[str, Any] | None = None, **axes: Any) -> Any:
    axes = {"truncations": [0], **axes}
    return planned(folder, {"similarity": similarity or {}, **grid(**axes)})


def counted(study: Any) -> Counter[str]:
    pairs = pairs_of(
        [state.entry for state in study.states], study.study.config["similarity"]["pairs"]
    )
    return Counter(reason for reason, _, _ in pairs)


def test_released_weights_are_one_state_and_drawn_ones_are_one_a_seed(tmp_path: Path) -> None:
    study = compared(tmp_path, protocols=["finetune", "source"], **WHEEL)
    initial = [state.entry for state in study.states if state.when == "initial"]
    found = Counter((entry["pretraining"], entry["seed"]) for entry in initial)
    assert found == {
        ("random", 0): 1,
        ("random", 1): 1,
        ("wheel", None): 1,
        ("shapes", 0): 1,
        ("shapes", 1): 1,
    }
    final = [state for state in study.states if state.when == "final"]
    assert [state.trained_cell for state in final] == [cell.name for cell in study.targets]


def test_drawn_weights_that_are_calibrated_before_they_learn_are_states_of_their_own(
    tmp_path: Path,
) -> None:
    later = [
        {"train_layers": "head", "epochs": 1},
        {"train_layers": "all", "norms": "calibrate", "epochs": 1},
    ]
    protocols = {
        "plain": {},
        "calibrated": {"norms": "calibrate"},
        "slowly": {"norms": "calibrate", "learning_rate": 1e-5},
        "few": {"norms": "calibrate", "train_count": 600},
        "later": {"phases": later},
    }
    axes = {"protocols": list(protocols), "truncations": [0]}
    study = planned(
        tmp_path, {"similarity": {}, "protocols": protocols, **grid(**{**WHEEL, **axes})}
    )
    initial = [state for state in study.states if state.when == "initial"]
    found = Counter(state.entry["pretraining"] for state in initial)
    # Of either seed: as drawn, and with statistics of all training images or of some. Weights that
    # have learned go on computing what they did.
    assert found == {"random": 6, "shapes": 2, "wheel": 1}
    learned = [state for state in initial if state.entry["pretraining"] != "random"]
    assert not any("calibrated" in state.made_from for state in learned)
    by_id = {state.id: state for state in initial}
    starts = {}
    for state in study.states:
        if state.when == "final" and state.entry["pretraining"] == "random":
            made_from = by_id[state.entry["initial"]].made_from
            used = made_from.get("calibrated", {"train_count": "none"})
            starts[state.entry["protocol"]] = used["train_count"]
    assert starts == {
        "plain": "none", "later": "none", "calibrated": None, "slowly": None, "few": 600
    }  # fmt: skip
    # Seeds are compared that start alike.
    for reason, left, right in pairs_of([state.entry for state in initial], ["seeds"]):
        ends = by_id[left].made_from, by_id[right].made_from
        assert reason == "seeds" and ends[0].get("calibrated") == ends[1].get("calibrated")


def test_pairs_are_those_with_a_reason(tmp_path: Path) -> None:
    # 3 pretrainings, 2 protocols, 2 seeds.
    study = compared(tmp_path, protocols=["finetune", "source"], **WHEEL)
    assert counted(study) == {
        "before_after": 12,
        "sources_before": 2,  # wheel against shapes, of either seed
        "sources_after": 4,  # for each protocol and seed
        "seeds": 6 + 2,  # after training; of random and shapes before it as well
        "protocols": 6,
        "random": 2 * 2
        + 2 * 4,  # before: each seed with wheel and with its shapes; after: for each
    }
    for reason in set(PAIRS) - {"drawn"}:  # the grid has none
        only = compared(tmp_path, {"pairs": [reason]}, protocols=["finetune", "source"], **WHEEL)
        assert set(counted(only)) == {reason}
        # No state is stored that nothing compares.
        pairs = pairs_of([s.entry for s in only.states], [reason])
        assert {s.id for s in only.states} == {end for _, *ends in pairs for end in ends}


DERIVED: dict[str, Any] = {
    "through0": {"of": "shapes", "derive": [{"keep": {"through": 0}}]},
    "through2": {"of": "shapes", "derive": [{"keep": {"through": 2}}]},
    "every": {"of": "shapes", "derive": [{"keep": {"through": "all"}}]},
    "moments": {"kind": "statistics", "of": "shapes"},
    "norms": {"of": "shapes", "derive": [{"keep": "statistics"}], "derived_norms": "keep"},
    "bank": {"of": "shapes", "derive": [{"filters": "gabor"}]},
    "under": {"of": "shapes", "derive": [{"keep": {"through": 2}}, {"keep": "statistics"}]},
}
TAKEN = {
    **dict.fromkeys(["random", "through0"], NOTHING),
    **dict.fromkeys(["moments", "bank"], LIKENESS),
    **dict.fromkeys(["shapes", "through2", "every", "norms", "under"], WEIGHTS),
}


def test_each_step_of_a_derivation_says_what_of_a_source_is_loaded(tmp_path: Path) -> None:
    study = planned(
        tmp_path,
        {
            "pretrainings": DERIVED,
            "similarity": {},
            **grid(pretrainings=["shapes", "random", *DERIVED], seeds=[0], truncations=[0]),
        },
    )
    by_id = {state.id: state.entry for state in study.states}
    assert {entry["pretraining"]: entry["taken"] for entry in by_id.values()} == TAKEN
    said = compared_predictions(study.study, study.compared)
    assert {cell.point.pretraining: said[cell.name] for cell in study.targets} == TAKEN
    for reason, *ends in pairs_of(list(by_id.values()), list(PAIRS)):
        left, right = (TAKEN[by_id[end]["pretraining"]] for end in ends)
        if reason == "random":
            assert (left, right) == (NOTHING, WEIGHTS)
        elif reason.startswith("sources"):
            assert left == right == WEIGHTS
        elif reason == "drawn":  # whatever the grid's order, what took less comes first
            assert {left, right} not in ({WEIGHTS}, {NOTHING, WEIGHTS})
            assert left == NOTHING or (right != NOTHING and left == LIKENESS)
    entries = [{**entry, "cell": name} for name, entry in by_id.items() if entry["seed"] == 0]
    told = {reason for reason, *_ in cell_pairs(entries)}
    assert {"random", "sources", "drawn"} <= told


def test_of_weights_that_are_all_loaded_there_is_one_state(tmp_path: Path) -> None:
    kept = {name: {"of": "wheel", "derive": [{"keep": {"through": k}}]}
            for name, k in (("every", "all"), ("two", 2))}  # fmt: skip
    axes = {**WHEEL, "pretrainings": list(kept), "truncations": [0]}
    study = planned(tmp_path, {"pretrainings": kept, "similarity": {}, **grid(**axes)})
    initial = [state for state in study.states if state.when == "initial"]
    found = Counter(state.entry["pretraining"] for state in initial)
    assert found == {"every": 1, "two": 2}
    assert {s.made_from["seed"] for s in initial if s.entry["pretraining"] == "every"} == {None}


def test_the_order_of_lists_that_are_sets_names_nothing(tmp_path: Path) -> None:
    layers, pairs = ["stem", "block2", "block7", "pooled"], ["before_after", "random"]
    axes: dict[str, Any] = {"architectures": ["tf_efficientnet_lite0"], "truncations": [0]}
    studies = [
        compared(tmp_path, {"layers": turn(layers), "pairs": turn(pairs)}, **axes)
        for turn in (list, lambda names: names[::-1])
    ]
    assert studies[0].states == studies[1].states
    assert studies[0].stamps["similarity"] == studies[1].stamps["similarity"]
    names = [*layer_names(12)]
    assert sorted(names[::-1], key=layer_depth) == names


def test_places_are_never_mixed(tmp_path: Path) -> None:
    study = compared(tmp_path, truncations=[0, 1], seeds=[0])
    by_id = {state.id: state.entry for state in study.states}
    for _, left, right in pairs_of(list(by_id.values()), list(PAIRS)):
        assert by_id[left]["truncation"] == by_id[right]["truncation"]


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"permutations": 500}, True),
        ({"where": {"seed": 0}}, True),
        ({"rows": 5000}, False),
        ({"images": "test"}, False),
        ({"layers": ["pooled"]}, False),
        ({"seed": 1}, False),
    ],
)
def test_what_is_stored_follows_the_settings_that_decide_it(
    tmp_path: Path, changes: dict[str, Any], kept: bool
) -> None:
    before = {state.id for state in compared(tmp_path).states}
    now = {state.id for state in compared(tmp_path, changes).states}
    assert (now <= before) if kept else not now & before


def test_other_code_stores_them_again_and_stops_a_planned_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, *_ = compared(tmp_path).states
    check_state(state.id, state.made_from)
    monkeypatch.setattr(stored, "stage_fingerprint", lambda stage: "0" * 16)
    assert state.id not in {other.id for other in compared(tmp_path).states}
    with pytest.raises(UserError, match="edited after .* was planned"):
        check_state(state.id, state.made_from)


@pytest.mark.parametrize(
    ("similarity", "told"),
    [
        ({"layers": ["block7"]}, "names 'block7', but lcnet_050 has stem, block1"),
        ({"layers": ["conv1"]}, "'conv1'; write stem, block1, block2"),
        ({"pairs": ["protocols"], "predictions": False}, "no two states of the grid are such"),
        ({"where": {"pretraining": "moon"}}, "similarity.where is .*moon.* no cell of the grid"),
        ({"images": "holdout"}, "holdout"),
        ({"permutations": 38}, "permutations"),
    ],
)
def test_what_cannot_be_is_a_sentence(
    tmp_path: Path, similarity: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        compared(tmp_path, similarity)


def test_a_study_that_asks_for_none_has_none(tmp_path: Path) -> None:
    assert planned(tmp_path).states == ()
