"""The state that lets a killed training go on where it was."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from transfergrid.runtime.atomic import replacing
from transfergrid.runtime.hashing import canonical_json, sha256_text


def stamp_of(spec: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a spec, which a state must carry to be used."""
    return sha256_text(canonical_json(spec))


def save_state(path: Path, stamp: str, values: dict[str, Any]) -> None:
    """Write tensors and plain values, atomically."""
    # By way of memory: PyTorch's own writing of files hides why it failed.
    buffer = io.BytesIO()
    torch.save({"stamp": stamp, "values": values}, buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_state(path: Path, stamp: str, say: Callable[[str], None]) -> dict[str, Any] | None:
    """Return the values of a state, or None (with a message) where there is none to use.

    A state of another spec, or one that cannot be read, is no error: training starts anew, which
    gives the same result later. Nothing but tensors and plain values is unpickled.
    """
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found, values = state["stamp"], state["values"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
        say(f"{path} cannot be read ({type(error).__name__}): training starts anew")
        return None
    if found != stamp:
        say(f"{path} belongs to another spec: training starts anew")
        return None
    return dict(values)
