"""Flags of scores, as tables hold them: ``<flag>:<task>``, or the flag alone."""

from __future__ import annotations

from typing import Any

from transfergrid.reporting.words import known

OF_DATA = ("synthetic", "patients_unknown")
"""Flags that hold for every score on a data set."""
EVERY = "all classes"
"""Stands for the task of a flag without one, whose metric is of whole cases."""


def flags_of(text: Any) -> list[tuple[str, str]]:
    """Return each flag of a score with its task, those of the data set left out.

    Args:
        text: A value of a column ``flags``; may be missing.
    """
    parts = [part.partition(":") for part in str(text).split(";") if part] if known(text) else []
    return [(flag, task or EVERY) for flag, _, task in parts if flag not in OF_DATA]
