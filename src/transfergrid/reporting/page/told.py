"""What a finished page says first, read from the page itself: older pages have it as well."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

PIECE = 2**16
"""Characters read at a time; the answers stand far in front of figures and cells."""
_VOID = frozenset(("meta", "link", "br", "img", "input", "wbr", "hr", "col"))


@dataclass
class FirstAnswer:
    """The first answer on a page.

    Attributes:
        question: The question, as a sentence.
        subject: Where in the grid it stands, possibly empty.
        sentence: The answer; empty where the page has none in words.
        warnings: Titles of the warnings above it, such as that all images are drawn.
    """

    question: str = ""
    subject: str = ""
    sentence: str = ""
    warnings: list[str] = field(default_factory=list)


def first_answer(page: Path) -> FirstAnswer:
    """Return the first answer of a page that `page.render` made.

    Raises:
        OSError: The page cannot be read.
    """
    reader = _Reader()
    with open(page, encoding="utf-8", errors="replace") as file:
        while not reader.ended and (piece := file.read(PIECE)):
            reader.feed(piece)
    found = reader.found
    texts = (found.question.strip(), found.subject.strip(), found.sentence.strip())
    return FirstAnswer(*texts, [title.strip() for title in found.warnings])


class _Reader(HTMLParser):
    """Collects the texts of elements by their classes, until the first answer has ended."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found, self.ended = FirstAnswer(), False
        self._open: list[tuple[str, frozenset[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if named.get("id") == "board":
            self.ended = True
        if tag in _VOID or self.ended:
            return
        classes = frozenset((named.get("class") or "").split())
        self._open.append((tag, classes))
        if "question" in classes:
            self.found.question = self.found.subject = ""
        if tag == "strong" and self._within("warning"):
            self.found.warnings.append("")

    def handle_endtag(self, tag: str) -> None:
        if self.ended or tag not in (name for name, _ in self._open):
            return
        while self._open:
            name, classes = self._open.pop()
            if "finding" in classes and self.found.sentence:
                self.ended = True
            if name == tag:
                return

    def handle_data(self, data: str) -> None:
        if self.ended or not self._open:
            return
        tag, _ = self._open[-1]
        if tag == "strong" and self._within("warning"):
            self.found.warnings[-1] = _joined(self.found.warnings[-1], data)
        elif tag == "h3" and self._within("question"):
            self.found.question = _joined(self.found.question, data)
        elif self._within("subject"):
            self.found.subject = _joined(self.found.subject, data)
        elif self._within("finding") and not self._within("verdict"):
            self.found.sentence = _joined(self.found.sentence, data)

    def _within(self, name: str) -> bool:
        return any(name in classes for _, classes in self._open)


def _joined(text: str, more: str) -> str:
    """Return text and what follows it, blanks reduced to one."""
    blank = " " if text and more[:1].isspace() else ""
    end = " " if more[-1:].isspace() and more.strip() else ""
    return f"{text}{blank}{' '.join(more.split())}{end}".replace("  ", " ").lstrip()
