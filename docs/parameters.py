"""Write config/README.md from the schema of studies; `--check` only compares."""

from __future__ import annotations

import re
from pathlib import Path

from keys import DEFS, SCHEMA, section
from written import keep

PAGE = Path(__file__).parents[1] / "config" / "README.md"
HEAD = """\
# Configuration

<!-- Written by docs/parameters.py from the schema of studies; edit the descriptions there. -->

`config.yaml` is a study: what is trained, how it is scored and what is asked. The one here is the
demo, on drawn films and a CPU, and equal to the `config.yaml` of the repository's root, which
`snakemake` reads there. Change it, or put a study of your own in its place:
`transfergrid init FOLDER` writes a first one of your films. Paths in it are relative to the folder
in which Snakemake runs.

Below are the keys of a study, of its blocks and of its recipes. In the repository, `docs/keys.md`
has them all, with those of each kind of data set, weights and question.
"""


def page() -> str:
    """Return the page; it is copied alone, so links to sections that it lacks become words."""
    lines = section("## Study", SCHEMA)
    lines += section("## Blocks: `grid[]`", DEFS["block"])
    lines += section("## Recipes: `recipe`, `protocols.NAME`", DEFS["recipe"])
    return HEAD + re.sub(r"\[([^]]*)\]\(#[^)]*\)", r"\1", "\n".join(lines)) + "\n"


if __name__ == "__main__":
    keep(PAGE, page())
