"""What is measured on trained weights: planted truth, numpy, and what has no value."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn
from unit.training.tiny import TinyNet, make_spec, train_cell

from transfergrid.evaluation import retraced
from transfergrid.evaluation.drift import record_drift
from transfergrid.evaluation.weighing_files import Measured
from transfergrid.models.drift import ALL, Drift, drifts
from transfergrid.models.initial import initial_model
from transfergrid.models.parts import BODY, HEAD, Parts
from transfergrid.models.trained import Trained
from transfergrid.runtime.errors import UserError

WEIGHING = "tiny-own-random-drop0-drift-0"


def measured(results: Path, cell: str) -> Measured:
    record_drift(WEIGHING, {"cell": cell}, results)
    return Measured.of(WEIGHING, results)


def by_place(rows: list[Drift]) -> dict[tuple[str, str], Drift]:
    return {(row.layer, row.group): row for row in rows}


def test_numbers_are_those_of_numpy(tmp_path: Path) -> None:
    cell = train_cell(tmp_path)
    found = measured(tmp_path, cell)
    model, _, _ = initial_model(make_spec(), tmp_path, 2)
    start = {k: v.numpy().astype(float) for k, v in model.state_dict().items()}
    own = Trained.of(tmp_path / "cells" / cell)
    end = {k: v.numpy().astype(float) for k, v in own.tensors(str(own.best())).items()}
    # By hand: every parameter of the tiny network, its layer and its group.
    places = {
        ("stem", "convolution"): ["stem.0.weight"],
        ("stem", "bias"): ["stem.0.bias"],
        ("stem", "norm"): ["stem.1.weight", "stem.1.bias"],
        ("block1", "convolution"): ["last.0.weight"],
        ("block1", "bias"): ["last.0.bias"],
        ("block1", "norm"): ["last.1.weight", "last.1.bias"],
        (HEAD, "linear"): ["fc.weight"],
        (HEAD, "bias"): ["fc.bias"],
    }
    for layer in ("stem", "block1", HEAD):
        places[(layer, ALL)] = [
            n for (own, _), names in places.items() if own == layer for n in names
        ]
    for group in ("convolution", "bias", "norm"):
        places[(BODY, group)] = places[("stem", group)] + places[("block1", group)]
    places[(BODY, ALL)] = places[("stem", ALL)] + places[("block1", ALL)]
    rows = {(row["layer"], row["group"]): row for row in found.values["drift"]}
    assert set(rows) == set(places)
    for place, names in places.items():
        a, b = (np.concatenate([ends[n].ravel() for n in names]) for ends in (start, end))
        row = rows[place]
        assert row["n"] == len(a)
        assert row["norm_start"] == pytest.approx(np.linalg.norm(a), rel=1e-12)
        assert row["norm_change"] == pytest.approx(np.linalg.norm(b - a), rel=1e-12)
        if np.linalg.norm(a):
            assert row["change"] == pytest.approx(np.linalg.norm(b - a) / np.linalg.norm(a))
            cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
            assert row["cosine"] == pytest.approx(cosine, abs=1e-12)
        else:  # the classifier's biases start at zero
            assert row["change"] is None and row["cosine"] is None
            assert row["flags"] == ["zero_start"] and place == (HEAD, "bias")
    filters = found.filters()
    assert filters is not None
    np.testing.assert_array_equal(filters.before, start["stem.0.weight"].astype(np.float32))
    np.testing.assert_array_equal(filters.after, end["stem.0.weight"].astype(np.float32))


def test_frozen_layers_have_not_moved_though_their_statistics_may(tmp_path: Path) -> None:
    # Planted: the head alone learns, so that everything before it is as it was.
    found = measured(tmp_path, train_cell(tmp_path, train_layers="head"))
    for row in found.values["drift"]:
        if row["layer"] != HEAD:
            assert row["change"] == 0 and row["norm_change"] == 0
            assert row["cosine"] in (1, None)
        elif row["group"] == "linear":
            assert row["change"] > 0


def test_norms_that_were_set_anew_before_they_learned_are_flagged(tmp_path: Path) -> None:
    # Planted: nothing before the head learned, but the norms of loaded weights were calibrated.
    source = train_cell(tmp_path)
    taken = {"kind": "cell", "source_cell": source}
    learned = {"train_layers": "head", "norms": "calibrate"}
    found = measured(tmp_path, train_cell(tmp_path, weights=taken, seed=1, **learned))
    rows = {(row["layer"], row["group"]): row for row in found.values["drift"]}
    told = {place for place, row in rows.items() if "calibrated" in row["flags"]}
    assert told == {(layer, group) for layer in ("stem", "block1", BODY) for group in (ALL, "norm")}
    assert rows[(BODY, "norm")]["change"] > 0 == rows[(BODY, "convolution")]["change"]
    # Of drawn weights calibration sets the statistics alone.
    drawn = measured(tmp_path, train_cell(tmp_path, **learned))
    assert not any("calibrated" in row["flags"] for row in drawn.values["drift"])


@pytest.mark.parametrize("factor", [0.5, -2.0])
def test_scaled_weights_are_known_in_closed_form(factor: float) -> None:
    model = TinyNet(2)
    start = dict(model.state_dict())
    end = {name: tensor * factor for name, tensor in start.items()}
    for row in drifts(Parts.of(model), start, end):
        if "zero_start" not in row.flags:
            assert row.change == pytest.approx(abs(factor - 1))
            assert row.cosine == pytest.approx(math.copysign(1, factor))
            assert -1 <= row.cosine <= 1


def test_weights_without_a_direction_are_flagged() -> None:
    model = TinyNet(2)
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    gone = {**start, "last.0.weight": torch.zeros_like(start["last.0.weight"])}
    row = by_place(drifts(Parts.of(model), start, gone))[("block1", "convolution")]
    assert row.change == 1 and math.isnan(row.cosine) and row.flags == ("zero_end",)
    broken = {**start, "last.0.weight": start["last.0.weight"] / 0}
    rows = by_place(drifts(Parts.of(model), start, broken))
    assert rows[("block1", "convolution")].flags == ("not_finite",)
    assert math.isnan(rows[("block1", ALL)].change) and math.isnan(rows[(BODY, ALL)].cosine)
    assert rows[("stem", ALL)].flags == () and rows[("stem", ALL)].change == 0
    # Running statistics alone are no drift.
    moved = {**start, "stem.1.running_mean": start["stem.1.running_mean"] + 5}
    assert all(not row.norm_change for row in drifts(Parts.of(model), start, moved))


@pytest.mark.parametrize(
    "name", ["resnet18", "densenet121", "inception_v3", "mobilenetv3_small_050", "lcnet_050"]
)
def test_every_tensor_of_a_network_is_in_one_layer(name: str) -> None:
    with torch.device("meta"):
        model = timm.create_model(name, num_classes=3)
    parts = Parts.of(model)
    blocks = [names for layer, names in parts.layers.items() if layer != BODY]
    listed = [name for names in blocks for name in names]
    assert sorted(listed) == sorted(model.state_dict()) and len(set(listed)) == len(listed)
    assert set(parts.groups) == {name for name, _ in model.named_parameters()}
    assert next(iter(parts.layers)) == "stem" and parts.first in parts.layers["stem"]


class Unknown(nn.Module):
    """A network whose blocks nobody knows, with a weight that is no layer's."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.fc = nn.Linear(4, 2)

    def get_classifier(self) -> nn.Linear:
        return self.fc

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.scale * images)


def test_a_network_of_unknown_blocks_is_measured_as_a_whole() -> None:
    parts = Parts.of(Unknown())
    assert parts.layers == {HEAD: ("fc.weight", "fc.bias"), BODY: ("scale",)}
    assert parts.groups["scale"] == "other" and parts.first is None


def test_a_diverged_cell_has_nothing_to_measure_and_says_so(tmp_path: Path) -> None:
    found = measured(tmp_path, train_cell(tmp_path, learning_rate=1e30, epochs=1))
    assert found.status == "diverged" and found.values["drift"] == [] and found.filters() is None


def test_a_start_that_has_changed_since_is_taken_for_no_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = train_cell(tmp_path)
    cell = train_cell(tmp_path, weights={"kind": "cell", "source_cell": source}, seed=1)
    found = measured(tmp_path, cell)
    body = {row["group"]: row for row in found.values["drift"] if row["layer"] == BODY}
    assert found.status == "finished" and body[ALL]["cosine"] > 0.9  # it began at the source's
    real = retraced.initial_model

    def altered(*of: Any) -> Any:
        model, preprocessing, proof = real(*of)
        return model, preprocessing, {**proof, "sha256": "0" * 64}

    monkeypatch.setattr(retraced, "initial_model", altered)
    lost = measured(tmp_path, cell)
    assert lost.status == "start_lost" and lost.values["drift"] == []


def test_freed_weights_are_said(tmp_path: Path) -> None:
    cell = train_cell(tmp_path)
    (tmp_path / "cells" / cell / "receipts" / "train.json").unlink()
    with pytest.raises(UserError, match="train cell tiny-own-random.* first"):
        measured(tmp_path, cell)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    found = measured(tmp_path, train_cell(tmp_path))
    path = found.folder / "filters.npz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"filters\.npz.*measures the weights again"):
        found.filters()
