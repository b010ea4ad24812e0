"""Names of films, examinations and patients in an archive: new ones, unless they may be told."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergrid.runtime.atomic import read_json, write_json, write_text

CARD = "card.json"
KINDS = ("image", "study", "patient")
_TELLING = 6
"""Characters from which on a word of a text is looked for among ids: shorter ones are words."""
_WORD = re.compile(r"[\w./-]*[\w/-]")


@dataclass(frozen=True)
class Names:
    """What the films, examinations and patients of one data set are called.

    Attributes:
        told: Whether they keep their names.
        new: By kind of name, the new one of each old one.
    """

    told: bool
    new: Mapping[str, dict[str, str]] = field(default_factory=lambda: {kind: {} for kind in KINDS})

    def add(self, kind: str, old: Iterable[str]) -> None:
        """Give names to what has none yet, in an order that nobody can know."""
        known = self.new[kind]
        fresh = sorted({str(name) for name in old} - known.keys())
        secrets.SystemRandom().shuffle(fresh)
        for name in fresh:
            known[name] = name if self.told else f"{kind}{len(known) + 1:06d}"

    def of(self, kind: str, old: Iterable[str]) -> NDArray[np.str_]:
        """Return new names, row for row; what has none is given one."""
        names = [str(name) for name in old]
        self.add(kind, names)
        return np.array([self.new[kind][name] for name in names], dtype=np.str_)


@dataclass(frozen=True)
class Hidden:
    """Finds old names in texts, such as the notes of a data set, and puts new ones in their place.

    Attributes:
        new: The new name of each old one that may not be told.
    """

    new: Mapping[str, str]

    @classmethod
    def of(cls, names: Iterable[Names]) -> Hidden:
        """Take the names of all data sets; those of fewer than six characters are too common."""
        pairs = (
            pair
            for one in names
            if not one.told
            for kind in one.new.values()
            for pair in kind.items()
        )
        return cls({old: new for old, new in pairs if len(old) >= _TELLING})

    def text(self, text: str, numbers: bool = True) -> str:
        """Return a text with new names; without `numbers`, words of digits alone are left."""

        def renamed(found: re.Match[str]) -> str:
            word = found[0]
            return word if word.isdigit() and not numbers else self.new.get(word, word)

        for odd in self._odd:
            text = text.replace(odd, self.new[odd])
        return _WORD.sub(renamed, text) if self.new else text

    @cached_property
    def _odd(self) -> list[str]:
        """Names that are no single word, such as those with blanks, the longest first."""
        found = (old for old in self.new if not _WORD.fullmatch(old))
        return sorted(found, key=len, reverse=True)

    def value(self, value: Any) -> Any:
        """Return JSON with new names in its texts."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(one) for one in value]
        if isinstance(value, dict):
            return {key: self.value(one) for key, one in value.items()}
        return value

    def in_folder(self, folder: Path) -> None:
        """Rewrite tables, pages, figures and cards; numbers of a table stay as they are."""
        for path in sorted(folder.rglob("*")) if self.new else ():
            if path.name == CARD:
                write_json(path, self.value(read_json(path)))
            elif path.suffix in (".csv", ".html", ".svg", ".md", ".yaml"):
                old = path.read_text(encoding="utf-8")
                new = self.text(old, numbers=path.suffix != ".csv")
                if new != old:
                    write_text(path, new)
