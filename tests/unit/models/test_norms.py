"""Batch norms that take statistics: against what went into them, and against folded copies."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from unit.training.tiny import TinyNet, plain_network

from transfergrid.models import norms as norms_module
from transfergrid.models.norms import (
    Moments,
    NotFiniteError,
    batch_norms,
    calibrate,
    check_calibration,
)
from transfergrid.runtime.errors import UserError

DATA = Path(__file__).resolve().parents[4] / "shared/data"
UNCHANGED = 1e-5
"""Largest change of an output, relative to the largest: float32 itself errs by some 2e-6."""


def images(count: int, seed: int = 0, px: int = 12) -> Tensor:
    return torch.randn(count, 3, px, px, generator=torch.Generator().manual_seed(seed))


def worn(seed: int = 0) -> TinyNet:
    """Return a network whose norms have statistics, scale and shift of their own."""
    torch.manual_seed(seed)
    model = TinyNet(2)
    for norm in batch_norms(model).values():
        nn.init.uniform_(norm.weight, -2, 2)
        nn.init.uniform_(norm.bias, -1, 1)
        nn.init.uniform_(norm.running_mean, -3, 3)
        nn.init.uniform_(norm.running_var, 0.01, 9)
    return model.eval()


def inputs_of_norms(model: nn.Module, shown: Tensor) -> dict[str, np.ndarray]:
    """Return what goes into each norm, (values, channels) float64, by the module before it."""
    seen: dict[str, np.ndarray] = {}
    names = {"stem.1": "stem.0", "last.1": "last.0"}
    hooks = [
        model.get_submodule(before).register_forward_hook(
            lambda _, __, made, name=name: seen.update(
                {
                    name: made.detach()
                    .double()
                    .numpy()
                    .transpose(0, 2, 3, 1)
                    .reshape(-1, len(made[0]))
                }
            )
        )
        for name, before in names.items()
    ]
    with torch.no_grad():
        model(shown)
    for hook in hooks:
        hook.remove()
    return seen


def fold(model: nn.Module, pairs: dict[str, str]) -> nn.Module:
    """Return a copy whose norms are in the convolutions before them, as converters do it."""
    model = copy.deepcopy(model).eval()
    for name, before in pairs.items():
        norm, conv = model.get_submodule(name), model.get_submodule(before)
        slope = norm.weight / (norm.running_var + norm.eps).sqrt()
        with torch.no_grad():
            bias = torch.zeros(len(slope)) if conv.bias is None else conv.bias.clone()
            norm.bias += slope * (bias - norm.running_mean)
            conv.weight *= slope.view(-1, 1, 1, 1)
            if conv.bias is not None:
                conv.bias.zero_()
            norm.weight.fill_(1)
            norm.running_mean.fill_(0)
            norm.running_var.fill_(1 - norm.eps)
    return model


PAIRS = {"stem.1": "stem.0", "last.1": "last.0"}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.sampled_from([7, 20, 50]), folded=st.booleans())
def test_statistics_are_those_of_the_images_and_no_output_changes(
    seed: int, size: int, folded: bool
) -> None:
    model, shown, others = worn(seed), images(50, seed), 4 * images(20, seed + 1)
    model = fold(model, PAIRS) if folded else model
    expected, before = inputs_of_norms(model, shown), model(others)
    done = calibrate(model, shown.split(size), keep=True)
    assert (done.norms, done.images, done.constant) == (tuple(PAIRS), 50, 0)
    for name, values in expected.items():
        norm = batch_norms(model)[name]
        np.testing.assert_allclose(norm.running_mean, values.mean(0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(norm.running_var, values.var(0), rtol=1e-5)
    assert (model(others) - before).abs().max() <= UNCHANGED * before.abs().max()


def test_a_folded_network_becomes_the_one_before_folding() -> None:
    # One that was trained on these images: its statistics are theirs.
    shown, original = images(40), worn()
    for _ in PAIRS:
        for name, values in inputs_of_norms(original, shown).items():
            norm = batch_norms(original)[name]
            norm.running_mean.copy_(torch.from_numpy(values.mean(0)))
            norm.running_var.copy_(torch.from_numpy(values.var(0)))
    model = fold(original, PAIRS)
    expected = original(shown)
    assert torch.allclose(model(shown), expected, atol=1e-5)
    # The trap: in training mode the folded network is another one.
    assert (copy.deepcopy(model).train()(shown) - expected).abs().max() > 0.1
    calibrate(model, [shown], keep=True)
    assert torch.allclose(model.train()(shown), expected, atol=1e-4)
    # Up to the sign that the convolution has taken over, scale and shift are what they were.
    for name, norm in batch_norms(model).items():
        was = batch_norms(original)[name]
        assert torch.allclose(norm.weight.abs(), was.weight.abs(), rtol=1e-3)
        assert torch.allclose(norm.bias, was.bias, atol=1e-3)


def test_drawn_weights_take_statistics_alone() -> None:
    torch.manual_seed(0)
    model, shown = TinyNet(2), images(40)
    by_batch = copy.deepcopy(model).train()(shown)
    plain = copy.deepcopy(model).eval()(shown)
    calibrate(model, [shown], keep=False)
    # Of a single batch: evaluation mode then does what training mode does.
    assert torch.allclose(model(shown), by_batch, atol=1e-5)
    assert (plain - by_batch).abs().max() > 1e-3
    for norm in batch_norms(model).values():
        assert torch.equal(norm.weight, torch.ones_like(norm.weight))
        assert torch.equal(norm.bias, torch.zeros_like(norm.bias))
        assert norm.num_batches_tracked == 0 and norm.track_running_stats


def test_drawn_weights_pool_what_norms_see_behind_norms_that_use_the_batch() -> None:
    torch.manual_seed(0)
    model, shown = TinyNet(2), images(50) * torch.linspace(1, 9, 50).view(-1, 1, 1, 1)
    batches = shown.split(30)
    parts = [inputs_of_norms(copy.deepcopy(model).train(), batch) for batch in batches]
    calibrate(model, batches, keep=False)
    for name, norm in batch_norms(model).items():
        values = np.concatenate([part[name] for part in parts])
        np.testing.assert_allclose(norm.running_mean, values.mean(0), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(norm.running_var, values.var(0), rtol=1e-4)


def test_deep_drawn_networks_are_normalised_throughout() -> None:
    torch.manual_seed(0)
    model, shown = timm.create_model("lcnet_050", num_classes=2), 3 + images(128, px=64)
    calibrate(model, shown.split(64), keep=False)
    again = copy.deepcopy(model)
    calibrate(again, [shown], keep=True)
    for name, norm in batch_norms(model).items():
        found = batch_norms(again)[name].running_var
        ratio = (found + norm.eps) / (norm.running_var + norm.eps)
        assert 0.5 < ratio.median() < 2, name


@pytest.mark.parametrize("name", ["lcnet_050", "mobilenetv2_050", "resnet10t", "densenet121"])
def test_networks_of_each_kind_go_on_computing_what_they_did(name: str) -> None:
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=3).eval()
    calibrate(model, [images(16, px=64)], keep=False)  # as if trained: signals of a usual size
    shown, others = 1 + 2 * images(16, 1, 64), images(8, 2, 64)
    before = model(others)
    done = calibrate(model, shown.split(8), keep=True)
    assert set(done.norms) == set(batch_norms(model))
    # With exact moments it is up to 2e-5 as well: float32 rounds in dozens of layers.
    assert (model(others) - before).abs().max() <= 5 * UNCHANGED * before.abs().max()


@pytest.mark.parametrize("keep", [True, False])
def test_a_channel_that_is_constant_keeps_its_variance(keep: bool) -> None:
    model, shown = worn(), images(30)
    with torch.no_grad():
        model.stem[0].weight[2] = 0  # with its bias, constant; its sign, dead
        model.last[0].weight[5, :] = 0
        model.last[0].weight[5, 2] = 1  # sees a dead channel alone
        model.stem[1].weight[2], model.stem[1].bias[2] = 1.0, -99.0
    kept = [norm.running_var.clone() for norm in batch_norms(model).values()]
    before = model(shown)
    done = calibrate(model, shown.split(15), keep)
    assert done.constant == 2
    stem, last = batch_norms(model).values()
    assert stem.running_var[2] == kept[0][2] and last.running_var[5] == kept[1][5]
    assert stem.running_mean[2] == model.stem[0].bias[2]
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())
    if not keep:
        return
    assert torch.allclose(model(shown), before, atol=1e-5)
    with torch.no_grad():  # other images, on which the channel is not dead
        model.stem[0].bias[2] += 200
        dead_no_more = model(shown)
    assert (dead_no_more - before).abs().max() > 1


@given(
    values=st.lists(st.floats(-1e3, 1e3, width=32), min_size=4, max_size=40),
    cut=st.integers(1, 3),
)
def test_moments_pool_to_those_of_the_whole(values: list[float], cut: int) -> None:
    whole = torch.tensor(values).view(-1, 1)
    pooled = Moments.of(whole[:cut]) + Moments.of(whole[cut:])
    exact = np.asarray(values, dtype=np.float64)
    scale = max(1.0, float(np.abs(exact).max()))
    np.testing.assert_allclose(pooled.mean, [exact.mean()], atol=1e-12 * scale)
    np.testing.assert_allclose(pooled.variance, [exact.var()], atol=1e-6 * scale**2)


@pytest.mark.parametrize("mean", [0.0, 100.0])
@pytest.mark.parametrize("shape", [(5, 7, 64, 48), (9, 7, 1, 1), (33, 7)])
def test_moments_are_those_of_float64(shape: tuple[int, ...], mean: float) -> None:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(3)) + mean
    exact = values.double().transpose(0, 1).flatten(1)
    made = Moments.of(values)
    assert made.count == exact.shape[1]
    scale = float(exact.abs().max())
    assert torch.allclose(made.mean, exact.mean(1), rtol=0, atol=1e-7 * scale)
    assert torch.allclose(made.variance, exact.var(1, correction=0), rtol=1e-6, atol=1e-12 * scale)


def test_a_pass_that_ends_early_changes_nothing() -> None:
    model = worn()
    before = copy.deepcopy(model.state_dict())

    def ending() -> Iterator[Tensor]:
        yield images(8)
        raise KeyboardInterrupt

    for keep in (True, False):
        with pytest.raises(KeyboardInterrupt):
            calibrate(model, ending(), keep)
        assert all(torch.equal(before[name], now) for name, now in model.state_dict().items())
        assert not any(module.training for module in model.modules())
        assert all(norm.track_running_stats for norm in batch_norms(model).values())
        assert not any(module._forward_pre_hooks for module in model.modules())


def test_a_batch_too_large_for_the_memory_is_taken_in_halves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, whole, shown = worn(), worn(), images(24)
    calibrate(whole, [shown], keep=True)
    forward = norms_module._outputs

    def scarce(network: nn.Module, batch: Tensor) -> Tensor:
        made = forward(network, batch)  # it runs out late, when the norms were passed
        if len(batch) > 6 and network.stem[1]._forward_pre_hooks:
            raise torch.OutOfMemoryError
        return made

    monkeypatch.setattr(norms_module, "_outputs", scarce)
    assert calibrate(model, [shown], keep=True).images == 24
    for name, tensor in whole.state_dict().items():
        assert torch.allclose(model.state_dict()[name], tensor, atol=1e-6), name


def untracked() -> nn.Module:
    model = TinyNet(2)
    model.last[1] = nn.BatchNorm2d(8, track_running_stats=False)
    return model


def without_scale() -> nn.Module:
    model = TinyNet(2)
    model.last[1] = nn.BatchNorm2d(8, affine=False)
    return model


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (plain_network(2, 0), "but TinyNet has none; write norms: train or frozen"),
        (untracked(), "batch norm last.1 of TinyNet keeps none"),
        (without_scale(), "batch norm last.1 has no scale and shift"),
    ],
)
def test_networks_that_cannot_be_calibrated_are_refused(model: nn.Module, told: str) -> None:
    with pytest.raises(UserError, match=told):
        check_calibration(model, keep=True)


def test_norms_without_scale_and_shift_may_take_statistics_alone() -> None:
    model, shown = without_scale(), images(16)
    check_calibration(model, keep=False)
    by_batch = copy.deepcopy(model).train()(shown)
    calibrate(model, [shown], keep=False)
    assert torch.allclose(model(shown), by_batch, atol=1e-5)


def test_norms_that_share_their_scale_are_refused_and_not_falsified() -> None:
    model = TinyNet(2)
    model.stem[1], model.last[1] = nn.BatchNorm2d(6), nn.BatchNorm2d(8)
    model.last[0] = nn.Conv2d(6, 6, 3)
    model.last[1], model.fc = nn.BatchNorm2d(6), nn.Linear(6, 2)
    model.last[1].weight = model.stem[1].weight
    with pytest.raises(UserError, match=r"changed the outputs of TinyNet by up to .* share"):
        calibrate(model, [images(16)], keep=True)


@pytest.mark.parametrize("keep", [True, False])
def test_values_that_are_not_finite_are_told_and_set_nothing(keep: bool) -> None:
    model = worn()
    with torch.no_grad():
        model.last[0].weight[0, 0, 0, 0] = float("inf")
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(NotFiniteError, match=r"batch norm last\.1 was not finite"):
        calibrate(model, [images(8)], keep)
    assert all(torch.equal(before[name], now) for name, now in model.state_dict().items())


def test_a_norm_that_images_do_not_go_through_stays_as_it_is() -> None:
    model = worn()
    model.auxiliary = nn.BatchNorm2d(3)
    assert calibrate(model, [images(8)], keep=True).norms == tuple(PAIRS)
    assert torch.equal(model.auxiliary.running_var, torch.ones(3))


def opened(paths: list[Path], px: int) -> Tensor:
    """Return images as these networks take them: mean and deviation of a half."""
    pixels = [np.array(Image.open(path).convert("RGB").resize((px, px))) for path in paths]
    return (torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5


def folded_network(source: str) -> Any:
    weights = load_file(DATA / f"weights/mobilenetv2_100_tf_{source}.safetensors")
    classes = len(weights["classifier.bias"])
    model = timm.create_model("mobilenetv2_100", pad_type="same", num_classes=classes)
    model.load_state_dict(weights)
    return model.eval()


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the weights and films of shared/data")
@pytest.mark.parametrize("source", ["imagenet", "inat_birds"])
@torch.inference_mode()
def test_true_folded_networks_are_unfolded_on_true_films(source: str) -> None:
    films = sorted((DATA / "classification/nih14_mini/images").iterdir())[:32]
    shown = opened(films, 96)
    natural = opened([DATA / f"weights/{n}.bmp" for n in ("cat", "bird", "dragonfly")], 128)
    model = folded_network(source)
    before, seen = model(natural), model(shown)
    in_training = copy.deepcopy(model).train()(shown)
    done = calibrate(model, shown.split(16), keep=True)
    assert len(done.norms) == 52 and done.images == 32
    for was, now in ((before, model(natural)), (seen, model(shown))):
        assert (now - was).abs().max() <= UNCHANGED * was.abs().max()
    # In training mode it was another network; now it is nearly the one in evaluation mode.
    assert (in_training - seen).norm() > 0.9 * seen.norm()
    assert (model.train()(shown) - seen).norm() < 0.4 * seen.norm()
