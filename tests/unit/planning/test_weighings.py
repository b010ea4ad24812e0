"""What is measured on weights: what names it, what it waits for, and what cannot be asked for."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from unit.planning.made_up_plan import grid, planned

from transfergrid.planning import stored
from transfergrid.planning.ends import underived
from transfergrid.planning.ids import DRIFT_ID, RESET_ID, WEIGHING_ID
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.specs import sources_of
from transfergrid.planning.weighings import check_weighing
from transfergrid.runtime.errors import UserError

RESET: dict[str, Any] = {"reset": {}}
STATISTICS = {
    "pretrainings": {"redrawn": {"kind": "statistics", "of": "shapes"}},
    **grid(pretrainings=["random", "shapes", "redrawn"], truncations=[0]),
}


def weighed(folder: Path, weights: dict[str, Any] | None, **changes: Any) -> PlannedStudy:
    return planned(folder, {"weights": weights, **changes})


def counted(study: PlannedStudy) -> Counter[str]:
    return Counter(one.stage for one in study.weighings)


def stages(study: PlannedStudy) -> set[str]:
    return {stage.name for stage in study.stages} & {"drifts", "filters", "resets"}


def test_nothing_is_measured_unless_it_is_asked_for(tmp_path: Path) -> None:
    assert planned(tmp_path).weighings == () and stages(planned(tmp_path)) == set()
    study = weighed(tmp_path, {})
    assert counted(study) == {"drift": 8} and stages(study) == {"drifts", "filters"}
    study = weighed(tmp_path, {**RESET, "drift": False, "filters": False})
    assert counted(study) == {"reset": 8} and stages(study) == {"resets"}
    study = weighed(tmp_path, {**RESET, "where": {"seed": 1}, "filters": False})
    assert counted(study) == {"drift": 4, "reset": 4} and stages(study) == {"drifts", "resets"}


def test_each_is_of_one_cell_and_of_both_ends_of_its_training(tmp_path: Path) -> None:
    study = weighed(tmp_path, RESET)
    cells = {cell.name: cell for cell in study.targets}
    for one in study.weighings:
        cell = cells[one.cell]
        aged, trained = sources_of(one)
        assert trained == (f"cells/{cell.name}/receipts/train.json",)
        images = [f"cache/{cell.dataset_id}/receipt.json"] if one.stage == "reset" else []
        source = cell.source_cell
        begun = [f"cells/{source}/receipts/train.json"] if source else []
        assert list(aged) == [*images, *begun]
        assert re.fullmatch(DRIFT_ID if one.stage == "drift" else RESET_ID, one.id)
        assert re.fullmatch(WEIGHING_ID, one.id) and one.mark == f"weighings/{one.id}/receipt.json"
    assert len({one.id for one in study.weighings}) == 2 * len(cells)


def test_released_weights_are_waited_for(tmp_path: Path) -> None:
    changes = grid(architectures=["tf_efficientnet_lite0"], pretrainings=["wheel"], truncations=[0])
    study = weighed(tmp_path, {}, **changes)
    (weights_id,) = study.weights
    assert {sources_of(one)[0] for one in study.weighings} == {
        (f"weights/{weights_id}/receipt.json",)
    }


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"where": {"seed": 0}}, {"drift", "reset"}),
        ({"filters": False}, {"drift", "reset"}),
        ({"reset": {"images": "valid"}}, {"drift"}),
        ({"reset": None}, {"drift"}),
    ],
)
def test_what_is_measured_follows_the_settings_that_decide_it(
    tmp_path: Path, changes: dict[str, Any], kept: set[str]
) -> None:
    before = {one.id: one.stage for one in weighed(tmp_path, RESET).weighings}
    now = {one.id for one in weighed(tmp_path, {**RESET, **changes}).weighings}
    assert {before[name] for name in now & set(before)} == kept


def test_an_edit_of_one_stage_measures_the_other_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = weighed(tmp_path, RESET).weighings
    real = stored.stage_fingerprint
    monkeypatch.setattr(
        stored, "stage_fingerprint", lambda stage: "0" * 16 if stage == "reset" else real(stage)
    )
    now = weighed(tmp_path, RESET).weighings
    same = {one.id for one in before} & {one.id for one in now}
    assert {one.stage for one in now if one.id in same} == {"drift"}
    old = next(one for one in before if one.stage == "reset")
    with pytest.raises(UserError, match="measures trained cells was edited after"):
        check_weighing(old.id, old.made_from, "reset")


def test_weights_of_another_network_are_no_source() -> None:
    taken = {"kind": "derived", "id": "net-imagenet-0", "source_cell": None}
    assert underived(taken) is None
    assert underived({**taken, "derive": {"through": 2}}) == taken
    assert underived({**taken, "keep": "statistics"}) == taken
    assert underived({**taken, "derive": {"through": 2, "base": {"name": "net"}}}) is None


def test_a_source_is_there_where_weights_are_derived(tmp_path: Path) -> None:
    study = weighed(tmp_path, {"reset": {"to": ["source"]}}, **STATISTICS)
    resets = [one for one in study.weighings if one.stage == "reset"]
    assert {one.made_from["cell"].split("-")[2] for one in resets} == {"redrawn"}
    both = weighed(tmp_path, {"reset": {"to": ["initial", "source"]}}, **STATISTICS)
    ends = {
        one.made_from["cell"].split("-")[2]: one.made_from["to"]
        for one in both.weighings
        if one.stage == "reset"
    }
    assert ends == {
        "random": ["initial"],
        "shapes": ["initial"],
        "redrawn": ["initial", "source"],
    }
    turned = weighed(tmp_path, {"reset": {"to": ["source", "initial"]}}, **STATISTICS)
    assert turned.weighings == both.weighings


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ({"drift": False, "filters": False}, "asks for neither drift, filters nor reset"),
        ({"reset": {"to": ["source"]}}, "no cell's initial weights are derived from others"),
        ({"where": {"pretraining": "moon"}}, r"weights\.where is .*moon.* no cell of the grid"),
        ({"reset": {"images": "train"}}, "train"),
        ({"reset": {"to": []}}, "to"),
        ({"drift": "yes"}, "drift"),
    ],
)
def test_what_cannot_be_is_a_sentence(tmp_path: Path, weights: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        weighed(tmp_path, weights)


def test_a_slim_networks_base_is_no_source_to_go_back_to(tmp_path: Path) -> None:
    kept = {"of": "shapes", "derive": [{"keep": {"through": 2}}]}
    axes = grid(architectures=["resnet18_slim2"], pretrainings=["kept"], truncations=[0])
    with pytest.raises(UserError, match="derived from others of its own network"):
        weighed(tmp_path, {"reset": {"to": ["source"]}}, **{**axes, "pretrainings": {"kept": kept}})
