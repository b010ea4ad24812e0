"""The page over all studies of a folder of results, in the look of their own pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from transfergrid.planning.paths import TEMPLATES
from transfergrid.reporting.page.templates import template_environment
from transfergrid.reporting.page.told import FirstAnswer

FOLDER = "index"
"""Where its template lies: beside those of a study's page, which are part of that page's stamp."""


@dataclass(frozen=True)
class IndexedStudy:
    """What the index says of a study.

    Attributes:
        name: Its name, which is that of its folder.
        title: Its title; empty without one.
        description: Its description; empty without one.
        states: How many of its cells are in each state, the states as words, in order.
        written: When its page was written; empty without a page.
        answer: The first answer of its page.
        page: Its page, relative to the folder of results; empty without one.
        snapshot: The page of its snapshot, likewise.
        tables: Its tables, likewise, in the order of the catalogue.
    """

    name: str
    title: str = ""
    description: str = ""
    states: Mapping[str, int] | None = None
    written: str = ""
    answer: FirstAnswer | None = None
    page: str = ""
    snapshot: str = ""
    tables: Sequence[str] = ()

    @property
    def cells(self) -> int:
        """How many cells it has, as far as that is known."""
        return sum((self.states or {}).values())

    @property
    def done(self) -> int:
        """How many of them have ended, diverged ones included."""
        states = self.states or {}
        return states.get("finished", 0) + states.get("diverged", 0)

    @property
    def rest(self) -> list[tuple[str, int]]:
        """The states that a reader has to know beside the number of cells that are done."""
        return [(word, n) for word, n in (self.states or {}).items() if n and word != "finished"]


def render_index(
    studies: Sequence[IndexedStudy], when: str, version: str, templates: Path = TEMPLATES
) -> str:
    """Return the index as HTML; like a study's page it loads nothing, and all text is escaped.

    Args:
        studies: The studies, in the order in which they stand.
        when: When it was made.
        version: Version of TransferGrid.
        templates: Folder of page.css, with the index's own template in `FOLDER`.
    """
    environment = template_environment(templates / FOLDER)
    environment.filters["address"] = _address
    told: dict[str, Any] = {
        "studies": studies,
        "when": when,
        "version": version,
        "css": Markup((templates / "page.css").read_text(encoding="utf-8")),
        "sizes": [
            (len(studies), "study" if len(studies) == 1 else "studies"),
            (sum(study.done for study in studies), "cells done"),
            (sum(study.cells - study.done for study in studies), "cells to do"),
        ],
    }
    return environment.get_template("index.html.j2").render(**told)


def _address(path: str) -> str:
    """Return a path for a link; what an address gives a meaning to is written as a code."""
    return quote(path)
