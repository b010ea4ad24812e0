"""What a weight file is, judged by its first bytes and its size, without torch."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

from transfergrid.runtime.errors import UserError, listed, printable
from transfergrid.runtime.filehead import mistaken, read_head

PICKLED = (".pth", ".pt", ".bin", ".tar", ".ckpt")
SAFETENSORS = ".safetensors"

_BLOCK = 1 << 20
_LONGEST_HEADER = 100_000_000  # the format's own limit


def is_safetensors(path: Path) -> bool:
    """Tell from its name whether a file is a .safetensors file."""
    return path.suffix.lower() == SAFETENSORS


def check_head(path: Path) -> None:
    """Check what can be known of a weight file without reading its tensors.

    Raises:
        UserError: The file is missing, has another ending, is something else (a Git LFS pointer, a
            web page, an archive), has the wrong ending for its content, or is cut short.
    """
    if not path.is_file():
        raise UserError(f"weight file {path} does not exist; put it there or correct the path.")
    if not (is_safetensors(path) or path.suffix.lower() in PICKLED):
        raise UserError(
            f"weight file {path} ends in '{path.suffix}'; allowed are .safetensors and "
            f"{listed(PICKLED)}."
        )
    try:
        head = read_head(path)
    except OSError as error:
        raise UserError(f"weight file {path} cannot be read ({error.strerror}).") from None
    told = mistaken(head) or _misnamed(path, head) or _cut(path, head)
    if told:
        raise UserError(f"weight file {path} is not what its name says: it is {told}.")


def holds_zeros_only(path: Path) -> bool:
    """Tell whether every byte of a file's tensors is zero; stops reading at the first other byte.

    Pickled files in the format before torch 1.6 are not examined.
    """
    if is_safetensors(path):
        with open(path, "rb") as file:
            file.seek(8 + int.from_bytes(file.read(8), "little"))
            return not any(block.strip(b"\0") for block in iter(lambda: file.read(_BLOCK), b""))
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return not any(block.strip(b"\0") for block in _storages(archive))


def _storages(archive: zipfile.ZipFile) -> Iterator[bytes]:
    for member in archive.infolist():
        if "/data/" in member.filename:
            with archive.open(member) as file:
                while block := file.read(_BLOCK):
                    yield block


def _header(head: bytes) -> int | None:
    """Return the length of a safetensors header, or None if there is none."""
    length = int.from_bytes(head[:8], "little")
    return length if 2 <= length <= _LONGEST_HEADER and head[8:9] == b"{" else None


def _misnamed(path: Path, head: bytes) -> str | None:
    pickled = head.startswith((b"PK\x03\x04", b"\x80")) and _header(head) is None
    if pickled and is_safetensors(path):
        return "a torch checkpoint; let its name end in .pth"
    if not pickled and not is_safetensors(path):
        if _header(head) is None:
            return "not a torch checkpoint; get it again"
        return "a safetensors file; let its name end in .safetensors"
    return None


def _cut(path: Path, head: bytes) -> str | None:
    if head.startswith(b"PK\x03\x04"):
        if not zipfile.is_zipfile(path):
            return f"the first {path.stat().st_size} bytes of a longer file; get it again"
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if not any(name.endswith(("/data.pkl", "/constants.pkl")) for name in names):
            shown = listed(map(printable, names), 3)
            return f"a zip archive not written by torch ({shown}); unpack it"
        return None
    return _cut_safetensors(path, head) if is_safetensors(path) else None


def _cut_safetensors(path: Path, head: bytes) -> str | None:
    length, size = _header(head), path.stat().st_size
    if length is None:
        return "not a safetensors file; get it again"
    with open(path, "rb") as file:
        file.seek(8)
        text = file.read(length)
    try:
        entries = json.loads(text)
        ends = [entry["data_offsets"][1] for key, entry in entries.items() if key != "__metadata__"]
        whole = 8 + length + max(ends, default=0)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        if len(text) < length:
            return f"the first {size} bytes of a longer file; get it again"
        return "a safetensors file with a broken header; get it again"
    if size < whole:
        return f"the first {size} of {whole} bytes of a longer file; get it again"
    return None
