"""The shell commands of the workflow's rules, read from their files.

A stage's command is part of its code: Snakemake notices an edit of it only while its own records
last, and the answer to "what is stale?" must not depend on them.
"""

from __future__ import annotations

import ast
import tokenize
from functools import cache
from pathlib import Path

from transfergrid.planning.paths import RULES
from transfergrid.runtime.errors import UserError

_SKIPPED = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT}


@cache
def shell_command(rule: str, folder: Path = RULES) -> str:
    """Return the text after ``shell:`` of a rule, its string literals joined.

    Raises:
        UserError: No file in `folder` has the rule, or its command is no plain string.
    """
    for path in sorted(folder.glob("*.smk")):
        with tokenize.open(path) as file:
            tokens = list(tokenize.generate_tokens(file.readline))
        words = [token.string for token in tokens]
        for at, token in enumerate(tokens):
            if token.start[1] == 0 and words[at : at + 3] == ["rule", rule, ":"]:
                return _command(tokens[at + 3 :], f"rule {rule} of {path}")
    raise UserError(f"rule {rule} is missing from {folder}; install TransferGrid again.")


def _command(tokens: list[tokenize.TokenInfo], where: str) -> str:
    parts: list[str] = []
    words = [token.string for token in tokens]
    ends = (
        at for at, token in enumerate(tokens) if token.start[1] == 0 and token.type == tokenize.NAME
    )
    end = next(ends, len(tokens))
    starts = [at for at in range(end) if words[at : at + 2] == ["shell", ":"]]
    for token in tokens[starts[0] + 2 : end] if starts else []:
        if token.type == tokenize.STRING:
            parts.append(ast.literal_eval(token.string))
        elif token.type not in _SKIPPED:
            break
    if not parts:
        raise UserError(f"{where} has no command of plain strings after shell:; give it one.")
    return "".join(parts)
