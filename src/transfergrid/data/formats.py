"""What a file that is not read is, judged by how it begins."""

from __future__ import annotations

from transfergrid.runtime.filehead import HEAD, mistaken

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "GIF")
"""Pillow's names of the formats that are read."""

CONVERT = "convert it to an 8- or 16-bit grey or RGB PNG"

_AT = {
    0: {
        b"\xff\x4f\xff\x51": "a JPEG 2000 codestream",
        b"\0\0\0\x0cjP  ": "a JPEG 2000 file",
        b"\0\0\0\x0cJXL ": "a JPEG XL file",
        b"\xff\x0a": "a JPEG XL file",
        b"PK\x03\x04": "a zip archive",
        b"\x93NUMPY": "a NumPy array",
        b"%PDF": "a PDF document",
        b"8BPS": "a Photoshop document",
        b"NRRD": "an NRRD file",
        b"ObjectType": "a MetaImage header",
        b"NDims": "a MetaImage header",
        b"P5": "a PGM file",
        b"P6": "a PPM file",
        b"<": "text (XML or SVG)",
    },
    4: {b"ftypavif": "an AVIF file", b"ftyphei": "a HEIC file", b"ftypmif1": "a HEIC file"},
    8: {b"WEBP": "a WebP file"},
    128: {b"DICM": "a DICOM file"},
    344: {b"n+1\0": "a NIfTI file", b"ni1\0": "a NIfTI header"},
}
_JPEG_KINDS = {0xC3: "lossless", 0xF7: "JPEG-LS", 0xC9: "arithmetic-coded"}
_OURS = {
    b"\xff\xd8": "JPEG",
    b"\x89PNG": "PNG",
    b"BM": "BMP",
    b"GIF8": "GIF",
    b"II": "TIFF",
    b"MM": "TIFF",
}


class UnfitError(ValueError):
    """A file that would not be read correctly: what it is, and what to do about it."""

    def __init__(self, what: str, mend: str = CONVERT) -> None:
        super().__init__(f"{what}; {mend}")


def unread(data: bytes, samples: object = None) -> UnfitError:
    """Say what a file is that no decoder accepted; `samples` names its numbers, if known."""
    told = mistaken(data[:HEAD])
    if told:
        what, _, mend = told.partition("; ")
        return UnfitError(f"cannot be read (it is {what})", mend)
    for place, kinds in _AT.items():
        for start, name in kinds.items():
            if data.startswith(start, place):
                return UnfitError(f"cannot be read (it is {name})")
    for start, name in _OURS.items():
        if data.startswith(start):
            odd = _jpeg_kind(data) if name == "JPEG" else ""
            if odd:
                return UnfitError(f"cannot be read (it is a JPEG of {odd})")
            of = f" of {samples}," if samples else ""
            told = f"cannot be read ({name}{of} in a form that is not read, or broken)"
            return UnfitError(told, f"restore it or {CONVERT}")
    read = ", ".join(FORMATS)
    return UnfitError(f"cannot be read (it is not one of {read})", f"restore it or {CONVERT}")


def _jpeg_kind(data: bytes) -> str:
    """Return what is special about a JPEG's frame; empty if its header is ordinary or cut off."""
    place = 2
    while place + 5 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker in _JPEG_KINDS:
            return f"{data[place + 4]} bits, {_JPEG_KINDS[marker]}"
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            bits, layers = data[place + 4], data[place + 9] if place + 9 < len(data) else 0
            return (
                f"{bits} bits"
                if bits != 8
                else f"{layers} layers"
                if layers not in (1, 3, 4)
                else ""
            )
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return ""
