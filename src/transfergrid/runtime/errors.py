"""The exception that users are meant to read, and helpers for its wording."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Something that the user can fix, in one sentence.

    It may quote somebody else's file and is shown on a terminal, so control codes are escaped.
    """

    def __str__(self) -> str:
        return escaped(super().__str__())


class Stopped(Exception):  # noqa: N818 - not an error
    """A job was asked to stop, and its work so far is safe on disk."""


def escaped(text: str) -> str:
    """Return text with everything that a terminal would obey or cannot show written out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)


def suggest(name: object, allowed: Iterable[object]) -> str:
    """Return `` (did you mean 'x'?)`` for the closest allowed name, or an empty string."""
    close = difflib.get_close_matches(str(name), [str(a) for a in allowed], n=1, cutoff=0.6)
    return f" (did you mean '{close[0]}'?)" if close else ""


def listed(names: Iterable[object], most: int = 12) -> str:
    """Join names for a sentence; a long list is cut and its length given."""
    words = [str(name) for name in names]
    shown = ", ".join(words[:most])
    return shown if len(words) <= most else f"{shown}, ... ({len(words)} in all)"


def printable(text: object, most: int = 80) -> str:
    """Return text from a file for a sentence: control codes escaped, long text cut."""
    shown = repr(str(text))[1:-1]
    return shown if len(shown) <= most else f"{shown[:most]}..."
