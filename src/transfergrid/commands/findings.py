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
class Finding:
    """One thing that was checked.

    Attributes:
        level: ``error`` where a run would fail or be wrong, ``warning`` where it may be slow or
            surprise.
        what: The thing, in a word or two.
        told: What was found, in a sentence.
        mend: The command or the step that mends it, or that comes next; may be empty.
    """

    level: Level
    what: str
    told: str
    mend: str = ""


def show(finding: Finding, stream: TextIO | None = None) -> None:
    """Write a finding: wrapped and coloured on a terminal; elsewhere a line, and one to mend it."""
    stream = stream or sys.stdout
    head = finding.level.ljust(_LEVEL_WIDTH) + finding.what.ljust(_WHAT_WIDTH)
    lines = [head + (" " if len(finding.what) >= _WHAT_WIDTH else "") + escaped(finding.told)]
    indent = " " * (_LEVEL_WIDTH + _WHAT_WIDTH)
    if finding.mend:
        lines.append(f"{indent}-> {escaped(finding.mend)}")
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
    text.stylize(_STYLES[finding.level], 0, len(finding.level))
    Console(file=stream, highlight=False).print(text, soft_wrap=True)


def summary(findings: list[Finding]) -> str:
    """Return one line on all findings."""
    counts = {
        level: sum(finding.level == level for finding in findings) for level in ("error", "warning")
    }
    told = [f"{count} {level}{'s' * (count != 1)}" for level, count in counts.items() if count]
    return f"{', '.join(told)}." if told else "All is well."
