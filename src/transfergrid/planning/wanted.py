"""What a `where` asks for: of each axis that it names one value, or any of several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

KEYS = ("cams", "pictures", "similarity", "curves", "weights", "claims")
"""Keys of a study that may have a `where`, beside its questions."""


def each(wanted: Any) -> list[Any]:
    """Return the values of an axis that a `where` asks for."""
    return list(wanted) if isinstance(wanted, list | tuple) else [wanted]


def wheres(config: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every `where` of a study."""
    asked = [config[key] for key in KEYS]
    for entry in (*asked, *config["questions"], *config["external"]):
        if isinstance(entry, dict) and entry.get("where"):
            yield entry["where"]
