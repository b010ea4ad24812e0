"""What a pretraining says of its input is part of its cells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from unit.planning.made_up_plan import grid, names, planned

from transfergrid.planning.planned import PlannedStudy
from transfergrid.runtime.errors import UserError


def study(folder: Path, kind: str, given: Any) -> PlannedStudy:
    own = {"kind": kind, "input": given}
    network = "tf_efficientnet_lite0" if kind == "wheel" else "lcnet_050"
    axes = grid(pretrainings=["mine"], architectures=[network], truncations=[0])
    return planned(folder, {"pretrainings": {"mine": own}, **axes})


@pytest.mark.parametrize("kind", ["random", "timm", "wheel"])
def test_every_input_makes_other_cells_and_null_makes_none(tmp_path: Path, kind: str) -> None:
    own = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "channel_order": "bgr"}
    given = ["imagenet", "bgr_caffe", "bgr_caffe_255", "bgr_pm1", "mixture", own]
    found = [names(study(tmp_path, kind, one)) for one in (*given, None)]
    assert len(set().union(*found)) == sum(map(len, found))
    axes = grid(pretrainings=["mine"], truncations=[0])
    if kind == "random":
        assert found[-1] == names(
            planned(tmp_path, {"pretrainings": {"mine": {"kind": kind}}, **axes})
        )
    weights = json.loads(study(tmp_path, kind, own).targets[0].spec)["weights"]
    assert weights["input"] == {**own, "source": "study"}
    assert "input" not in json.loads(study(tmp_path, kind, None).targets[0].spec)["weights"]


def test_features_of_frozen_layers_are_of_one_input(tmp_path: Path) -> None:
    def features(given: str | None) -> set[str]:
        head = {"protocols": {"finetune": {"train_layers": "head"}}}
        mine = {"pretrainings": {"mine": {"kind": "random", "input": given}}}
        return set(planned(tmp_path, {**head, **mine, **grid(pretrainings=["mine"])}).features)

    assert features("bgr_caffe") and not features("bgr_caffe") & features("imagenet")


def test_statistics_are_of_weights_with_their_input(tmp_path: Path) -> None:
    own = {
        "mine": {"kind": "timm", "input": "bgr_pm1"},
        "drawn": {"kind": "statistics", "of": "mine"},
    }
    found = planned(tmp_path, {"pretrainings": own, **grid(pretrainings=["drawn"])})
    weights = json.loads(found.targets[0].spec)["weights"]
    assert (weights["keep"], weights["input"]["std"]) == ("statistics", [0.5] * 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("caffe", "'pretrainings.mine.input' is 'caffe', which has none of the allowed forms"),
        ("bgr_cafe", "did you mean 'bgr_caffe'"),
        ({"mean": [0, 0, 0]}, "lacks the setting 'std'"),
        ({"mean": [0, 0, 0], "std": [1, 1, 0]}, "is 0; allowed is at least 1e-06"),
        ({"mean": [0, 0], "std": [1, 1, 1]}, "2 entries; at least 3"),
        ({"mean": [0, 0, 0], "std": [1, 1, 1], "channel_order": "gbr"}, "allowed are rgb, bgr"),
    ],
)
def test_inputs_that_do_not_exist_are_refused(tmp_path: Path, given: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        study(tmp_path, "random", given)


def test_a_source_cell_has_the_input_of_its_own_start(tmp_path: Path) -> None:
    shapes = {"kind": "cell", "dataset": "shapes", "protocol": "source", "input": "imagenet"}
    with pytest.raises(UserError, match="no setting 'input'"):
        planned(tmp_path, {"pretrainings": {"shapes": shapes}})
