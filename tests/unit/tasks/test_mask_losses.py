"""Losses of masks against other libraries, finite differences, and masks that are empty."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from transfergrid.catalog.mask_pixels import UNKNOWN
from transfergrid.metrics.mask_record import COUNTS
from transfergrid.metrics.overlap import count_overlap
from transfergrid.models.zoo import build
from transfergrid.planning.architectures import known_architectures
from transfergrid.planning.mask_losses import FORMS, OVERS, MaskLoss
from transfergrid.planning.recipe import Augmentation
from transfergrid.runtime.errors import UserError
from transfergrid.tasks.learn.kind import LearnHalf
from transfergrid.tasks.learn.segmentation import STORED, Segmentation, segmentation
from transfergrid.training.augmentation import augment, move

VARIANTS = [{"form": form, "over": over} for form in FORMS for over in OVERS]
SETTINGS = [
    *({"loss": "dice", "dice": variant} for variant in VARIANTS),
    {"loss": "bce+dice", "dice": VARIANTS[1]},
    {},
]


def half(exclusive: bool = False, **settings: Any) -> Segmentation:
    if exclusive and "loss" in settings:
        settings["loss"] = settings["loss"].replace("bce", "cross_entropy")
    return segmentation(settings, exclusive, px=16)


def example(exclusive: bool) -> tuple[Tensor, Tensor]:
    """Return float64 logits and uint8 masks of two films of 6 × 6, two structures."""
    channels = 3 if exclusive else 2
    places = torch.arange(2 * channels * 36, dtype=torch.float64)
    logits = torch.sin(places).reshape(2, channels, 6, 6) * 2
    if exclusive:
        classes = (torch.arange(72).reshape(2, 6, 6) * 7) % 3
        return logits, torch.stack([classes == 1, classes == 2], dim=1).to(torch.uint8)
    return logits, ((torch.arange(144).reshape(2, 2, 6, 6) * 7) % 5 < 2).to(torch.uint8)


def mean(task: LearnHalf, logits: Tensor, target: Tensor) -> float:
    return (task.loss_sum(logits, target) / task.known(target).sum()).item()


# MONAI 1.6.1, DiceLoss(smooth_nr=0, smooth_dr=1e-12, squared_pred, batch) with sigmoid=True, or
# softmax=True and include_background=False, where classes become float32, hence seven digits.
# segmentation-models-pytorch 0.6.0 has the plain form over a batch: DiceLoss("multilabel") gives
# .5547750514447001, and "multiclass" with classes=[1, 2] .6534417103789811.
DICE = {
    (False, "plain", "image"): 0.5550789213454499,
    (False, "plain", "batch"): 0.5547750514447076,
    (False, "squared", "image"): 0.4540545136012233,
    (False, "squared", "batch"): 0.453701367743581,
    (True, "plain", "image"): 0.6535389465893253,
    (True, "plain", "batch"): 0.6534417103789882,
    (True, "squared", "image"): 0.5799153124608268,
    (True, "squared", "batch"): 0.579589572815645,
}


@pytest.mark.parametrize(("exclusive", "form", "over"), DICE)
def test_dice_is_that_of_other_libraries(exclusive: bool, form: str, over: str) -> None:
    task = half(exclusive, loss="dice", dice={"form": form, "over": over})
    assert mean(task, *example(exclusive)) == pytest.approx(DICE[exclusive, form, over], abs=1e-7)


def test_cross_entropies_are_torch_s_and_a_sum_is_a_sum() -> None:
    # SoftBCEWithLogitsLoss of segmentation-models-pytorch 0.6.0; torch's cross_entropy.
    assert mean(half(loss="bce"), *example(False)) == pytest.approx(0.9204751195570717, abs=1e-9)
    exclusive = half(True, loss="cross_entropy")
    assert mean(exclusive, *example(True)) == pytest.approx(1.8189050811362668, abs=1e-9)
    both = DICE[False, "plain", "image"] + 0.9204751195570717
    assert mean(half(), *example(False)) == pytest.approx(both, abs=1e-7)
    both = DICE[True, "plain", "image"] + 1.8189050811362668
    assert mean(half(True), *example(True)) == pytest.approx(both, abs=1e-7)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_gradients_are_finite_differences(exclusive: bool, settings: dict[str, Any]) -> None:
    logits, target = example(exclusive)
    target[0, 0] = 0  # a structure that is not there
    target[1, :, :2] = UNKNOWN
    task = half(exclusive, **settings)
    assert torch.autograd.gradcheck(
        lambda output: task.loss_sum(output, target), logits.requires_grad_()
    )


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_where_nothing_is_true_every_marked_pixel_costs(
    exclusive: bool, variant: dict[str, str]
) -> None:
    task = half(exclusive, loss="dice", dice=variant)
    target = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)

    def logits(marked: int, by: float = 30.0) -> Tensor:
        flat = torch.full((2, 1, 64), -by, dtype=torch.float64)
        flat[:, :, :marked] = by
        own = flat.view(2, 1, 8, 8)
        return torch.cat([torch.zeros_like(own), own], dim=1) if exclusive else own

    costs = [mean(task, logits(marked), target) for marked in range(0, 65, 8)]
    assert costs[0] == pytest.approx(0, abs=1e-9) and costs[-1] == pytest.approx(1, abs=1e-9)
    assert all(a < b for a, b in pairwise(costs))
    # From an undecided start each pixel is pushed down, and not as good as not at all.
    start = torch.zeros_like(logits(0)).requires_grad_()
    task.loss_sum(start, target).backward()
    assert start.grad is not None
    assert (start.grad[:, -1:] > 0.05 / 64).all()


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_unknown_pixels_count_nowhere(exclusive: bool, settings: dict[str, Any]) -> None:
    task, (logits, target) = half(exclusive, **settings), example(exclusive)
    # What is unknown has the same loss as a film without those rows.
    target[:, :, 4:] = UNKNOWN
    cut = task.loss_sum(logits[:, :, :4], target[:, :, :4])
    logits = logits.clone().requires_grad_()
    loss = task.loss_sum(logits, target)
    assert torch.allclose(loss, cut)
    loss.backward()
    assert logits.grad is not None
    assert (logits.grad[:, :, 4:] == 0).all() and (logits.grad[:, :, :4] != 0).all()
    # A film of which nothing is known is no film.
    target[1] = UNKNOWN
    assert task.known(target).tolist() == (
        [[True], [False]] if exclusive else [[True] * 2, [False] * 2]
    )
    assert torch.allclose(task.loss_sum(logits, target), task.loss_sum(logits[:1], target[:1]))


def test_of_exclusive_structures_a_pixel_is_unknown_if_one_is() -> None:
    task, (logits, target) = half(True), example(True)
    one, all_ = target.clone(), target.clone()
    one[0, 0, 2:5] = UNKNOWN
    all_[0, :, 2:5] = UNKNOWN
    assert torch.equal(task.loss_sum(logits, one), task.loss_sum(logits, all_))
    assert torch.equal(task.stored(logits, one), task.stored(logits, all_))


def split_of(masks: Tensor) -> Any:
    return SimpleNamespace(masks=masks.numpy())


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_validation_has_the_loss_of_all_films_as_one_batch(
    exclusive: bool, settings: dict[str, Any]
) -> None:
    task, (logits, target) = half(exclusive, **settings), example(exclusive)
    logits = torch.cat([logits, -logits, logits.flip(3)])
    target = torch.cat([target, target.flip(2), torch.zeros_like(target)])
    target[1, :, :3] = UNKNOWN
    target[2] = UNKNOWN
    keep = task.keep(split_of(target))
    stored = torch.cat([keep(logits[rows], rows) for rows in (slice(0, 4), slice(4, 6))])
    total, count = task.stored_loss(stored, target)
    assert total.item() == pytest.approx(task.loss_sum(logits, target).item(), rel=1e-5)
    assert count == task.known(target).sum()
    parts = sum(task.loss_sum(logits[rows], target[rows]) for rows in (slice(0, 4), slice(4, 6)))
    combines = settings.get("dice", {}).get("over") != "batch"
    assert combines == (total.item() == pytest.approx(float(parts), rel=1e-5))


@pytest.mark.parametrize("exclusive", [False, True])
def test_what_is_stored_is_what_metrics_count(exclusive: bool) -> None:
    task, (logits, target) = half(exclusive), example(exclusive)
    target[0, :, 5] = UNKNOWN
    stored = task.stored(logits, target).numpy()
    marked = logits.numpy() > 0
    if exclusive:
        best = logits.argmax(dim=1).numpy()
        marked = np.stack([best == 1, best == 2], axis=1)
    counts = count_overlap(marked, target.numpy())
    expected = np.stack([getattr(counts, name) for name in COUNTS], axis=-1)
    np.testing.assert_array_equal(stored[..., : len(COUNTS)], expected)
    assert len(STORED) == stored.shape[-1]


def test_an_output_that_is_no_number_is_stored_as_none() -> None:
    task, (logits, target) = half(), example(False)
    logits[1, 0, 3, 3] = torch.nan
    finite = task.stored(logits, target).isfinite()
    assert finite[0].all() and not finite[1].any()


@pytest.mark.parametrize("exclusive", [False, True])
def test_masks_move_with_their_films(exclusive: bool) -> None:
    task: LearnHalf = half(exclusive)
    disc = ((torch.arange(64)[:, None] - 20) ** 2 + (torch.arange(64) - 26) ** 2 < 150).to(
        torch.uint8
    )
    target = torch.stack([disc, disc.flip(1) * (1 - disc)])[None].repeat(4, 1, 1, 1)
    settings = Augmentation(
        flip_probability=0.5, rotate_degrees=20, translate=0.1, scale=0.2, crop_scale_min=0.6
    )
    rows = torch.arange(4)
    followed = task.follow(target, lambda maps: move(maps, rows, 3, 9, settings))
    assert followed.dtype == torch.uint8 and followed.shape == target.shape
    assert not torch.equal(followed, target) and set(followed.unique().tolist()) == {0, 1}
    film = augment(target[:, 0] * 255, rows, 3, 9, settings)
    assert torch.equal(followed[:, 0] == 1, film >= 0.4995)


@pytest.mark.parametrize("exclusive", [False, True])
def test_unknown_pixels_move_as_well(exclusive: bool) -> None:
    task = half(exclusive)
    target = torch.zeros(1, 2, 16, 16, dtype=torch.uint8)
    target[0, 0, 4:8, 2:6] = 1
    target[0, :, :, 12:] = UNKNOWN
    mirror = partial(torch.flip, dims=(-1,))
    assert torch.equal(task.follow(target, mirror), target.flip(-1))
    aside = lambda maps: nn.functional.pad(maps, (3, -3))  # noqa: E731 - whole pixels to the right
    moved = task.follow(target, aside)
    assert torch.equal(moved[..., 3:], target[..., :-3]) and (moved[..., :3] == 0).all()
    blurred = task.follow(target, lambda maps: nn.functional.avg_pool2d(maps, 2))
    assert torch.equal(blurred, target[..., ::2, ::2])


def test_a_pixel_with_half_of_a_structure_has_it() -> None:
    target = torch.zeros(1, 2, 1, 8, dtype=torch.uint8)
    target[0, 0, 0, :3], target[0, 1, 0, 3:5] = 1, 1
    in_two = lambda maps: nn.functional.avg_pool2d(maps, (1, 2))  # noqa: E731
    assert half().follow(target, in_two)[0, :, 0].tolist() == [[1, 1, 0, 0], [0, 1, 1, 0]]
    # A pixel has one of two equal shares, and one that is as large as the background's.
    assert half(True).follow(target, in_two)[0, :, 0].tolist() == [[1, 1, 0, 0], [0, 0, 1, 0]]
    target[0, :, 0, 5:] = UNKNOWN
    assert half().follow(target, in_two)[0, :, 0].tolist() == [[1, 1, 0, 255], [0, 1, 1, 255]]


def test_losses_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UserError, match=r"'cross_entropy'; where structures may overlap"):
        MaskLoss.of("cross_entropy", exclusive=False)
    with pytest.raises(UserError, match=r"allowed are cross_entropy, dice, cross_entropy\+dice"):
        MaskLoss.of("bce", exclusive=True)
    with pytest.raises(UserError, match="form is 'cubed'; allowed are plain, squared"):
        MaskLoss.of("dice", False, {"form": "cubed"})
    with pytest.raises(UserError, match="dice has no setting 'smooth'; it has form and over"):
        MaskLoss.of("bce+dice", False, {"smooth": 1})
    with pytest.raises(UserError, match="dice has settings, but the loss is 'bce'"):
        MaskLoss.of("bce", False, {"over": "batch"})
    with pytest.raises(UserError, match="has no masks"):
        half().target(split=SimpleNamespace(masks=None))  # type: ignore[arg-type]


def test_a_network_is_completed_to_its_structures() -> None:
    record = known_architectures()["cbr_tiny_32"].record(image_px=16)
    for exclusive, channels in ((False, 2), (True, 3)):
        task: LearnHalf = half(exclusive)
        network = task.complete(build(record, task.outputs(2), 0, seed=0), 2, seed=0)
        assert network(torch.zeros(2, 3, 16, 16)).shape == (2, channels, 16, 16)
