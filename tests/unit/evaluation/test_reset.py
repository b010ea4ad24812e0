"""Networks with a layer put back: planted truth, and against networks put together by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from unit.training.tiny import TinyNet, make_spec, train_cell

from transfergrid.data.store import open_split
from transfergrid.evaluation import reset as module
from transfergrid.evaluation.reset import record_reset
from transfergrid.evaluation.weighing_files import Measured
from transfergrid.models.initial import initial_model
from transfergrid.models.normalise import Normalise
from transfergrid.models.trained import Trained
from transfergrid.runtime.errors import UserError
from transfergrid.training.starts import calibrate_start

WEIGHING = "tiny-own-random-drop0-reset-0"
MADE_FROM = {"images": "test", "to": ["initial"]}


def measured(results: Path, cell: str, **changes: Any) -> Measured:
    record_reset(WEIGHING, {"cell": cell, **MADE_FROM, **changes}, results, "cpu")
    return Measured.of(WEIGHING, results)


def logits_of(found: Measured) -> dict[tuple[str, str], np.ndarray]:
    names = [tuple(name) for name in found.values["variants"]]
    lost = [tuple(name) for name in found.values["not_finite"]]
    there = [name for name in names if name not in lost]
    return dict(zip(there, found.scores().logits, strict=True))


def computed(results: Path, tensors: dict[str, Tensor], split: str = "test") -> np.ndarray:
    """The logits of the tiny network with given tensors, without the product's inference."""
    model, preprocessing, _ = initial_model(make_spec(), results, 2)
    assert isinstance(model, TinyNet)
    model.load_state_dict(tensors)
    images = np.array(open_split(results / "cache" / "tiny-0", split).images)
    with torch.inference_mode():
        return model.eval()(Normalise(preprocessing)(torch.from_numpy(images))).numpy()


def test_each_variant_is_the_network_with_that_layer_of_the_start(tmp_path: Path) -> None:
    cell = train_cell(tmp_path)
    found = measured(tmp_path, cell)
    logits = logits_of(found)
    own = Trained.of(tmp_path / "cells" / cell)
    end = own.tensors(str(own.best()))
    start = dict(initial_model(make_spec(), tmp_path, 2)[0].state_dict())
    prefixes = {"stem": "stem.", "block1": "last.", "head": "fc.", "": "nothing"}
    for layer, prefix in prefixes.items():
        mixed = {name: (start if name.startswith(prefix) else end)[name] for name in end}
        variant = (layer, "initial" if layer else "")
        np.testing.assert_allclose(logits[variant], computed(tmp_path, mixed), rtol=1e-4, atol=1e-5)
    # Put back as a whole, it is the initial network under the trained classifier.
    body = {name: (end if name.startswith("fc.") else start)[name] for name in end}
    np.testing.assert_allclose(
        logits[("body", "initial")], computed(tmp_path, body), rtol=1e-4, atol=1e-5
    )
    assert list(logits) == [
        ("", ""),
        *((layer, "initial") for layer in ("stem", "block1", "head", "body")),
    ]
    split = open_split(tmp_path / "cache" / "tiny-0", "test")
    assert found.scores().image_id.tolist() == split.image_id.tolist()
    valid = measured(tmp_path, cell, images="valid")
    assert len(valid.scores().image_id) == 30


def test_frozen_layers_can_be_put_back_at_no_cost(tmp_path: Path) -> None:
    # Planted: nothing before the classifier was trained, its running statistics included.
    found = measured(tmp_path, train_cell(tmp_path, train_layers="head", norms="frozen"))
    logits = logits_of(found)
    for layer in ("stem", "block1", "body"):
        np.testing.assert_array_equal(logits[(layer, "initial")], logits[("", "")])
    assert not np.allclose(logits[("head", "initial")], logits[("", "")])


@pytest.mark.parametrize("used", [{}, {"train_patients": 9}], ids=["all", "patients"])
def test_drawn_layers_go_back_to_the_statistics_that_they_learned_from(
    tmp_path: Path, used: dict[str, Any]
) -> None:
    # Planted: the classifier alone learned, on norms that were calibrated before it did.
    cell = train_cell(tmp_path, train_layers="head", norms="calibrate", **used)
    record_reset(WEIGHING, {"cell": cell, **MADE_FROM}, tmp_path, "cpu", start=calibrate_start)
    logits = logits_of(Measured.of(WEIGHING, tmp_path))
    for layer in ("stem", "block1", "body"):
        np.testing.assert_array_equal(logits[(layer, "initial")], logits[("", "")])
    assert not np.allclose(logits[("head", "initial")], logits[("", "")])


def test_networks_in_turn_are_the_same_as_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = train_cell(tmp_path)
    together = measured(tmp_path, cell).scores().logits
    monkeypatch.setattr(module, "WEIGHTS_BYTES", 1)
    np.testing.assert_array_equal(measured(tmp_path, cell).scores().logits, together)


def test_a_variant_that_computes_no_numbers_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = train_cell(tmp_path)
    real = module.retrace

    def broken(name: str, results: Path) -> Any:
        ends = real(name, results)
        ends.start["last.0.weight"].fill_(float("inf"))
        return ends

    monkeypatch.setattr(module, "retrace", broken)
    found = measured(tmp_path, cell)
    lost = {tuple(name) for name in found.values["not_finite"]}
    assert lost == {("block1", "initial"), ("body", "initial")}
    assert len(found.scores().logits) == len(found.values["variants"]) - 2 == 3


def test_layers_go_back_to_what_their_statistics_were_taken_from(tmp_path: Path) -> None:
    source = train_cell(tmp_path)
    kept = {"kind": "statistics", "source_cell": source, "keep": "statistics"}
    cell = train_cell(tmp_path, weights=kept, seed=1)
    found = measured(tmp_path, cell, to=["initial", "source"])
    logits = logits_of(found)
    assert {layer for layer, to in logits if to == "source"} == {"stem", "block1", "body"}
    own, first = (Trained.of(tmp_path / "cells" / name) for name in (cell, source))
    end, taken = (one.tensors(str(one.best())) for one in (own, first))
    mixed = {name: (taken if name.startswith("stem.") else end)[name] for name in end}
    expected = computed(tmp_path, mixed)
    np.testing.assert_allclose(logits[("stem", "source")], expected, rtol=1e-4, atol=1e-5)
    assert not np.allclose(logits[("stem", "initial")], expected)


def test_weights_that_nothing_is_derived_from_have_no_source(tmp_path: Path) -> None:
    found = measured(tmp_path, train_cell(tmp_path), to=["initial", "source"])
    assert {to for _, to in logits_of(found)} == {"", "initial"}


def test_a_diverged_cell_has_nothing_to_score_and_says_so(tmp_path: Path) -> None:
    found = measured(tmp_path, train_cell(tmp_path, learning_rate=1e30, epochs=1))
    assert found.status == "diverged" and found.values["variants"] == [] and not found.files


def test_a_split_without_images_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = train_cell(tmp_path)
    real = module.open_split

    def emptied(*of: Any) -> Any:
        split = real(*of)
        object.__setattr__(split, "images", split.images[:0])
        return split

    monkeypatch.setattr(module, "open_split", emptied)
    with pytest.raises(UserError, match=r"tiny-0 has no test images.* weights\.reset\.images"):
        measured(tmp_path, cell)
