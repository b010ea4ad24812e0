"""What the numbers in a mask's file mean: which of them are a structure, and which nobody knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from transfergrid.catalog.mask_pixels import NO, UNKNOWN, YES
from transfergrid.data.mask_coverage import Mask
from transfergrid.runtime.errors import UserError, listed, suggest

Numbers = npt.NDArray[Any]
"""(H, W) of whole numbers."""

KEYS = ("values", "unknown_values", "other_values", "at_least")
"""The settings that say what numbers mean."""

_MOST = 1 << 16


@dataclass(frozen=True)
class Coding:
    """What the numbers of masks' files mean; 0 is no structure.

    Attributes:
        structures: The structures that a file shows.
        values: The numbers of each; empty where a file shows one structure, as 1 or as 255.
        unknown: Numbers of pixels of which nobody knows.
        others: Whether any other number is no structure, as 0 is; else it is refused.
        at_least: The least number of the single structure, for files that were saved with losses.
        settable: Those of `KEYS` that the data set has, which messages may tell to change.
    """

    structures: tuple[str, ...]
    values: tuple[frozenset[int], ...] = ()
    unknown: frozenset[int] = frozenset()
    others: bool = False
    at_least: int | None = None
    settable: tuple[str, ...] = ()

    @classmethod
    def declared(
        cls, structures: Sequence[str], options: Mapping[str, Any], settable: Sequence[str] = KEYS
    ) -> Coding:
        """Take it from settings: values, unknown_values, other_values and at_least.

        Args:
            structures: The structures that a file shows.
            options: The settings.
            settable: Those of `KEYS` that the data set has.

        Raises:
            UserError: They contradict each other, or do not tell the structures apart.
        """
        names = tuple(structures)
        values = _declared_values(names, options.get("values"))
        unknown = _whole("unknown_values", options.get("unknown_values", ()))
        others = options.get("other_values", "refuse")
        if others not in ("refuse", "no"):
            raise UserError(f"other_values is '{others}'; allowed are refuse and no.")
        at_least = options.get("at_least")
        if at_least is not None and (values or unknown or "other_values" in options):
            raise UserError(
                "at_least divides all numbers into two, so values, unknown_values and other_values "
                "have no meaning beside it; remove it or them."
            )
        if at_least is not None:
            _whole("at_least", at_least)
        if len(names) > 1 and not values:
            raise UserError(
                f"one mask shows {listed(names)}; give `values`, which says the numbers of each, "
                f"such as {names[0]}: 1."
            )
        both = unknown & {0}.union(*values)
        if both:
            raise UserError(
                f"{min(both)} is in unknown_values and the number of a structure, or of none (0); "
                "give a number one meaning."
            )
        return cls(names, values, unknown, others == "no", at_least, tuple(settable))

    def masks(self, numbers: Numbers) -> Mask:
        """Return (K, H, W), a mask for each structure.

        Raises:
            ValueError: A number has no meaning.
        """
        if numbers.dtype == np.bool_:
            numbers = numbers.astype(np.uint8)
        if self.at_least is not None:
            return (numbers >= self.at_least).astype(np.uint8)[None]
        found = _distinct(numbers)
        values = self.values or (self._written_as(found),)
        stray = found - self.unknown - {0}.union(*values)
        if stray and not self.others:
            meant = sorted(self.unknown | {0}.union(*values))
            raise ValueError(
                f"has the values {listed(sorted(stray), 5)}, and a mask there has "
                f"{listed(meant)}; {self._mend()}"
            )
        meaning = np.full((len(values), max(found) + 1), NO, np.uint8)
        for row, own in zip(meaning, values, strict=True):
            row[sorted(own & found)] = YES
        meaning[:, sorted(self.unknown & found)] = UNKNOWN
        if numbers.dtype != np.uint8:
            return meaning[:, numbers]
        # By bytes, which takes a tenth of the time of an index for each pixel.
        tables = np.zeros((len(values), 256), np.uint8)
        tables[:, : meaning.shape[1]] = meaning
        stored = numbers.tobytes()
        rows = [stored.translate(table.tobytes()) for table in tables]
        return np.frombuffer(b"".join(rows), np.uint8).reshape(len(values), *numbers.shape)

    def _mend(self) -> str:
        """Say what to do about a number without a meaning, by settings that the data set has."""
        either = "correct the file or `values`" if "values" in self.settable else "correct the file"
        if "at_least" not in self.settable:
            return either
        return f"{either}, or write at_least: 128 if masks were saved with losses (as JPEG)"

    def _written_as(self, found: set[int]) -> frozenset[int]:
        """Return what may be the number of a single structure: 1 or 255, and 1 beside 255."""
        return frozenset({1} if {1, 255} <= found - self.unknown else {1, 255})


def _declared_values(names: tuple[str, ...], given: Any) -> tuple[frozenset[int], ...]:
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        given = {names[0]: given}
    strange = [str(name) for name in given if name not in names]
    if strange:
        raise UserError(
            f"values names '{strange[0]}'{suggest(strange[0], names)}, which is no structure of "
            f"the mask; there are {listed(names)}."
        )
    lost = [name for name in names if name not in given]
    if lost:
        raise UserError(f"values gives no number to '{lost[0]}'; give each structure one or more.")
    values = tuple(_whole(f"values of '{name}'", given[name]) for name in names)
    if any(not own or 0 in own for own in values):
        raise UserError(
            "values gives a structure no number, or 0, which is what belongs to none; give it "
            "another."
        )
    return values


def _whole(what: str, given: Any) -> frozenset[int]:
    numbers = list(given) if isinstance(given, list | tuple) else [given]
    for number in numbers:
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < _MOST:
            raise UserError(f"{what} has '{number}'; give whole numbers from 0 to {_MOST - 1}.")
    return frozenset(numbers)


def _histogram(numbers: Numbers) -> list[int]:
    return Image.fromarray(np.ascontiguousarray(numbers)).histogram()


def _distinct(numbers: Numbers) -> set[int]:
    """Return the numbers that occur; counted, because to sort millions of pixels takes longer."""
    if numbers.dtype == np.uint8:
        return {value for value, count in enumerate(_histogram(numbers)) if count}
    least, most = int(numbers.min()), int(numbers.max())
    if least < 0 or most >= _MOST:
        raise ValueError(
            f"has the values {least} to {most}, and a mask has numbers from 0 to {_MOST - 1}; "
            "correct the file"
        )
    return set(np.flatnonzero(np.bincount(numbers.ravel())).tolist())
