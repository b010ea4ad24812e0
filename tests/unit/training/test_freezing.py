from __future__ import annotations

import pytest
from torch import nn
from unit.training.tiny import TinyNet

from transfergrid.planning.recipe import Phase
from transfergrid.runtime.errors import UserError
from transfergrid.training.freezing import freeze, never_learned, train_mode


def learning(model: nn.Module) -> set[str]:
    return {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad}


def test_the_layers_that_were_asked_for_learn() -> None:
    model = TinyNet(2)
    for layers, expected in (
        ("head", {"fc"}),
        ("last_1", {"last", "fc"}),
        ("last_2", {"stem", "last", "fc"}),
        ("all", {"stem", "last", "fc"}),
    ):
        freeze(model, layers)
        assert learning(model) == expected


def test_frozen_batch_norm_stays_in_evaluation_mode() -> None:
    model = TinyNet(2)
    freeze(model, "last_1")
    train_mode(model.eval())
    assert not model.stem[1].training
    assert model.last[1].training
    assert model.drop.training
    freeze(model, "all")
    train_mode(model)
    assert all(module.training for module in model.modules())


def test_a_norm_without_weights_trains_with_its_network() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, affine=False))
    train_mode(model.eval())
    assert model[1].training


def test_norms_that_a_later_phase_calibrates_are_not_the_same_in_all_checkpoints() -> None:
    # Only the head learns, but the norms before it are others after the calibration.
    plain, calibrated = Phase("head"), Phase("head", norms="calibrate")
    model = TinyNet(2)
    frozen = never_learned(model, [plain, plain])
    assert {"stem.0.weight", "stem.1.weight", "stem.1.running_var"} <= frozen
    norms = {name for name in model.state_dict() if name.startswith(("stem.1.", "last.1."))}
    assert never_learned(model, [plain, calibrated]) == frozen - norms


@pytest.mark.parametrize("layers", ["last_3", "last_0", "last", "none", "heads"])
def test_what_cannot_be_frozen_is_refused(layers: str) -> None:
    with pytest.raises(UserError, match="last_"):
        freeze(TinyNet(2), layers)
