"""The losses that masks can be learned with, as both planning and training know them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transfergrid.runtime.errors import UserError, listed

BCE, CROSS_ENTROPY, DICE = "bce", "cross_entropy", "dice"
FORMS = ("plain", "squared")
OVERS = ("image", "batch")


@dataclass(frozen=True)
class MaskLoss:
    """A loss of masks: the sum of its parts.

    Attributes:
        parts: Of `BCE`, `CROSS_ENTROPY` and `DICE`, one or a sum with `DICE`.
        form: Whether Dice has probabilities (``plain``) or their squares (``squared``) beside the
            true pixels.
        over: Whether Dice is computed of every film (``image``) or of all films of a micro-batch
            together (``batch``).
    """

    parts: tuple[str, ...] = (BCE, DICE)
    form: str = "plain"
    over: str = "image"

    @classmethod
    def of(
        cls, loss: str | None, exclusive: bool, dice: Mapping[str, Any] | None = None
    ) -> MaskLoss:
        """Read what a recipe says.

        Args:
            loss: Names with ``+`` between them, such as ``bce+dice``; the sum of both where there
                are none.
            exclusive: Whether a pixel has one structure at most.
            dice: Perhaps ``form`` and ``over``.

        Raises:
            UserError: There is no such loss, or it does not fit the structures.
        """
        pixels = CROSS_ENTROPY if exclusive else BCE
        both = f"{pixels}+{DICE}"
        allowed = (pixels, DICE, both)
        loss = loss or both
        if loss not in allowed:
            one = "a pixel has one structure at most" if exclusive else "structures may overlap"
            raise UserError(
                f"loss is '{loss}'; where {one} (exclusive: {str(exclusive).lower()}), allowed are "
                f"{listed(allowed)}."
            )
        settings = dict(dice or {})
        if settings and DICE not in loss:
            raise UserError(f"dice has settings, but the loss is '{loss}'; remove dice or add it.")
        for key, choices in (("form", FORMS), ("over", OVERS)):
            if settings.get(key, choices[0]) not in choices:
                raise UserError(f"dice.{key} is '{settings[key]}'; allowed are {listed(choices)}.")
        unknown = set(settings) - {"form", "over"}
        if unknown:
            raise UserError(f"dice has no setting '{min(unknown)}'; it has form and over.")
        return cls(tuple(loss.split("+")), **settings)
