"""What the programs that write pages of docs/ from declarations have in common."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return [lines[0], "|" + "---|" * len(head), *lines[1:]]


def plain(text: str) -> str:
    """Return text that Markdown shows as it is, also in a table."""
    for sign in "\\<|*":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())


def keep(page: Path, text: str) -> None:
    """Write a page, or with ``--check`` say that it is out of date."""
    parser = argparse.ArgumentParser(description=f"Write {page.name} from the declarations.")
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if it would change")
    if not parser.parse_args().check:
        page.write_text(text, encoding="utf-8")
    elif not page.is_file() or page.read_text(encoding="utf-8") != text:
        program = Path(sys.argv[0]).name
        sys.exit(f"{page} is out of date; run python docs/{program}.")
