"""What a file's first bytes say that it is, if it is not what its name says."""

from __future__ import annotations

import re
from pathlib import Path

HEAD = 4096

_LFS = b"version https://git-lfs.github.com/spec/"
_PAGE = re.compile(rb"\s*(<!doctype html|<html|<head|<\?xml)", re.IGNORECASE)
_MAGIC = {
    b"\x1f\x8b": "a gzip archive; unpack it",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; unpack it",
    b"Rar!\x1a\x07": "a RAR archive; unpack it",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file; convert it with the program that wrote it",
}


def read_head(path: Path) -> bytes:
    """Return the first `HEAD` bytes of a file; OSError if it cannot be read."""
    with open(path, "rb") as file:
        return file.read(HEAD)


def mistaken(head: bytes) -> str | None:
    """Say what a file is if no reader of data or weights accepts it, and how to fix it.

    Args:
        head: Its first `HEAD` bytes, or all of it.

    Returns:
        The end of a sentence that begins with "it is", or None if the file may be fine.
    """
    if not head:
        return "empty; get it again"
    if head.startswith(_LFS):
        return "a Git LFS pointer and not the file itself; fetch that with git lfs pull"
    if _PAGE.match(head.removeprefix(b"\xef\xbb\xbf")):
        return "a web page (a login or an error) and not the file itself; download it again"
    if head[257:262] == b"ustar":
        return "a tar archive; unpack it"
    return next((told for magic, told in _MAGIC.items() if head.startswith(magic)), None)
