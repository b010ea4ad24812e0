"""Grey numbers of a DICOM file, from those that are stored to 8 bits, in the order of PS3.3 C.11.

Each step is taken on the list of all numbers that may be stored, and pixels look theirs up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.pixels import apply_rescale, apply_windowing

from transfergrid.data.decoding import Levels
from transfergrid.data.formats import UnfitError

Numbers = npt.NDArray[Any]
Shares = npt.NDArray[np.float64]

_OF_PIXELS = (
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
)
_OF_VALUES = ("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept")
_OF_WINDOWS = ("VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction")
_TABLE_BITS = 16
_GIVE = "give the data set `white` and `black`, in the file's own units, or correct the file"


@dataclass(frozen=True)
class Greys:
    """A grey image.

    Attributes:
        pixels: (H, W) uint8.
        low: The least number in it after the modality LUT, padding left out.
        high: The greatest.
        black: The number that became black; of MONOCHROME1, white.
        white: The other end.
        chosen: Whether the file or the data set chose these ends; else they are those of its bits.
    """

    pixels: npt.NDArray[np.uint8]
    low: float
    high: float
    black: float
    white: float
    chosen: bool


def greys_of(file: Dataset, pixels: Numbers, levels: Levels) -> Greys:
    """Turn stored numbers (H, W) into greys of 8 bits, see `transfergrid.data.dicom.decode`.

    Raises:
        UnfitError: The file contradicts itself, or its window has no width.
    """
    facts = facts_of(file)
    stored = within_bits(facts, pixels)
    hidden = _is_padding(facts, pixels)  # of which the number may not fit the bits that are stored
    if facts.BitsStored <= _TABLE_BITS:
        least, most = _bounds(facts)
        every = np.arange(least, most + 1)
        places: Numbers = stored.astype(np.int32) - least
    else:
        every, places = np.unique(stored.astype(np.int64), return_inverse=True)
        places = places.reshape(stored.shape)
    padded = _is_padding(facts, every)
    values = _modality(facts, every)
    shares, black, white, chosen = _shown(facts, values, levels)
    if facts.PhotometricInterpretation == "MONOCHROME1":
        shares = 1 - shares
    greys = in_eight_bits(shares)
    greys[padded] = 0
    present = np.zeros(len(every), bool)
    present[places[~hidden] if hidden.any() else places] = True
    seen = values[present & ~padded]
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (black, black)
    shown = greys[places]
    shown[hidden] = 0
    return Greys(shown, low, high, black, white, chosen)


def facts_of(file: Dataset) -> Dataset:
    """Return what a file says of its grey numbers, with what only its first frame says."""
    facts = Dataset()
    for keyword in (*_OF_PIXELS, *_OF_VALUES, *_OF_WINDOWS):
        if keyword in file:
            facts[keyword] = file[keyword]
    for groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in (file.get(groups) or [])[:1]:
            for name in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
                for item in (group.get(name) or [])[:1]:
                    for keyword in (*_OF_VALUES, *_OF_WINDOWS):
                        if keyword in item:
                            facts[keyword] = item[keyword]
    for keyword in ("BitsAllocated", "BitsStored", "PixelRepresentation"):
        if facts.get(keyword) is None:
            raise UnfitError(f"is a DICOM file without {keyword}", "restore it")
    return facts


def within_bits(facts: Dataset, pixels: Numbers) -> Numbers:
    """Return stored numbers without what lies beyond BitsStored, such as overlays, and signed.

    Raises:
        UnfitError: They are not the lowest bits.
    """
    allocated, bits = int(facts.BitsAllocated), int(facts.BitsStored)
    if not 1 <= bits <= allocated or int(facts.get("HighBit", bits - 1)) != bits - 1:
        raise UnfitError(
            f"is a DICOM file of {bits} bits stored in {allocated} whose highest is number "
            f"{facts.get('HighBit')}, which is not read"
        )
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    if bits == allocated:
        return pixels
    if facts.PixelRepresentation == 1:
        unused = pixels.dtype.itemsize * 8 - bits
        signed = pixels.view(f"i{pixels.dtype.itemsize}")
        return np.right_shift(np.left_shift(signed, unused), unused)
    return np.bitwise_and(pixels, pixels.dtype.type((1 << bits) - 1))


def in_eight_bits(shares: Shares) -> npt.NDArray[np.uint8]:
    """Return 0 to 255 for shares from 0 to 1, rounded to the nearest (halves up)."""
    return np.floor(shares * 255 + 0.5).astype(np.uint8)


def _bounds(facts: Dataset) -> tuple[int, int]:
    """Return the least and the greatest number that may be stored."""
    bits = int(facts.BitsStored)
    if facts.PixelRepresentation == 1:
        return -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return 0, (1 << bits) - 1


def _is_padding(facts: Dataset, numbers: Numbers) -> npt.NDArray[np.bool_]:
    """Say of each number whether it is padding: no part of what was imaged."""
    first = facts.get("PixelPaddingValue")
    if first is None:
        return np.zeros(numbers.shape, bool)
    ends = sorted(_as_signed(facts, n) for n in (first, facts.get("PixelPaddingRangeLimit", first)))
    return (ends[0] <= numbers) & (numbers <= ends[1])


def _as_signed(facts: Dataset, number: Any) -> int:
    """Return a number with the sign of the pixels; some writers give it the other one.

    It may be larger than any that is stored: 65535 in files of 12 bits.
    """
    allocated, bits = int(facts.BitsAllocated), int(facts.BitsStored)
    unsigned = int(number) & ((1 << allocated) - 1)
    width = bits if unsigned < 1 << bits else allocated
    negative = facts.PixelRepresentation == 1 and unsigned >> (width - 1)
    return unsigned - (1 << width) if negative else unsigned


def _modality(facts: Dataset, numbers: Numbers) -> Numbers:
    """Return what stored numbers stand for."""
    if facts.get("ModalityLUTSequence"):
        return _looked_up(facts.ModalityLUTSequence[0], numbers)[0]
    if facts.get("RescaleSlope") is None or facts.get("RescaleIntercept") is None:
        return numbers
    if not facts.RescaleSlope:
        raise UnfitError("is a DICOM file whose RescaleSlope is 0", "restore it")
    return apply_rescale(numbers, facts)


def _shown(facts: Dataset, values: Numbers, levels: Levels) -> tuple[Shares, float, float, bool]:
    """Return how bright values are, 0 to 1 before any inversion; their ends; who chose these."""
    if levels.given:
        if levels.white is None:
            raise UnfitError("is a DICOM file", "give the data set `white` beside `black`")
        black, white = float(levels.black), float(levels.white)
        return _between(values, black, white), black, white, True
    if facts.get("VOILUTSequence"):
        # Its input is whole numbers; a slope may have left 7 as 6.9999.
        found, most = _looked_up(facts.VOILUTSequence[0], np.rint(values).astype(np.int64))
        return _between(found, 0, most), 0, most, True
    if facts.get("WindowCenter") not in (None, "") and facts.get("WindowWidth") not in (None, ""):
        return _windowed(facts, values), *_ends(values), True
    lowest, highest = _ends(_modality(facts, np.array(_bounds(facts))))
    if facts.get("ModalityLUTSequence"):
        lowest, highest = 0, 2 ** int(facts.ModalityLUTSequence[0].LUTDescriptor[2]) - 1
    return _between(values, lowest, highest), lowest, highest, False


def _ends(values: Numbers) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _between(values: Numbers, black: float, white: float) -> Shares:
    return np.clip((values.astype(np.float64) - black) / (white - black), 0, 1)


def _windowed(facts: Dataset, values: Numbers) -> Shares:
    """Apply the first window; what it makes of the lowest and highest numbers is 0 and 1.

    pydicom spreads a window over the range of all numbers that may be stored, so neither 0 nor
    the greatest number of so many bits is its end.
    """
    beyond = np.array([-np.inf, np.inf])
    try:
        with np.errstate(over="ignore"):
            ends = apply_windowing(beyond, facts)
            shown = apply_windowing(values.astype(np.float64), facts)
    except ValueError as error:
        raise UnfitError(
            f"is a DICOM file with a window that means nothing ({error})", _GIVE
        ) from None
    return np.clip((shown - ends[0]) / (ends[1] - ends[0]), 0, 1)


def _looked_up(item: Dataset, numbers: Numbers) -> tuple[Numbers, int]:
    """Return a LUT's entries for whole numbers, and its greatest possible entry.

    pydicom's own function holds places in the type of the entries, so that a LUT of 8 bits for
    numbers of 12 begins again at 256.
    """
    count, first, bits = (int(number) for number in item.LUTDescriptor)
    count = count or 1 << 16
    data = item.LUTData
    if isinstance(data, bytes):
        words = ">u2" if item.original_encoding[1] is False else "<u2"
        entries = np.frombuffer(data, np.uint8 if len(data) in (count, count + 1) else words)
    else:
        entries = np.atleast_1d(np.asarray(data, dtype=np.int64))
    if len(entries) < count or not 1 <= bits <= 16:
        raise UnfitError(
            f"is a DICOM file whose LUT has {len(entries)} entries and says {count} of {bits} bits",
            _GIVE,
        )
    numbers = numbers.astype(np.int64)
    first = _with_sign(first, count, int(numbers.min()), int(numbers.max()))
    places = np.clip(numbers - first, 0, count - 1)
    return entries[places].astype(np.int64), (1 << bits) - 1


def _with_sign(first: int, count: int, least: int, most: int) -> int:
    """Return the first number of a LUT, with the other sign if it were for no number at all.

    Its 16 bits are read with the sign of the pixels, and after a modality LUT numbers may have the
    other one: a CT that is stored from 0 and begins at -1024.
    """
    for begins in (first, first - (1 << 16), first + (1 << 16)):
        if begins <= most and least < begins + count:
            return begins
    return first
