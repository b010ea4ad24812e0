"""Short names for contrasts that stand together: what all of them say is said once."""

from __future__ import annotations

from collections.abc import Sequence

SEPARATOR = ": "


def shorten(names: Sequence[str]) -> tuple[str, list[str]]:
    """Split off what the contrasts of one question have in common.

    Args:
        names: Contrasts such as ``resnet18 drop0 chest finetune: shapes - random``.

    Returns:
        What all of them compare or where, such as ``shapes − random``, possibly empty; and a
        label for each, never empty.
    """
    split = [name.partition(SEPARATOR) for name in names]
    places = [place.split(" ") for place, _, _ in split]
    values = [value.replace(" - ", " − ") for _, _, value in split]
    common = set.intersection(*map(set, places)) if len(places) > 1 else set()
    same = values[0] if len(set(values)) == 1 and len(values) > 1 else ""
    labels = []
    for place, value in zip(places, values, strict=True):
        words = " ".join(word for word in place if word not in common).rstrip(",")
        parts = [words] if same else [words, value]
        labels.append(SEPARATOR.join(part for part in parts if part) or " ".join(place))
    return same, labels
