"""Notes that say where a data set or a weight file lies on this machine. Recorded, never hashed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transfergrid.runtime.errors import UserError


def find_note(owner: str, results: Path) -> dict[str, Any]:
    """Return the location note of a data set or of weights by id.

    Raises:
        UserError: There is none.
    """
    stamps = sorted((results / "stamps").glob(f"{owner}.location.*"))
    if not stamps:
        raise UserError(
            f"{owner} is missing and no stamp says where it comes from; run snakemake with the "
            "study that names it."
        )
    note: dict[str, Any] = json.loads(stamps[-1].read_text(encoding="utf-8"))
    return note
