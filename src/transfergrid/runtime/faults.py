"""Disk and permission errors, whoever raises them, as one sentence that says what to do."""

from __future__ import annotations

import errno
import os
import re
import resource
import shutil
from pathlib import Path

from transfergrid.runtime.errors import UserError

_NEARLY_FULL_BYTES = 2**20
_SHORT_BYTES = 2**26
_WORDS = {
    errno.ENOSPC: "no space left {to_write}; free some (transfergrid prune lists what can go)",
    errno.EDQUOT: (
        "no space left {to_write}; free some of the disk quota (transfergrid prune lists what can "
        "go)"
    ),
    errno.EROFS: "{what} is on a file system mounted read-only; have it mounted for writing",
    errno.EACCES: "no permission to use {what}; correct its owner or its permissions",
    errno.EPERM: "no permission to use {what}; correct its owner or its permissions",
    errno.EFBIG: (
        "{what} would be larger than a file may be here; raise the limit (ulimit -f unlimited) or "
        "use a file system without it"
    ),
    errno.ENAMETOOLONG: "the name {what} is too long for the file system; shorten names",
    errno.EIO: "the disk failed to read or write {what}; have it checked",
    errno.EMFILE: "too many files are open; raise the limit (ulimit -n 4096)",
    errno.ENFILE: "too many files are open on this machine; close some programs",
    errno.ESTALE: "the file server lost {what}; have its mount checked",
}
_NUMBER = re.compile(r"(?:os error |errno )(\d+)", re.IGNORECASE)
_CUT_SHORT = re.compile(r"requested and \d+ written|PytorchStreamWriter|unexpected pos|file write")
"""What NumPy and PyTorch say when the system cut a write short; neither keeps the reason."""


def failure(error: BaseException, path: Path | None = None) -> str | None:
    """Return a sentence for a system error that a user can fix, or None for any other error.

    pyarrow, safetensors, NumPy and PyTorch raise their own errors for a failed write, with or
    without the system's error number.

    Args:
        error: What was raised.
        path: What was being written, if known; by default the file that the error names.
    """
    if isinstance(error, UserError):
        return None
    named = getattr(error, "filename", None)
    if path is None and isinstance(named, str | bytes | os.PathLike):
        path = Path(os.fsdecode(named))
    number = _number(error, path.parent if path else Path())
    if number not in _WORDS:
        return None
    if number == errno.ENOSPC and path and _without_inodes(path.parent):
        told = f"no room for another file to write {path} (df -i); remove files that nobody needs"
    else:
        told = _WORDS[number].format(
            what=path or "a file",
            to_write=f"to write {path}" if path else "on the disk of the results",
        )
    return f"{told} and run again: finished work is kept."


def short_of_space(folder: Path) -> str | None:
    """Return a sentence where a folder's disk has hardly any space left, or None.

    A job whose log lies on a full disk fails without a word: what it says cannot be written.
    """
    if not folder.is_dir() or (free := _free(folder)) >= _SHORT_BYTES:
        return None
    return (
        f"hardly any space is left on the disk of {folder} ({free / 2**20:.1f} MiB): a job that "
        "failed with an empty log found no space left to write; free some (transfergrid prune "
        "lists what can go) and run again: finished work is kept."
    )


def _number(error: BaseException, folder: Path) -> int | None:
    """Return an error's system error number, even if a library has wrapped it."""
    number = getattr(error, "errno", None)
    if isinstance(number, int):
        return number
    named = _NUMBER.search(str(error))
    if named:
        return int(named[1])
    if isinstance(error, OSError | RuntimeError):
        if _free(folder) < _NEARLY_FULL_BYTES:
            return errno.ENOSPC
        if _CUT_SHORT.search(str(error)):
            limited = resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY
            return errno.EFBIG if limited else errno.EIO
    return None


def _free(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return _SHORT_BYTES


def _without_inodes(folder: Path) -> bool:
    try:
        status = os.statvfs(folder)
    except OSError:
        return False
    return status.f_files > 0 and status.f_favail == 0
