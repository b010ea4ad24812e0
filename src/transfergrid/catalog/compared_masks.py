"""Settings of every kind of data set with masks that decide how test films are compared."""

from __future__ import annotations

from transfergrid.catalog.dataset_kind import Setting

APART: Setting = {"type": "number", "exclusiveMinimum": 0, "maximum": 1000}
"""A length in mm."""


def compared(*others: Setting, words: str = "a number") -> dict[str, Setting]:
    """Return the settings; no cache and no cell has them.

    Args:
        others: What may stand in the place of a number of mm.
        words: What may be written, in words.
    """
    forms = (APART, *others)
    return {
        "scored_at": {
            "description": "Whether masks are compared at the size of the cache, or at that of "
            "each film.",
            "enum": ["cache", "film"],
            "default": "cache",
        },
        "spacing": {
            "description": f"Millimetres between a film's pixels: {words}, or two, from row to row "
            "and from column to column. null is unknown; distances are in pixels then.",
            "anyOf": [
                *forms,
                *({"type": "array", "minItems": 2, "maxItems": 2, "items": form} for form in forms),
                {"type": "null"},
            ],
            "default": None,
        },
    }
