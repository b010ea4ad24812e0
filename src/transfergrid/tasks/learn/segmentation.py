"""Structures in images: masks, their losses, and what scoring needs of what a network marks.

A film and structure counts once in the loss, however many of its pixels are known, so that losses
of batches of any size combine; with exclusive structures it is a film. Only Dice over a batch does
not combine: training takes it of each micro-batch, and validation of all films together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from transfergrid.catalog.mask_pixels import UNKNOWN
from transfergrid.data.store import Split
from transfergrid.models.mask_network import mask_network
from transfergrid.planning.mask_losses import DICE, MaskLoss
from transfergrid.runtime.errors import UserError
from transfergrid.tasks.learn.kind import Keep, KeepTogether
from transfergrid.tasks.learn.mask_terms import (
    Sums,
    pixel_terms,
    predictions,
    probabilities,
    truth_of,
)

STORED = (
    *("true_positive", "marked", "true", "known"),
    *("sum_both", "sum_predicted", "sum_squared", "pixel_loss"),
)
"""What is kept of a film and structure: pixels of masks (the same four, in order, that metrics of
masks are computed from), then sums of probabilities and the mean cross-entropy."""

_MOST_TOGETHER, _MOST_PIXELS = 64, 64 * 128**2

HALF = 0.5 - 1e-3
"""A pixel of a moved mask is true from here on: one half, but for the rounding of weights."""


@dataclass(frozen=True)
class Segmentation:
    """How the masks of a data set are learned.

    Attributes:
        exclusive: Whether a pixel has one structure at most.
        loss: The loss.
        px: Side of the images, at which the decoder is built.
        decoder: ``module:function`` of a decoder of one's own, or None for the U-Net's.
    """

    exclusive: bool = False
    loss: MaskLoss = field(default_factory=MaskLoss)
    px: int = 224
    decoder: str | None = None

    @property
    def batch(self) -> int:
        """Images per forward pass that keeps nothing: maps of masks are as large as the images."""
        return max(1, min(_MOST_TOGETHER, _MOST_PIXELS // self.px**2))

    def outputs(self, tasks: int) -> int:
        """Return one logit per structure and, if they are exclusive, one of the background."""
        return tasks + 1 if self.exclusive else tasks

    def complete(self, network: nn.Module, tasks: int, seed: int) -> nn.Module:
        """Return the network with a decoder in the place of its classifier.

        Raises:
            UserError: The two do not fit, or the images are too small.
        """
        return mask_network(network, self.outputs(tasks), seed, self.px, self.decoder)

    def target(self, split: Split) -> NDArray[Any]:
        """Return the (N, C, H, W) uint8 masks: 0, 1, or `UNKNOWN`.

        Raises:
            UserError: The data set has none.
        """
        if split.masks is None:
            raise UserError("this data set has no masks; task_kind: segmentation needs them.")
        return cast(Any, split.masks)

    def follow(self, target: Tensor, move: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the masks of moved images.

        A pixel is true if half of what it is made of is, and unknown if more than half of that is
        unknown; of exclusive structures it has the one with the largest share, unless the
        background's is larger. What comes from outside of the image is background, as it is black.

        Args:
            target: (B, C, H, W) uint8.
            move: Changes (B, C, H, W) float32 maps in shape as the images were changed.
        """
        masks, unknown = target == 1, target == UNKNOWN
        count = target.shape[1]
        moved = move(torch.cat([masks, unknown], dim=1).float())
        share, lost = moved[:, :count], moved[:, count:]
        if self.exclusive:
            lost = lost.amax(dim=1, keepdim=True)
            rest = 1 - share.sum(dim=1, keepdim=True) - lost
            best = share.argmax(dim=1, keepdim=True)
            classes = torch.arange(count, device=target.device)[:, None, None]
            true = (best == classes) & (share > 1e-3) & (share >= rest - 1e-3)
        else:
            true = share >= HALF
        found = torch.where(lost.expand_as(share) > 1 - HALF, UNKNOWN, true.to(torch.uint8))
        return found.to(torch.uint8)

    def known(self, target: Tensor) -> Tensor:
        """Return (B, C) bool, or (B, 1) if exclusive: what has a known pixel."""
        known = truth_of(target, self.exclusive)[1].any(dim=3).any(dim=2)
        return known[:, :1] if self.exclusive else known

    def loss_sum(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the loss, one term per film and structure (film, if exclusive), summed.

        Dice over a batch counts for each film in it, so that a mean weights micro-batches by their
        films.

        Args:
            output: (B, C, H, W) float32 logits; with exclusive structures (B, 1 + C, H, W), the
                background's first.
            target: (B, C, H, W) uint8.

        Returns:
            () float32.
        """
        truth, known = truth_of(target, self.exclusive)
        pixels = sums = None
        if self.loss.parts != (DICE,):
            pixels = pixel_terms(output, truth, known, self.exclusive)
        if DICE in self.loss.parts:
            sums = Sums.of(probabilities(output, self.exclusive), truth, known)
        return self._total(pixels, sums)

    def keep_together(self, split: Split, ranking: Sequence[int]) -> KeepTogether:
        """Return what turns the logits of several networks into (n + R, B, C, 4) counts.

        Args:
            split: The split.
            ranking: Numbers of R of the n networks, the best one first.

        Returns:
            Makes the first four numbers of `STORED`, of each network and then of the mean
            probabilities of the best one, the best two and so on.
        """
        masks = self.target(split)

        def reduce(outputs: Iterable[Tensor], rows: slice) -> Tensor:
            every = [output.float() for output in outputs]
            target = torch.from_numpy(np.array(masks[rows])).to(every[0].device)
            truth, known = truth_of(target, self.exclusive)
            marks = [predictions(output, self.exclusive) for output in every]
            total: Tensor | None = None
            for count, number in enumerate(ranking, 1):
                # Doubles, because float32 saturates and ties.
                own = every[number].double()
                own = own.softmax(dim=1) if self.exclusive else own.sigmoid()
                total = own if total is None else total + own
                mean = total if self.exclusive else total - count / 2
                alone = marks[number] if count == 1 else predictions(mean, self.exclusive)
                marks.append(alone)
            counts = torch.stack([_counts(mark & known, truth, known) for mark in marks])
            # Not a number must not become "not marked".
            finite = torch.stack([output.isfinite().all() for output in every]).all()
            return torch.where(finite, counts, torch.nan)

        return reduce

    def keep(self, split: Split) -> Keep:
        """Return what turns logits into the (B, C, 8) float32 numbers of `STORED`.

        A pixel is marked if its probability is over one half, or the largest. Counts are exact:
        an image has less than 2^24 pixels.
        """
        masks = self.target(split)

        def reduce(output: Tensor, rows: slice) -> Tensor:
            target = torch.from_numpy(np.array(masks[rows])).to(output.device)
            return self.stored(output.float(), target)

        return reduce

    def stored(self, output: Tensor, target: Tensor) -> Tensor:
        """Return (B, C, 8) float32, the numbers of `STORED`."""
        truth, known = truth_of(target, self.exclusive)
        marked = predictions(output, self.exclusive) & known
        sums = Sums.of(probabilities(output, self.exclusive), truth, known)
        pixels = pixel_terms(output, truth, known, self.exclusive)
        counts = _counts(marked, truth, known).unbind(dim=2)
        rest = (sums.both, sums.predicted, sums.squared, pixels.expand_as(sums.true))
        columns = (*counts, *rest)
        # Not a number must not become "not marked": it is how a diverged training is told.
        finite = output.isfinite().all(dim=3).all(dim=2).all(dim=1)[:, None, None]
        return torch.where(finite, torch.stack([c.float() for c in columns], dim=2), torch.nan)

    def stored_loss(self, stored: Tensor, target: Any) -> tuple[Tensor, Tensor]:
        """Return loss sum and known entries of a whole split, of (N, C, 8) from `keep`.

        Dice over a batch is that of all films together. The masks are not read again.
        """
        column = dict(zip(STORED, stored.double().unbind(dim=2), strict=True))
        sums = Sums(*(column[name] for name in (*STORED[4:7], "true", "known")))
        pixels = column["pixel_loss"][:, :1] if self.exclusive else column["pixel_loss"]
        entries = sums.known[:, :1] if self.exclusive else sums.known
        return self._total(pixels, sums), (entries > 0).sum()

    def _total(self, pixels: Tensor | None, sums: Sums | None) -> Tensor:
        total = torch.zeros(())
        if pixels is not None and self.loss.parts != (DICE,):
            total = total.to(pixels) + pixels.sum()
        if sums is None or DICE not in self.loss.parts:
            return total
        terms = sums.dice_loss(self.loss.form)
        if self.loss.over == "batch":
            here = sums.known > 0
            terms = sums.of_batch().dice_loss(self.loss.form) * here
        if self.exclusive:  # the mean over structures, so that a film counts once
            terms = terms.mean(dim=1)
        return total.to(terms) + terms.sum()


def _counts(marked: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Return (B, C, 4) float32, the first four numbers of `STORED`, exact as in `keep`.

    Args:
        marked: (B, C, H, W) bool, known pixels alone.
        truth: (B, C, H, W) bool, known pixels alone.
        known: (B, C, H, W) bool.
    """
    counts = (marked & truth, marked, truth, known)
    return torch.stack([pixels.sum((2, 3)).float() for pixels in counts], dim=2)


def of_spec(spec: Mapping[str, Any]) -> Segmentation:
    """Return how the masks of a cell are learned.

    Args:
        spec: The cell's specification: ``loss`` and ``dice`` of its recipe, ``exclusive`` of its
            data set, and ``input_px`` and perhaps ``decoder`` of its architecture.

    Raises:
        UserError: The loss does not fit the structures.
    """
    exclusive = bool(spec.get("dataset", {}).get("exclusive"))
    network = spec.get("architecture", {})
    px = int(network.get("input_px") or 224)
    return segmentation(spec.get("recipe", {}), exclusive, px, network.get("decoder"))


def segmentation(
    settings: Mapping[str, Any], exclusive: bool, px: int, decoder: str | None = None
) -> Segmentation:
    """Return how masks are learned by ``loss`` and ``dice`` of a recipe.

    Raises:
        UserError: The loss does not fit the structures.
    """
    loss = MaskLoss.of(settings.get("loss"), exclusive, settings.get("dice"))
    return Segmentation(exclusive, loss, px, decoder)
