"""Names of films, examinations and patients in an archive: new ones, unless they may be told."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transfergrid.runtime.errors import UserError
from transfergrid.runtime.progress import progress

KINDS = ("image", "study", "patient")
_TELLING = 6
"""Characters from which on a name is looked for in texts: shorter ones are words."""
_TEXTS = (".csv", ".html", ".json", ".jsonl", ".md", ".svg", ".yaml")
_OWN = ("splits", "workflow")
"""Folders of an archive that hold new names, and the project's own files."""
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
            known[name] = name if self.told else f"archived_{kind}{len(known) + 1:06d}"

    def of(self, kind: str, old: Iterable[str]) -> NDArray[np.str_]:
        """Return new names, row for row; what has none is given one."""
        names = [str(name) for name in old]
        self.add(kind, names)
        return np.array([self.new[kind][name] for name in names], dtype=np.str_)


@dataclass(frozen=True)
class Guard:
    """Finds old names in texts: an archive in which one is left is not written.

    Attributes:
        words: Old names that are a single word.
        others: Those that are not, such as those with blanks.
    """

    words: frozenset[str]
    others: tuple[str, ...]

    @classmethod
    def of(cls, names: Iterable[Names]) -> Guard:
        """Take the names of all data sets that may not be told, and that no text has by chance."""
        hidden = [kind for one in names if not one.told for kind in one.new.values()]
        old = {name for kind in hidden for name in kind if _is_telling(name)}
        words = frozenset(name for name in old if _WORD.fullmatch(name))
        return cls(words, tuple(sorted(old - words)))

    def found(self, text: str) -> str:
        """Return an old name that a text has, alone or at the end of a path; empty if none."""
        for word in _WORD.findall(text) if self.words else ():
            for part in (word, word.rpartition("/")[2]):
                if part in self.words:
                    return str(part)
        return next((name for name in self.others if name in text), "")

    def check(self, folder: Path) -> None:
        """Look into every text of an archive but the splits, whose names are new.

        Raises:
            UserError: One has an old name.
        """
        if not (self.words or self.others):
            return
        paths = [path for path in sorted(folder.rglob("*")) if path.suffix in _TEXTS]
        paths = [path for path in paths if path.relative_to(folder).parts[0] not in _OWN]
        for path in progress(paths, len(paths), "looking for names"):
            if name := self.found(path.read_text(encoding="utf-8")):
                raise UserError(
                    f"{path.relative_to(folder)} would tell '{name}', the name of a film, "
                    "examination or patient; take it out of the study, or name its data set with "
                    "--ids if its names may be told."
                )


def _is_telling(name: str) -> bool:
    """Tell whether a name is neither a number nor a word that any text may have."""
    try:
        float(name)
    except ValueError:
        return len(name) >= _TELLING and not name.isalpha()
    return False
