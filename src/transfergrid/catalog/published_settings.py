"""Settings that kinds of published data sets have in common, and how such a kind is declared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transfergrid.catalog.dataset_kind import DatasetKind, Setting


def form(image_px: int) -> dict[str, Setting]:
    """Return the size of the images and how they are brought to it, as one study had them."""
    side = {"$ref": "#/$defs/image_px", "description": "Side of the cached images."}
    rule = {"$ref": "#/$defs/resize", "description": "Resize rule."}
    return {"image_px": {**side, "default": image_px}, "resize": {**rule, "default": "stretch"}}


def share(part: str, of: str, default: float) -> dict[str, Any]:
    """Return the share of a data set's units that a drawn part has."""
    words = f"Share of the {of} that are {part} images; folds have shares of their own."
    return {"$ref": "#/$defs/share", "description": words, "default": default}


def split_choice(official: str, drawn: str, default: str = "official") -> dict[str, Any]:
    """Return the choice between the published split and one that is drawn."""
    words = f"official: {official}; random: {drawn}. Folds have parts of their own."
    allowed = [default, *({"official", "random"} - {default})]
    return {"enum": allowed, "description": words, "default": default}


def lists(instead: str) -> dict[str, Any]:
    """Return the lists of films by which a study may divide a data set."""
    words = {"train": "trained on", "valid": "validated on", "test": "tested on"}
    return {
        "description": "Files in root with the names of the films of each part, one a line, every "
        f"film in one of them; null {instead}.",
        "type": ["object", "null"],
        "additionalProperties": False,
        "required": list(words),
        "properties": {
            part: {"type": "string", "minLength": 1, "description": f"Films that are {told}."}
            for part, told in words.items()
        },
        "default": None,
        "x-example": "lists: { train: train.txt, valid: val.txt, test: test.txt }",
    }


ONE = ("kind",)
"""All data sets of such a kind hold images of one publication, wherever they lie."""
COLOURS = {"$ref": "#/$defs/channels", "description": "Stored channels.", "default": "rgb"}


def published(name: str, *, settings: Mapping[str, Setting], **about: Any) -> DatasetKind:
    """Return a kind whose reader is named as it is, opens no image, and may draw a split."""
    return DatasetKind(
        name,
        f"transfergrid.data.{name}:read",
        count="transfergrid.commands.images:of_reader",
        check="transfergrid.planning.meaning:check_shares",
        settings={
            **settings,
            "seed": {"$ref": "#/$defs/seed", "description": "Seed of the split.", "default": 0},
        },
        **about,
    )
