"""Write docs/options.md from the parsers of the commands; `--check` only compares."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from written import keep, plain, table

from transfergrid.commands.main import COMMANDS, command_line
from transfergrid.commands.options import add_study_arguments

PAGE = Path(__file__).with_name("options.md")
HEAD = """\
# Options of the commands

<!-- Written by docs/options.py from src/transfergrid/commands; edit the options there. -->

What `transfergrid COMMAND --help` says, of every command; [commands.md](commands.md) tells what
they do, with examples. What a command takes if nothing is given stands in brackets.

"""
Row = tuple[str, str, str]
"""An argument, how its value is written, and its meaning."""


def page() -> str:
    """Return the page: a section a command, a line an argument or an option."""
    _, parsers = command_line(COMMANDS)
    alone = argparse.ArgumentParser()
    add_study_arguments(alone)
    shared = list(rows(alone))
    lines = [*listing(shared), "", "Commands that take studies take all of these."]
    for name, purpose in COMMANDS.items():
        lines += ["", f"## {name}", "", f"{purpose} ([more](commands.md#{name}))", ""]
        found = list(rows(parsers[name]))
        own = [row for row in found if row not in shared]
        lines += listing(own) if own else []
        if len(own) < len(found):
            told = "And the studies, as above." if own else "It takes the studies, as above."
            lines += [*([""] if own else []), told]
    return HEAD + "\n".join(lines) + "\n"


def listing(found: list[Row]) -> list[str]:
    """Return a table of arguments."""
    return table(("argument", "value", "meaning"), found)


def rows(parser: argparse.ArgumentParser) -> Iterator[Row]:
    """Yield each argument but ``--help``."""
    for action in parser._actions:  # argparse has no other list of them
        if "--help" in action.option_strings:
            continue
        metavar = str(action.metavar or action.dest.upper())
        named = ", ".join(action.option_strings) or metavar
        needed = " (has to be given)" if action.required and action.nargs != "*" else ""
        shown = "" if action.nargs == 0 else f"`{value(action, metavar)}`"
        yield f"`{named}`", shown, plain(action.help or "") + needed


def value(action: argparse.Action, metavar: str) -> str:
    """Return how the value of an argument is written, as ``--help`` writes it."""
    match action.nargs:
        case "+":
            return f"{metavar} [{metavar} ...]"
        case "*":
            return f"[{metavar} ...]"
    return metavar


if __name__ == "__main__":
    keep(PAGE, page())
