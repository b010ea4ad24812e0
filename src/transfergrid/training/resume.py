"""The state that lets a killed training go on from where it was."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from transfergrid.runtime.atomic import replacing
from transfergrid.runtime.hashing import sha256_bytes
from transfergrid.runtime.sealed import DIGITS, unseal


def save_state(path: Path, stamp: str, values: dict[str, Any]) -> None:
    """Write tensors and plain values, atomically."""
    # Via memory: PyTorch's own writing of files hides why it failed. It does not check the
    # checksums in its files either.
    buffer = io.BytesIO(bytes(DIGITS))
    buffer.seek(DIGITS)
    torch.save({"stamp": stamp, "values": values}, buffer)
    data = buffer.getbuffer()
    data[:DIGITS] = sha256_bytes(data[DIGITS:]).encode("ascii")
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def load_state(path: Path, stamp: str, say: Callable[[str], None]) -> dict[str, Any] | None:
    """Return the values of a state, or None (with a message) if there is none to use.

    A state of another spec, or one that cannot be read, is not an error: training starts again,
    which gives the same result later. Only tensors and plain values are unpickled.
    """
    if not path.exists():
        return None
    try:
        data = unseal(path.read_bytes())
        if data is None:
            raise EOFError("not what was written")
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        found, values = state["stamp"], state["values"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
        say(f"{path} cannot be read ({type(error).__name__}): training starts anew")
        return None
    if found != stamp:
        say(f"{path} belongs to another spec: training starts anew")
        return None
    return dict(values)
