"""How templates of pages are filled: everything that is put into one is escaped."""

from __future__ import annotations

from pathlib import Path

import jinja2

from transfergrid.reporting import words

FILTERS = ("score", "score_interval", "signed", "count", "scaled", "hours", "percent")


def template_environment(folder: Path) -> jinja2.Environment:
    """Return what fills the templates in a folder, with the filters for numbers.

    A name that a template uses and nobody gives is an error.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(words, name) for name in FILTERS}
    environment.globals["plural"] = words.plural
    return environment
