"""Write the table of kinds in docs/questions.md from the catalogue; `--check` only compares."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from written import keep, table

from transfergrid.catalog.question_kind import QuestionKind, schema_of
from transfergrid.catalog.questions import PLUGIN, QUESTION_KINDS

PAGE = Path(__file__).with_name("questions.md")
BEGIN = "<!-- kinds: written by docs/questions.py -->\n"
END = "<!-- end of kinds -->\n"


def page() -> str:
    """Return the page as it is, with the table of the kinds as they are declared."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    asked = (*(kind for kind in QUESTION_KINDS if not kind.unasked), PLUGIN)
    rows = table(("kind", "has to be told", "may be told", "answered in"), map(row, asked))
    return before + BEGIN + "\n".join(["", *rows, ""]) + "\n" + END + after


def row(kind: QuestionKind) -> tuple[str, str, str, str]:
    """Return the row of a kind of question."""
    keys = [key for key in schema_of(kind)["properties"] if key not in ("name", "kind")]
    other = [key for key in keys if key not in kind.required]
    name = "module:function" if kind is PLUGIN else kind.name
    section = f"question-{name.replace(':', '')}"
    answered = (kind.table, *kind.beside)
    tables = " ".join(f"[`{one}.csv`](columns.md#{one}csv)" for one in answered)
    return f"[`{name}`](keys.md#{section})", code(kind.required), code(other), tables


def code(words: Iterable[str]) -> str:
    """Return words as code."""
    return " ".join(f"`{word}`" for word in words)


if __name__ == "__main__":
    keep(PAGE, page())
