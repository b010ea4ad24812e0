"""A cell's network as training starts from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from transfergrid.models.initial import SourceDiverged, initial_model
from transfergrid.models.normalise import Preprocessing
from transfergrid.models.pretraining import write_weights
from transfergrid.models.zoo import build, head_keys, head_of
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_file
from transfergrid.runtime.sealed import write_sealed

LCNET = {"name": "lcnet_050", "family": "LCNet", "timm": "lcnet_050.ra2_in1k", "factory": None}
ID = "lcnet_050-own-01234567"
CELL = "phantom-lcnet_050-random-drop0-finetune-seed0-01234567"


def spec(truncation: int = 0, seed: int = 4, **weights: Any) -> dict[str, Any]:
    return {
        "cell": {"truncation": truncation},
        "architecture": {**LCNET, "input_px": 64},
        "weights": {"id": None, "source_cell": None, "sha256": None, **weights},
        "seed": seed,
    }


def trained(truncation: int = 0, outputs: int = 7) -> dict[str, Tensor]:
    return dict(build(LCNET, outputs, truncation, seed=99).state_dict())


@pytest.fixture
def results(tmp_path: Path) -> Path:
    save_file(trained(), tmp_path / "w.safetensors")
    declaration = {"kind": "file", "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]}
    write_weights(declaration, LCNET, tmp_path / "w.safetensors", tmp_path / "weights" / ID)
    return tmp_path


def source_cell(results: Path, state: dict[str, Tensor] | None) -> dict[str, Any]:
    folder = results / "cells" / CELL
    (folder / "checkpoints").mkdir(parents=True)
    best = None if state is None else "step-00000120.safetensors"
    (folder / "checkpoints" / "index.json").write_text(json.dumps({"best": best}))
    preprocessing = Preprocessing((0.1, 0.2, 0.3), (0.5, 0.5, 0.5)).to_dict()
    (folder / "proof.json").write_text(json.dumps({"preprocessing": preprocessing}))
    if state is not None:
        save_file(state, folder / "checkpoints" / str(best))
    paths = [folder / "proof.json", *(folder / "checkpoints").iterdir()]
    files = {str(path.relative_to(folder)): sha256_file(path) for path in paths}
    write_sealed(folder / "receipts" / "train.json", {"status": "finished", "files": files})
    return {"kind": "cell", "source_cell": CELL}


@pytest.mark.parametrize("truncation", [0, 2])
def test_prepared_weights_fill_all_but_the_head(results: Path, truncation: int) -> None:
    weights = {"kind": "file", "id": ID, "sha256": sha256_file(results / "w.safetensors")}
    model, preprocessing, proof = initial_model(spec(truncation, **weights), results, outputs=3)
    state, expected = model.state_dict(), trained()
    body = [name for name in state if name not in head_keys(model)]
    assert all(torch.equal(state[name], expected[name]) for name in body)
    drawn = head_of(build(LCNET, 3, truncation, seed=4))
    assert torch.equal(head_of(model).weight, drawn.weight)
    assert model.training and not head_of(model).bias.any()
    assert preprocessing.mean == (0.4, 0.5, 0.6)
    assert (proof["matched"], proof["missing"]) == (len(body), head_keys(model))
    assert proof["left_out"] == len(expected) - len(body)
    assert (proof["source"], proof["sha256"]) == ("file", weights["sha256"])
    assert proof["preprocessing"] == preprocessing.to_dict()
    assert proof["probe"]["relative_difference"] > 0.1
    json.dumps(proof, allow_nan=False)


def test_truncated_pretrained_features_are_the_whole_networks(results: Path) -> None:
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    weights = {"kind": "file", "id": ID}
    cut, _, _ = initial_model(spec(2, **weights), results, outputs=3)
    whole, _, _ = initial_model(spec(0, **weights), results, outputs=3)
    seen: list[Tensor] = []
    whole.get_submodule("blocks.3").register_forward_hook(
        lambda _m, _i, output: seen.append(output.clone())
    )
    with torch.inference_mode():
        whole.eval()(images)
        assert torch.equal(cut.eval().forward_features(images), seen[0])


def test_random_weights_are_those_of_the_seed(tmp_path: Path) -> None:
    model, preprocessing, proof = initial_model(spec(1, 6, kind="random"), tmp_path, outputs=3)
    expected = build(LCNET, 3, 1, seed=6).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())
    assert preprocessing.mean == (0.485, 0.456, 0.406)
    assert (proof["source"], proof["seed"], proof["matched"]) == ("random", 6, 0)
    json.dumps(proof, allow_nan=False)


def test_another_cells_best_checkpoint_gives_weights_and_preprocessing(results: Path) -> None:
    weights = source_cell(results, trained(outputs=14))
    model, preprocessing, proof = initial_model(spec(1, **weights), results, outputs=2)
    state = model.state_dict()
    assert torch.equal(state["conv_stem.weight"], trained()["conv_stem.weight"])
    assert head_of(model).out_features == 2
    assert preprocessing.mean == (0.1, 0.2, 0.3)
    assert (proof["source"], proof["cell"]) == ("cell", CELL)
    assert proof["file"] == "step-00000120.safetensors"


def test_a_truncated_source_serves_cells_that_are_cut_as_deep_only(results: Path) -> None:
    weights = source_cell(results, trained(truncation=2))
    initial_model(spec(3, **weights), results, outputs=2)
    with pytest.raises(UserError, match=r"lacks .* tensors of lcnet_050\.ra2_in1k \(blocks\.4"):
        initial_model(spec(1, **weights), results, outputs=2)


def test_a_diverged_source_is_inherited(results: Path) -> None:
    with pytest.raises(SourceDiverged, match="diverged"):
        initial_model(spec(**source_cell(results, None)), results, outputs=2)


def test_a_source_of_another_network_is_told_with_shapes(results: Path) -> None:
    other = build({"timm": "mobilenetv3_small_050.lamb_in1k"}, 2, 0, seed=0).state_dict()
    weights = source_cell(results, dict(other))
    with pytest.raises(UserError, match=r"conv_stem\.weight is \(16, 3, 3, 3\) in the weights"):
        initial_model(spec(**weights), results, outputs=2)


def test_missing_altered_and_exchanged_weights_are_refused(results: Path) -> None:
    with pytest.raises(UserError, match="prepare the initial weights first"):
        initial_model(spec(kind="file", id="absent"), results, outputs=2)
    with pytest.raises(UserError, match="declares 0000"):
        initial_model(spec(kind="file", id=ID, sha256="0000"), results, outputs=2)
    save_file(trained(outputs=2), results / "weights" / ID / "init.safetensors")
    with pytest.raises(UserError, match="is not the file that was written"):
        initial_model(spec(kind="file", id=ID), results, outputs=2)
    with pytest.raises(UserError, match="train cell absent first"):
        initial_model(spec(kind="cell", source_cell="absent"), results, outputs=2)


@pytest.mark.parametrize("truncation", [0, 2])
def test_statistics_alone_can_be_kept(results: Path, truncation: int) -> None:
    weights = {"kind": "file", "id": ID, "keep": "statistics"}
    model, preprocessing, proof = initial_model(spec(truncation, **weights), results, outputs=3)
    source, head = trained(), head_keys(model)
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms
    for norm in norms:
        assert (norm.weight == 1).all() and not norm.bias.any()
        assert not norm.running_mean.any() and (norm.running_var == 1).all()
    convolutions = [n for n, p in model.named_parameters() if p.ndim == 4 and n not in head]
    assert convolutions
    for name in convolutions:
        drawn, old = model.get_parameter(name).double(), source[name].double()
        n = old.numel()
        assert not torch.equal(drawn, old)
        # Five standard errors of the mean and the deviation of n normal values.
        assert abs(drawn.mean() - old.mean()) < 5 * old.std() / n**0.5
        assert abs(drawn.std() / old.std() - 1) < 5 / (2 * n) ** 0.5 + 2 / n
    assert preprocessing.mean == (0.4, 0.5, 0.6)
    assert (proof["keep"], proof["kind"]) == ("statistics", "file")
    again = initial_model(spec(truncation, **weights), results, outputs=3)[0].state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in model.state_dict().items())
    other = initial_model(spec(truncation, seed=5, **weights), results, 3)[0]
    assert not torch.equal(model.get_parameter(name), other.get_parameter(name))
    whole = initial_model(spec(0, **weights), results, outputs=3)[0]
    assert torch.equal(model.get_parameter(name), whole.get_parameter(name))


def test_a_cells_statistics_can_be_kept(results: Path) -> None:
    weights = source_cell(results, trained()) | {"keep": "statistics"}
    _, _, proof = initial_model(spec(**weights), results, outputs=3)
    assert (proof["keep"], proof["cell"]) == ("statistics", CELL)
