"""Regular files only: a named pipe would be waited for forever, and a device may have no end."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from transfergrid.runtime.errors import UserError

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def check_regular(path: str | Path) -> os.stat_result:
    """Return the status of a file that can be read to its end; links are followed.

    Raises:
        UserError: It is a folder, a named pipe, a device or a socket.
        OSError: It is missing or out of reach.
    """
    status = os.stat(path)
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        raise UserError(f"{path} is {_KINDS.get(kind, 'not a file')}; put a regular file there.")
    return status
