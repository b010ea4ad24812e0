"""Stored activations against the network that they are taken from, and what has none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from unit.training.tiny import TinyNet, make_cache, make_spec, train_cell

from transfergrid.data.store import open_split
from transfergrid.evaluation import activations as module
from transfergrid.evaluation.activation_files import Activations
from transfergrid.evaluation.activations import record_activations
from transfergrid.models.initial import initial_model
from transfergrid.models.normalise import Normalise
from transfergrid.models.trained import Trained
from transfergrid.planning.ends import calibrated_start
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.sealed import read_sealed
from transfergrid.similarity.factor import Factor
from transfergrid.similarity.measures import MEASURES, compare
from transfergrid.training.loop import train
from transfergrid.training.starts import calibrate_start

PROBE = {"images": "valid", "rows": 1000, "layers": "stages", "seed": 0}
FINAL, INITIAL = "tiny-own-random-drop0-final-0", "tiny-own-random-drop0-initial-0"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    results = tmp_path_factory.mktemp("trained")
    make_cache(results)
    spec = make_spec(epochs=2)
    folder = results / "cells" / train(spec, results, threads=1)["cell"]
    (folder / "spec.json").write_text(json.dumps(spec))
    return results, {"state": "final", "cell": folder.name, "dataset": "tiny-0", "probe": PROBE}


def initial(probe: dict[str, Any], seed: int = 0) -> dict[str, Any]:
    spec = make_spec()
    return {
        "state": "initial",
        "dataset": "tiny-0",
        "fold": None,
        "architecture": spec["architecture"],
        "weights": spec["weights"],
        "truncation": 0,
        "seed": seed,
        "probe": probe,
    }


def stored(results: Path, state: str, made_from: dict[str, Any]) -> Activations:
    record_activations(state, made_from, results, "cpu")
    return Activations.of(state, results)


def network(results: Path, best: bool) -> tuple[TinyNet, Normalise]:
    model, preprocessing, _ = initial_model(make_spec(), results, 2)
    if best:
        cell = Trained.of(next((results / "cells").iterdir()))
        model.load_state_dict(cell.tensors(str(cell.best())))
    assert isinstance(model, TinyNet)
    return model.eval(), Normalise(preprocessing)


@pytest.mark.parametrize("best", [False, True])
def test_rows_are_positions_of_the_layers_outputs(
    trained: tuple[Path, dict[str, Any]], best: bool
) -> None:
    results, final = trained
    state = FINAL if best else INITIAL
    found = stored(results, state, final if best else initial(PROBE))
    split = open_split(results / "cache" / "tiny-0", "valid")
    model, normalise = network(results, best)
    with torch.inference_mode():
        stem = model.stem(normalise(torch.from_numpy(np.array(split.images))))
        block = model.last(stem)
        expected: dict[str, Tensor] = {"stem": stem, "block1": block}
        pooled = block.mean((2, 3)).numpy()
    rows = np.load(found.folder / "rows.npz")
    assert list(found.layers) == ["stem", "block1", "pooled"]
    np.testing.assert_array_equal(rows["image_id"], split.image_id)
    for name, map_ in expected.items():
        layer = found.layers[name]
        assert (layer.channels, layer.height, layer.width) == tuple(map_.shape[1:])
        y, x = rows[f"{name}_y"], rows[f"{name}_x"]
        images = np.arange(len(y))[:, None]
        wanted = map_.permute(0, 2, 3, 1).numpy()[images, y, x].reshape(-1, layer.channels)
        np.testing.assert_allclose(found.values(name), wanted, rtol=1e-5, atol=1e-6)
        # As few positions as give ten rows for each channel, and no position twice.
        assert layer.positions == -(-10 * layer.channels // 30) and not layer.short
        assert all(len(set(zip(a, b, strict=True))) == len(a) for a, b in zip(y, x, strict=True))
        assert found.patients(name).tolist() == np.repeat(split.patient_id, y.shape[1]).tolist()
    np.testing.assert_allclose(found.values("pooled"), pooled, rtol=1e-5, atol=1e-6)
    assert found.layers["pooled"].short  # 30 rows of 8 channels
    assert found.n_images == 30 and found.n_patients == 15


def test_all_states_see_the_same_images_at_the_same_positions(
    trained: tuple[Path, dict[str, Any]],
) -> None:
    results, final = trained
    last, first = stored(results, FINAL, final), stored(results, INITIAL, initial(PROBE))
    assert first.same_rows(last)
    other = stored(results, INITIAL, initial({**PROBE, "seed": 1}))
    assert not other.same_rows(last)
    few = stored(results, INITIAL, initial({**PROBE, "rows": 12}))
    chosen = np.load(few.folder / "rows.npz")["image_row"]
    assert few.n_images == 12 and (np.diff(chosen) > 0).all() and chosen.max() > 12
    assert {layer.positions for layer in few.layers.values()} == {1}


def test_a_full_memory_changes_no_row(
    trained: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    results, final = trained
    whole = stored(results, FINAL, final)
    before = {name: whole.values(name) for name in whole.layers}
    forward = TinyNet.forward

    def limited(self: TinyNet, images: Tensor) -> Tensor:
        if len(images) > 5:
            self.stem(images)  # the first layers had passed when memory ran out
            raise torch.OutOfMemoryError("too much")
        return forward(self, images)

    monkeypatch.setattr(TinyNet, "forward", limited)
    halved = stored(results, FINAL, final)
    for name, values in before.items():
        np.testing.assert_allclose(halved.values(name), values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "used",
    [{}, {"train_count": 20, "holdout": 0.3}, {"train_patients": 9, "holdout": 0.3}],
    ids=["all", "some", "patients"],
)
def test_drawn_weights_start_calibrated_where_their_training_does(
    tmp_path: Path, used: dict[str, Any]
) -> None:
    # A training that learns nothing ends with what it started from.
    make_cache(tmp_path)
    spec = make_spec(norms="calibrate", epochs=1, learning_rate=0.0, **used)
    folder = tmp_path / "cells" / train(spec, tmp_path, threads=1)["cell"]
    (folder / "spec.json").write_text(json.dumps(spec))
    last = stored(
        tmp_path,
        FINAL,
        {"state": "final", "cell": folder.name, "dataset": "tiny-0", "probe": PROBE},
    )
    rows = calibrated_start(spec["recipe"])
    found = {}
    for name, calibrated in (("drawn", None), ("calibrated", rows)):
        made_from = initial(PROBE) | ({"calibrated": rows} if calibrated else {})
        record_activations(name, made_from, tmp_path, "cpu", start=calibrate_start)
        found[name] = Activations.of(name, tmp_path)
    network, normalise, proof = module._initial(made_from, tmp_path, torch.device("cpu"))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    # Weights that were all loaded compute what they did, so that nothing is to be done.
    loaded = {**made_from, "proof": {**proof, "source": "file", "keep": "all"}}
    calibrate_start(network, normalise, loaded, tmp_path)
    assert all(torch.equal(before[name], now) for name, now in network.state_dict().items())
    for layer in last.layers:
        np.testing.assert_array_equal(found["calibrated"].values(layer), last.values(layer))
        assert not np.allclose(found["drawn"].values(layer), last.values(layer), rtol=0.1)


def test_a_transfused_prefix_that_is_frozen_is_alike_before_and_after(tmp_path: Path) -> None:
    # Planted: the stem is the source's and never learns, the block after it is drawn and does.
    source = train_cell(tmp_path)
    taken = {"kind": "cell", "source_cell": source}
    weights = {**taken, "derive": {"through": 1}}
    cell = train_cell(tmp_path, weights=weights, seed=1, train_layers="last_1", epochs=4)
    start = initial(PROBE, seed=1)
    start["weights"] = {**start["weights"], **weights}
    whole = {**start, "weights": {**start["weights"], "derive": {"through": "all"}}}
    final = {"state": "final", "cell": cell, "dataset": "tiny-0", "probe": PROBE}
    before, after = stored(tmp_path, "before", start), stored(tmp_path, "after", final)
    theirs = stored(tmp_path, "theirs", whole)
    for other in (after, theirs):  # after training, and in the source
        np.testing.assert_array_equal(before.values("stem"), other.values("stem"))
        alike = {
            layer: compare(Factor.of(before.values(layer)), Factor.of(other.values(layer)))
            for layer in before.layers
        }
        assert alike["stem"] == pytest.approx(dict.fromkeys(MEASURES, 1.0), abs=1e-9)
        for layer in ("block1", "pooled"):
            assert max(alike[layer][name] for name in ("mean_cca", "cka", "procrustes")) < 0.999


def test_a_diverged_cell_has_none_and_says_so(tmp_path: Path) -> None:
    make_cache(tmp_path)
    spec = make_spec(learning_rate=1e30, epochs=1)
    folder = tmp_path / "cells" / train(spec, tmp_path, threads=1)["cell"]
    (folder / "spec.json").write_text(json.dumps(spec))
    made_from = {"state": "final", "cell": folder.name, "dataset": "tiny-0", "probe": PROBE}
    found = stored(tmp_path, FINAL, made_from)
    assert found.status == "diverged" and not found.layers and not found.files


def test_a_split_without_images_is_named(
    trained: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    results, _ = trained
    real = module.open_split

    def emptied(*of: Any) -> Any:
        split = real(*of)
        object.__setattr__(split, "images", split.images[:0])
        return split

    monkeypatch.setattr(module, "open_split", emptied)
    with pytest.raises(UserError, match="tiny-0 has no test images.* similarity.images"):
        stored(results, INITIAL, initial({**PROBE, "images": "test"}))


def test_a_damaged_file_is_named(trained: tuple[Path, dict[str, Any]]) -> None:
    results, final = trained
    found = stored(results, FINAL, final)
    receipt = read_sealed(found.folder / "receipt.json")
    assert set(receipt["files"]) == {"rows.npz", "stem.npy", "block1.npy", "pooled.npy"}
    data = bytearray((found.folder / "stem.npy").read_bytes())
    data[-1] ^= 1
    (found.folder / "stem.npy").write_bytes(data)
    with pytest.raises(UserError, match=r"stem\.npy.*stores the activations again"):
        found.values("stem")
