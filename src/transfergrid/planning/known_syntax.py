"""What a module's text comes to for a fingerprint, remembered by the SHA-256 of the text.

Every job compares its code before it starts, and to parse a hundred modules takes a tenth of the
start of a small training. What a text comes to depends on that text alone. So each file is read
every time, and only what its very bytes came to before is looked up.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from transfergrid.planning import syntax
from transfergrid.planning.syntax import canonical_syntax
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_file, sha256_text
from transfergrid.runtime.sealed import read_sealed, write_sealed

MEMORY = Path(".snakemake") / "transfergrid" / "syntax.json"
"""In the working directory; deleting it only costs time."""


@dataclass(frozen=True)
class Syntax:
    """What a module's text comes to.

    Attributes:
        digest: SHA-256 of its canonical syntax.
        imports: Names that its import statements may mean, those for type checkers left out.
    """

    digest: str
    imports: tuple[str, ...]


@cache
def syntax_of(text: str) -> Syntax:
    """Return what a module's text comes to.

    Raises:
        SyntaxError: It is not valid Python.
    """
    known = _remembered(MEMORY.absolute()).get(sha256_text(text))
    if known is not None:
        digest, *imports = known
        return Syntax(digest, tuple(imports))
    tree = ast.parse(text)
    return Syntax(sha256_text(canonical_syntax(tree)), tuple(_imported(tree)))


def remember(texts: Iterable[str], memory: Path = MEMORY) -> None:
    """Write down what texts come to, for the jobs of this run; nothing if that is known already.

    Raises:
        OSError: It cannot be written.
    """
    every = {sha256_text(text): text for text in texts}
    if every.keys() == _remembered(memory.absolute()).keys():
        return
    told = {}
    for digest, text in every.items():
        with suppress(SyntaxError):  # of a file that is being saved, perhaps, and may not matter
            own = syntax_of(text)
            told[digest] = [own.digest, *own.imports]
    write_sealed(memory, {"by": _version(), "texts": told})


@cache
def _remembered(memory: Path) -> Mapping[str, list[str]]:
    try:
        value = read_sealed(memory)
        texts: dict[str, list[str]] = value["texts"]
        return texts if value["by"] == _version() else {}
    except (OSError, KeyError, UserError):
        return {}


@cache
def _version() -> str:
    """Name what decides what a text comes to: Python's grammar, and the code here."""
    code = [sha256_file(str(module)) for module in (__file__, syntax.__file__)]
    return " ".join([sys.version, *code])


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every statement outside ``if TYPE_CHECKING``; expressions hold no imports."""
    blocks = ast.stmt | ast.ExceptHandler | ast.match_case
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for child in ast.iter_child_nodes(node):
            if isinstance(child, blocks) and not _typing_only(child):
                waiting.append(child)


def _typing_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and any(
        "TYPE_CHECKING" in (getattr(part, "id", ""), getattr(part, "attr", ""))
        for part in ast.walk(node.test)
    )
