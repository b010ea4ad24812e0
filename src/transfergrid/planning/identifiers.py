"""What tasks are called, by planning and by the readers of data sets alike."""

from __future__ import annotations

import re


def identifier(name: object) -> str:
    """Turn a published name into a task identifier: "Pleural Effusion" to "pleural_effusion"."""
    return re.sub(r"[^0-9a-z]+", "_", str(name).lower()).strip("_")
