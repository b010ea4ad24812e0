"""DICOM files with known pixels and headers."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from pydicom import DataElement, Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

_UIDS = "1.2.826.0.1.3680043.8.498."


def dicom(pixels: Any, compress: str = "", **header: Any) -> bytes:
    """Return a file of (H, W) or (H, W, 3) numbers of 8 or 16 bits, with or without a sign.

    `header` are values or whole elements by keyword, over those that follow from the pixels.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = UID(f"{_UIDS}1")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = meta.MediaStorageSOPClassUID, UID(f"{_UIDS}1")
    bits = 8 * pixels.dtype.itemsize
    file.Rows, file.Columns = pixels.shape[:2]
    file.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    file.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    if pixels.ndim == 3:
        file.PlanarConfiguration = 0
    file.BitsAllocated, file.BitsStored, file.HighBit = bits, bits, bits - 1
    file.PixelRepresentation = int(pixels.dtype.kind == "i")
    for keyword, value in header.items():
        if isinstance(value, DataElement):
            file.add(value)
        else:
            setattr(file, keyword, value)
    if "BitsStored" in header and "HighBit" not in header:
        file.HighBit = file.BitsStored - 1
    file.PixelData = np.ascontiguousarray(pixels).tobytes()
    file["PixelData"].VR = "OW" if bits == 16 else "OB"
    if compress:
        file.compress(compress)
    buffer = io.BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def lut(first: int, entries: Any, bits: int, vr: str = "OW") -> list[Dataset]:
    """Return the sequence of a modality LUT or a VOI LUT, of words as text or as numbers."""
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    numbers = [int(entry) for entry in entries]
    words = np.array(numbers, "<u2").tobytes()
    item.add_new("LUTData", vr, numbers if vr == "US" else words)
    return [item]
