"""The card of a data set in folds, as one fold sees it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from transfergrid.runtime.errors import UserError


def as_seen_by(card: Mapping[str, Any], fold: int | str | None) -> dict[str, Any]:
    """Return a cache's card with the splits of one fold.

    Args:
        card: The content of card.json. Of a data set in folds it holds ``folds`` (their number),
            ``parts`` (counts of each part) and ``by_fold`` (counts of each fold's splits).
        fold: The fold; None or "all" where there is none.

    Raises:
        UserError: The card has no such fold, or has folds and none was named.
    """
    values = dict(card)
    named = None if fold in (None, "all") else int(str(fold))
    folds = values.pop("by_fold", None)
    if folds is None:
        if named is not None:
            raise UserError(
                f"fold {named} was asked for, and data set '{card.get('dataset')}' is not cut into "
                "folds."
            )
        return values
    if named is None or not 0 <= named < len(folds):
        told = "no fold was named" if named is None else f"fold {named} was asked for"
        raise UserError(
            f"{told}, and data set '{card.get('dataset')}' has folds 0 to {len(folds) - 1}."
        )
    return values | {"splits": folds[named], "fold": str(named)}


def cells_card(card: bytes, fold: int | None) -> bytes:
    """Return the card that a cell keeps of its data: the cache's own, or what its fold sees of it.

    Raises:
        UserError: As `as_seen_by`.
    """
    if fold is None:
        return card
    return f"{json.dumps(as_seen_by(json.loads(card), fold), indent=2, sort_keys=True)}\n".encode()
