"""How settings and their values are written where something changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transfergrid.runtime.errors import listed

MISSING = object()
"""Stands for a setting that is not there, and is no value."""

Flat = dict[str, Any]
"""The leaves of nested mappings by dotted key."""


def flat(value: Any, prefix: str = "") -> Flat:
    """Return the leaves of nested mappings by dotted key; lists are leaves."""
    if not isinstance(value, Mapping) or not value:
        return {prefix: value} if prefix else {}
    found: Flat = {}
    for key, item in value.items():
        found |= flat(item, f"{prefix}.{key}" if prefix else str(key))
    return found


def words(phrase: str) -> str:
    """Return a change with its setting's name in words: ``learning rate 1e-4 → 3e-4``."""
    setting, _, rest = phrase.partition(" ")
    return f"{setting.replace('_', ' ').replace('.', ' ')} {rest}"


def shown(value: Any) -> str:
    """Write a setting's value briefly; small numbers as powers of ten."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value and abs(value) < 0.01:
        mantissa, _, exponent = f"{value:.6e}".partition("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    if isinstance(value, int | float):
        return f"{value:.10g}"
    if isinstance(value, list):
        return listed([shown(item) for item in value], 6) if value else "none"
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
