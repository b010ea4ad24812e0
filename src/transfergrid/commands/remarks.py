"""What a check found, and how it is shown."""

from __future__ import annotations

import shutil
import sys
import textwrap
from dataclasses import dataclass
from typing import Literal, TextIO

from transfergrid.runtime.errors import escaped

Level = Literal["ok", "warning", "error"]

_STYLES = {"ok": "green", "warning": "yellow", "error": "bold red"}
_LEVEL_WIDTH = 9
_WHAT_WIDTH = 13


@dataclass(frozen=True)
class Remark:
    """One thing that was checked.

    Attributes:
        level: ``error`` if a run would fail or be wrong, ``warning`` if it may be slow or surprise.
        what: The thing, in a word or two.
        told: What was found, in a sentence.
        mend: The command or step that fixes it, or that comes next; may be empty.
    """

    level: Level
    what: str
    told: str
    mend: str = ""


def show(remark: Remark, stream: TextIO | None = None) -> None:
    """Write a remark: wrapped and coloured on a terminal; elsewhere a line, and one for the fix."""
    stream = stream or sys.stdout
    head = remark.level.ljust(_LEVEL_WIDTH) + remark.what.ljust(_WHAT_WIDTH)
    lines = [head + (" " if len(remark.what) >= _WHAT_WIDTH else "") + escaped(remark.told)]
    indent = " " * (_LEVEL_WIDTH + _WHAT_WIDTH)
    if remark.mend:
        lines.append(f"{indent}-> {escaped(remark.mend)}")
    if not stream.isatty():
        stream.write("".join(f"{line}\n" for line in lines))
        stream.flush()
        return
    width = max(60, shutil.get_terminal_size().columns - 1)
    wrapped = [
        part
        for line, further in zip(lines, (indent, f"{indent}   "), strict=False)
        for part in textwrap.wrap(
            line, width, subsequent_indent=further, break_on_hyphens=False, break_long_words=False
        )
    ]
    from rich.console import Console
    from rich.text import Text

    text = Text("\n".join(wrapped))
    text.stylize(_STYLES[remark.level], 0, len(remark.level))
    Console(file=stream, highlight=False).print(text, soft_wrap=True)


def summary(remarks: list[Remark]) -> str:
    """Return one line on all remarks."""
    counts = {
        level: sum(remark.level == level for remark in remarks) for level in ("error", "warning")
    }
    told = [f"{count} {level}{'s' * (count != 1)}" for level, count in counts.items() if count]
    return f"{', '.join(told)}." if told else "All is well."
