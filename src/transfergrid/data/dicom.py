"""DICOM files as images of 8 bits: stored numbers, modality LUT, window or LUT, then inversion.

It is looked up by name where a data set says ``dicom: true``, and is code of such data sets alone.
Values and orders are those of DICOM PS3.3, C.7.6.3 (pixels), C.11.1 (modality LUT), C.11.2 (VOI
LUT) and C.7.5.1.1.2 (padding).
"""

from __future__ import annotations

import io
import struct
import warnings
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_color_lut, get_decoder, pixel_array
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from transfergrid.data.decoding import PAGES, Levels, Look, Picture
from transfergrid.data.dicom_greys import (
    Greys,
    facts_of,
    greys_of,
    in_eight_bits,
    within_bits,
)
from transfergrid.data.formats import UnfitError

Stored = npt.NDArray[Any]

GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
PALETTE = "PALETTE COLOR"

_PLAIN = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
_DECODER = {
    JPEGBaseline8Bit: "pillow",
    JPEGExtended12Bit: "pillow",
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    JPEG2000Lossless: "pylibjpeg",
    JPEG2000: "pylibjpeg",
    HTJ2KLossless: "pylibjpeg",
    HTJ2KLosslessRPCL: "pylibjpeg",
    HTJ2K: "pylibjpeg",
    RLELossless: "pylibjpeg",
}
"""The one library that decodes each form of compression, whatever else is installed."""
_PACKAGES = ("pydicom", "pyjpegls", "pylibjpeg", "pylibjpeg-openjpeg", "pylibjpeg-rle")
_UNPACK = (
    "decompress it (gdcmconv --raw, or dcmdjpeg) or convert it to an 8- or 16-bit grey or RGB PNG"
)


def decoders() -> dict[str, str]:
    """Return the version of each package that a DICOM file's pixels may depend on."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package.replace("-", "_")] = version(package)
        except PackageNotFoundError:
            found[package.replace("-", "_")] = "none"
    return found


def decode(data: bytes, levels: Levels) -> Picture:
    """Decode a DICOM file to 8 bits per channel.

    Grey: stored numbers, of which bits beyond BitsStored are left out; the modality LUT or slope
    and intercept; the first LUT or window of the file, or in its place the data set's black and
    white; the range that this spans becomes 0 to 255; MONOCHROME1 is turned over, once and last;
    pixels of padding are black. Without a window the range is that of the stored bits.

    Args:
        data: The whole file.
        levels: What the data set says; numbers beyond its black and white are clipped.

    Returns:
        The image, of which the first frame is read if there are several.

    Raises:
        UnfitError: It has no pixels, or is in a form that is not known to be read correctly.
        Exception: Of nearly any class, from decoders of broken files.
    """
    file = _opened(data)
    pixels = _pixels(file)
    traits = frozenset({PAGES} if _frames(file) > 1 else ())
    look: Look | None = None
    if _photometric(file) in GREY:
        greys = greys_of(file, pixels, levels)
        look, image = _look(greys), Image.fromarray(greys.pixels)
    else:
        image = Image.fromarray(_colours(file, pixels, levels))
    return Picture(image, *image.size, traits, look)


def stored(data: bytes) -> Stored:
    """Return the numbers of a grey DICOM file as they are stored, (H, W), for a mask.

    Raises:
        UnfitError: It has several frames or colours, or is not read.
    """
    file = _opened(data)
    if _frames(file) > 1:
        raise UnfitError("has several frames", "save the one that is the mask as a PNG")
    if _photometric(file) != "MONOCHROME2":
        raise UnfitError(
            f"is a DICOM file of {_photometric(file)}", "save the mask as a PNG of one number"
        )
    numbers = within_bits(facts_of(file), _pixels(file))
    return numbers if numbers.dtype.itemsize <= 2 else numbers.astype(np.int32)


def _opened(data: bytes) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of values that matter to no pixel
        file = dcmread(io.BytesIO(data))
    if "FloatPixelData" in file or "DoubleFloatPixelData" in file:
        raise UnfitError("is a DICOM file of floating-point pixels, which are not read")
    if "PixelData" not in file and (file.get("Rows") or not len(file)):
        # Of a file that ends within compressed pixels, pydicom returns nothing at all.
        raise UnfitError("is a DICOM file that ends before its pixels do", "restore it")
    if "PixelData" not in file:
        what = file.file_meta.get("MediaStorageSOPClassUID")
        kind = f", {what.name}" if what is not None and what.name else ""
        raise UnfitError(f"is a DICOM file without an image{kind}", "leave it out of the table")
    if "SharedFunctionalGroupsSequence" in file and _frames(file) > 1:
        raise UnfitError(
            f"is an enhanced multi-frame DICOM file of {_frames(file)} frames",
            "save each frame that is an image of the study as a file of its own",
        )
    photometric = _photometric(file)
    if photometric not in (*GREY, *COLOUR, PALETTE):
        raise UnfitError(
            f"is a DICOM file whose PhotometricInterpretation is '{photometric}', which is not read"
        )
    return file


def _frames(file: Dataset) -> int:
    return int(file.get("NumberOfFrames") or 1)


def _photometric(file: Dataset) -> str:
    return str(file.get("PhotometricInterpretation", ""))


def _pixels(file: Dataset) -> Stored:
    """Return the first frame: (H, W) with all allocated bits as they are, or (H, W, 3) RGB.

    Raises:
        UnfitError: Its compression is not read, or its decoder is not installed.
    """
    syntax = file.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        raise UnfitError("is a DICOM file that does not tell its transfer syntax", "restore it")
    if syntax in _PLAIN:
        plugin = ""
    elif syntax in _DECODER:
        plugin = _DECODER[syntax]
    else:
        raise UnfitError(f"is a DICOM file compressed as {syntax.name} ({syntax})", _UNPACK)
    if syntax == JPEGExtended12Bit and int(file.BitsStored) > 8:
        raise UnfitError(
            f"is a DICOM file compressed as {syntax.name} ({syntax}) with more than 8 bits", _UNPACK
        )
    if plugin and plugin not in get_decoder(syntax).available_plugins:
        raise UnfitError(
            f"is a DICOM file compressed as {syntax.name}, whose decoder is not installed",
            "install transfergrid[dicom], or envs/requirements.lock",
        )
    if plugin == "pylibjpeg" and syntax != RLELossless:
        _check_size(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Of greys, padding is told from what is stored by bits that pydicom would leave out.
            bits: dict[str, Any] = (
                {"correct_unused_bits": False} if _photometric(file) in GREY else {}
            )
            return pixel_array(file, index=0, decoding_plugin=plugin, **bits)
    except RuntimeError as error:  # pydicom's list of what each decoder said
        told = str(error).splitlines()[-1].strip()
        raise ValueError(f"{syntax.name}: {told}") from None
    except BaseException as error:
        # A decoder written in Rust may end so where a file is broken; it is no Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise ValueError(f"broken data of {syntax.name}") from None


def _check_size(file: Dataset) -> None:
    """Refuse JPEG 2000 data of another size than the file says; the decoder would believe it."""
    frame = next(generate_frames(file.PixelData, number_of_frames=_frames(file)))
    start = frame.find(b"\xff\x4f\xff\x51")
    width, height, left, top = struct.unpack_from(">4I", frame, start + 8)
    if start < 0 or (height - top, width - left) != (file.Rows, file.Columns):
        raise UnfitError(
            f"is a DICOM file of {file.Rows} x {file.Columns} pixels with JPEG 2000 data of "
            "another size, or broken",
            "restore it",
        )


def _colours(file: Dataset, pixels: Stored, levels: Levels) -> npt.NDArray[np.uint8]:
    """Return (H, W, 3) uint8 of colours, or of places in a palette (H, W)."""
    if levels.given:
        raise UnfitError(
            "is a DICOM file with colours, so `white` and `black` do not apply to it",
            "remove them from the data set's settings",
        )
    if _photometric(file) == PALETTE:
        bits = int(file.RedPaletteColorLookupTableDescriptor[2])
        pixels = apply_color_lut(pixels, file)[..., :3]
    else:
        bits = int(file.BitsStored)
    if pixels.dtype == np.uint8 and bits == 8:
        return pixels
    return in_eight_bits(pixels / np.float64(2**bits - 1))


def _look(greys: Greys) -> Look | None:
    """Say what was seen where nobody chose a window: it may be the wrong range."""
    if greys.chosen:
        return None
    return Look(greys.low, greys.high, round(greys.black), round(greys.white))
