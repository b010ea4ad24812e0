"""Weight files of other programs, told by their first bytes and names, with their conversion."""

from __future__ import annotations

import re
from pathlib import Path

from transfergrid.runtime.errors import UserError

_BYOL = (
    "convert it with convert.py of github.com/ajtejankar/byol-convert, which runs code in the "
    "file, and give what that writes as kind release, release: byol"
)
_TENSORFLOW = (
    "convert it first: SimCLR v1 with convert.py of github.com/tonylins/simclr-converter (release: "
    "simclr_v1), SimCLR v2 with convert.py of github.com/Separius/SimCLRv2-Pytorch (release: "
    "simclr_v2), others with the program that wrote them"
)
_CHECKPOINT = re.compile(r"\.(index|meta|data-\d+-of-\d+)$")
_JAX = (b"haiku", b"experiment_state", b"jaxline")
_LOOKED_AT = 1 << 20
_TABLE = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"  # the last bytes of LevelDB's tables, TensorFlow's too


def check_foreign(path: Path) -> None:
    """Refuse a file that another program has to convert first; nothing in it is run.

    Raises:
        UserError: It is a pickle of JAX's (BYOL), a checkpoint of TensorFlow's or a Keras file.
    """
    told = _kind(path)
    if told:
        raise UserError(f"weight file {path} is {told}.")


def _kind(path: Path) -> str | None:
    name = path.name.lower()
    if path.is_dir() and (path / "saved_model.pb").is_file():
        return f"a saved model of TensorFlow's; {_TENSORFLOW}"
    if not path.is_file():
        # TensorFlow calls a checkpoint by what the names of its files begin with.
        beside = path.with_name(f"{path.name}.index").is_file()
        return f"a checkpoint of TensorFlow's; {_TENSORFLOW}" if beside else None
    with open(path, "rb") as file:
        head = file.read(_LOOKED_AT)
        file.seek(max(0, path.stat().st_size - len(_TABLE)))
        tail = file.read()
    if head.startswith(b"\x80") and any(word in head for word in _JAX):
        return f"a pickle of JAX's, as BYOL's release is; {_BYOL}"
    if _CHECKPOINT.search(name) or name == "saved_model.pb" or tail == _TABLE:
        return f"part of a checkpoint of TensorFlow's; {_TENSORFLOW}"
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return f"an HDF5 file, as Keras writes; {_TENSORFLOW}"
    return None
