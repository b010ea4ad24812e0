"""At which tolerances outlines of masks are compared, and what distances are in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def tolerances_of(metrics: Iterable[Mapping[str, Any]]) -> list[float] | None:
    """Return every tolerance that metrics ask for, rising; None where none asks for outlines.

    Args:
        metrics: Declarations of metrics.
    """
    asking = [metric["settings"] for metric in metrics if metric.get("outlines")]
    if not asking:
        return None
    return sorted({float(settings["tolerance"]) for settings in asking if "tolerance" in settings})


def unit_of(measured: bool, spaced: bool) -> str:
    """Return what distances are in, "px" or "mm"; empty where none is measured.

    Args:
        measured: Whether outlines are compared.
        spaced: Whether the spacing of the films' pixels is known.
    """
    if not measured:
        return ""
    return "mm" if spaced else "px"
