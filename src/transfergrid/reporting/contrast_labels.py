"""Short names for contrasts that stand together: what all of them say is said once."""

from __future__ import annotations

from collections.abc import Sequence

SEPARATOR = ": "
MINUS = " − "


def shorten(names: Sequence[str]) -> tuple[str, list[str]]:
    """Split off what the contrasts of one question have in common.

    Args:
        names: Contrasts such as ``resnet18 drop0 chest finetune: shapes - random``.

    Returns:
        What all of them compare, such as ``shapes − random`` or ``minus random``, possibly empty;
        and a label for each, never empty.
    """
    split = [name.partition(SEPARATOR) for name in names]
    places = [place.split(" ") for place, _, _ in split]
    values = [value.replace(" - ", MINUS) for _, _, value in split]
    common = set.intersection(*map(set, places)) if len(places) > 1 else set()
    same, values = _shared_value(values)
    labels = []
    for place, value in zip(places, values, strict=True):
        words = " ".join(word for word in place if word not in common).rstrip(",")
        labels.append(SEPARATOR.join(part for part in (words, value) if part) or " ".join(place))
    return same, labels


def _shared_value(values: list[str]) -> tuple[str, list[str]]:
    """Split ``a − b`` into what all values share and what is left of each."""
    if len(values) < 2:
        return "", values
    if len(set(values)) == 1:
        return values[0], [""] * len(values)
    baselines = {value.partition(MINUS)[2] for value in values}
    if len(baselines) > 1:
        return "", values
    return f"minus {baselines.pop()}", [value.partition(MINUS)[0] for value in values]
