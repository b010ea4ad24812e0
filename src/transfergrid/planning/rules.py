"""What the workflow's rules say, read from their files: commands, parameters, programs.

A rule without a name, which a loop uses several times, goes by the name of its file.

A stage's command is part of its code: Snakemake notices an edit of it only as long as its own
records last, and the answer to "what is stale?" must not depend on them. The threads and resources
that a rule requests are not: a run may set them on the command line, and they are recorded.
"""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

from transfergrid.planning.paths import RULES
from transfergrid.planning.syntax import canonical_syntax
from transfergrid.runtime.errors import UserError

_LAYOUT = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT}
_PROGRAM = re.compile(r'\$\{*TRANSFERGRID\}*"?/(\w+\.py)\b')
# Quoted text, an escaped letter, blanks, other letters; and a quote that is never closed.
_PIECES = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.|[ \t\n]+|[^ \t\n'"\\]+|.""", re.DOTALL)


def shell_command(rule: str, folder: Path = RULES) -> str:
    """Return the text after a rule's ``shell:``, with its string literals joined.

    Raises:
        UserError: No file in `folder` has the rule, or its command is not a plain string.
    """
    text = _directive(rule, "shell", folder)
    try:
        value = ast.literal_eval(f"({text}\n)")
    except (SyntaxError, ValueError):
        value = None
    if not isinstance(value, str) or not value:
        raise UserError(
            f"rule {rule} of {folder} has no command of plain strings after shell:; give it one."
        )
    return value


def normal_command(command: str) -> str:
    """Return a shell command with every run of blanks, or of line ends, reduced to one.

    Blanks within quotes and escaped blanks are intended, and stay.
    """
    pieces = [
        ("\n" if "\n" in piece else " ") if piece[0] in " \t\n" else piece
        for piece in _PIECES.findall(command)
    ]
    return "".join(pieces).strip(" \n")


def command_parts(rule: str, folder: Path = RULES) -> list[str]:
    """Return what decides a rule's command, except layout: its text, and ``params:`` as syntax."""
    parts = [normal_command(shell_command(rule, folder))]
    params = _directive(rule, "params", folder)
    if params:
        parts.append(canonical_syntax(ast.parse(f"params({params}\n)")))
    return parts


def programs(rule: str, folder: Path = RULES) -> list[str]:
    """Return the files under workflow/scripts that a rule's command runs.

    Raises:
        UserError: It runs none.
    """
    found = _PROGRAM.findall(shell_command(rule, folder))
    if not found:
        raise UserError(
            f'the command of rule {rule} runs no program; have it say python "$TRANSFERGRID"/'
            "<program>.py."
        )
    return list(dict.fromkeys(found))


def requested(rule: str, folder: Path = RULES) -> dict[str, str]:
    """Return the resources that a rule requests by name, as they are written; empty without any.

    Raises:
        UserError: No file in `folder` has the rule.
    """
    text = _directive(rule, "resources", folder)
    call = ast.parse(f"resources({text}\n)", mode="eval").body
    assert isinstance(call, ast.Call)
    return {word.arg: ast.unparse(word.value) for word in call.keywords if word.arg}


def _directive(rule: str, name: str, folder: Path) -> str:
    """Return what follows one of a rule's directives, as written; empty if it has none."""
    rules = _rules(folder)
    if rule not in rules:
        raise UserError(f"rule {rule} is missing from {folder}; install TransferGrid again.")
    return rules[rule].get(name, "")


@cache
def _rules(folder: Path) -> dict[str, dict[str, str]]:
    """Return the directives of every rule in a folder."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(folder.glob("*.smk")):
        with tokenize.open(path) as file:
            lines = file.readlines()
        tokens = list(tokenize.generate_tokens(iter([*lines, ""]).__next__))
        for at, token in enumerate(tokens):
            if token.string != "rule" or token.line[: token.start[1]].strip():
                continue
            following = [after.string for after in tokens[at + 1 : at + 3]]
            if following[1:] == [":"]:
                found.setdefault(following[0], _split(tokens[at + 3 :], lines, token.start[1]))
            elif following[:1] == [":"]:
                found.setdefault(path.stem, _split(tokens[at + 2 :], lines, token.start[1]))
    return found


def _split(
    tokens: Sequence[tokenize.TokenInfo], lines: Sequence[str], indent: int
) -> dict[str, str]:
    """Return the text of each directive of a rule whose body begins with the first token.

    Args:
        tokens: The body, and whatever follows it.
        lines: The file's lines.
        indent: The column of the word ``rule``.
    """
    body = [token for token in tokens if token.type not in _LAYOUT]
    ends = (at for at, token in enumerate(body) if token.start[1] <= indent)
    body = body[: next(ends, len(body))]
    column = body[0].start[1] if body else 0
    starts = [
        at
        for at, (token, after) in enumerate(pairwise(body))
        if token.type == tokenize.NAME and token.start[1] == column and after.string == ":"
    ]
    found = {}
    for at, end in zip(starts, [*starts[1:], len(body)], strict=True):
        found[body[at].string] = _slice(lines, body[at + 1].end, body[end - 1].end)
    return found


def _slice(lines: Sequence[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    part = list(lines[start[0] - 1 : end[0]])
    part[-1] = part[-1][: end[1]]
    part[0] = part[0][start[1] :]
    return "".join(part)
