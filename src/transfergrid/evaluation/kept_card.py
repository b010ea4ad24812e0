"""The card of its data that a trained cell keeps."""

from __future__ import annotations

import json
from dataclasses import fields

from transfergrid.data.store import Card


def card_of(data: bytes) -> Card:
    """Return the card that a cell keeps, as its fold sees it where there are folds.

    Args:
        data: The content of the cell's card.json, as training left it.
    """
    values = json.loads(data)
    lists = {key: tuple(values[key]) for key in ("tasks", "score_tasks", "notes")}
    known = {field.name: values[field.name] for field in fields(Card) if field.name in values}
    return Card(**{**known, **lists})
