"""A page as a browser would read it."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser

EVIL = "<script>alert('x')</script>"
VOID = {"meta", "input", "br", "wbr", "link", "img"}


class Page(HTMLParser):
    """What a page holds; raises on tags that do not close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.ids: Counter[str] = Counter()
        self.links: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for key, value in attrs:
            assert not key.startswith("on"), f"an event handler {key} in <{tag}>"
            if key == "id":
                self.ids[value or ""] += 1
            if key in ("href", "src"):
                self.links.append((tag, value or ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())
