"""Losses of masks, as one term for each film and structure, in torch.

A term is 0 at best. Of a film and structure with known pixels

- cross-entropy is the mean over its known pixels;
- Dice is 1 - 2 Σpy / (Σp + Σy), or 1 - 2 Σpy / (Σp² + Σy) in the squared form, over known pixels
  with the probability p and the truth y. There is nothing added to either side: where a pixel is
  true, the sums are not 0.

Where no pixel is true, this would be 1 whatever is marked, without a gradient. There the Dice of
what is *not* the structure is taken, with 1 - p and 1 - y in the place of p and y: 0 where nothing
is marked, 1 where everything is, and growing with every pixel that is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from transfergrid.catalog.mask_pixels import UNKNOWN


@dataclass(frozen=True)
class Sums:
    """Sums over the known pixels of masks, from which every Dice follows.

    Attributes:
        both: (...) of p y.
        predicted: (...) of p.
        squared: (...) of p².
        true: (...) of y.
        known: (...) of 1.
    """

    both: Tensor
    predicted: Tensor
    squared: Tensor
    true: Tensor
    known: Tensor

    @classmethod
    def of(cls, probability: Tensor, truth: Tensor, known: Tensor) -> Sums:
        """Sum (B, C, H, W) probabilities, bool masks and bool known pixels to (B, C)."""
        over = (2, 3)
        own = torch.where(known, probability, 0.0)
        return cls(
            both=torch.where(truth & known, probability, 0.0).sum(over),
            predicted=own.sum(over),
            squared=own.square().sum(over),
            true=(truth & known).sum(over).to(own.dtype),
            known=known.sum(over).to(own.dtype),
        )

    def of_batch(self) -> Sums:
        """Return the (1, C) sums over all films."""
        sums = (self.both, self.predicted, self.squared, self.true, self.known)
        return Sums(*(values.sum(dim=0, keepdim=True) for values in sums))

    def dice_loss(self, form: str) -> Tensor:
        """Return the (...) loss; 0 where no pixel is known."""
        beside = self.squared if form == "squared" else self.predicted
        there = 1 - 2 * self.both / (beside + self.true).clamp(min=1)
        # 1 - 2 Σ(1-p) / (Σ(1-p) + Σ1) and 1 - 2 Σ(1-p) / (Σ(1-p)² + Σ1), without cancellation.
        absent = beside / (2 * (self.known - self.predicted) + beside).clamp(min=1)
        found = torch.where(self.true > 0, there, absent)
        return torch.where(self.known > 0, found, 0.0)


def truth_of(target: Tensor, exclusive: bool) -> tuple[Tensor, Tensor]:
    """Return which pixels are true and which are known, (B, C, H, W) bool, of uint8 masks.

    With exclusive structures a pixel is known if it is for all of them.
    """
    known = target != UNKNOWN
    if exclusive:
        known = known.all(dim=1, keepdim=True).expand_as(known)
    return (target == 1) & known, known


def probabilities(output: Tensor, exclusive: bool) -> Tensor:
    """Return (B, C, H, W) probabilities of structures.

    Args:
        output: (B, C, H, W) logits, or (B, 1 + C, H, W) with the background's first if structures
            are exclusive.
        exclusive: Whether a pixel has one structure at most.
    """
    return output.softmax(dim=1)[:, 1:] if exclusive else output.sigmoid()


def predictions(output: Tensor, exclusive: bool) -> Tensor:
    """Return (B, C, H, W) bool: the pixels of each structure.

    These are the ones with a probability over one half; of exclusive structures those where it is
    the most probable, background included.
    """
    if not exclusive:
        return output > 0
    best = output.argmax(dim=1, keepdim=True)
    return best == torch.arange(1, output.shape[1], device=output.device)[:, None, None]


def pixel_terms(output: Tensor, truth: Tensor, known: Tensor, exclusive: bool) -> Tensor:
    """Return the mean cross-entropy over known pixels, 0 where none is.

    Args:
        output: As `probabilities`.
        truth: (B, C, H, W) bool.
        known: (B, C, H, W) bool.
        exclusive: Whether a pixel has one structure at most.

    Returns:
        (B, C); with exclusive structures (B, 1).
    """
    if exclusive:
        known = known[:, :1]
        chosen = torch.cat([~truth.any(dim=1, keepdim=True), truth], dim=1)
        scores = functional.log_softmax(output, dim=1)
        terms = -torch.where(chosen, scores, 0.0).sum(dim=1, keepdim=True)
    else:
        terms = functional.binary_cross_entropy_with_logits(
            output, truth.to(output.dtype), reduction="none"
        )
    total = torch.where(known, terms, 0.0).sum((2, 3))
    return total / known.sum((2, 3)).clamp(min=1)
