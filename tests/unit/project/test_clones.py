from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[3] / "src" / "transfergrid"


def functions(tree: ast.AST) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def body_of(function: ast.FunctionDef) -> str:
    """Return what a function does, without its docstring; empty for a single statement."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return "\n".join(map(ast.dump, body)) if len(body) > 1 else ""


def test_no_two_functions_do_the_same() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for function in functions(ast.parse(path.read_text(encoding="utf-8"))):
            if body := body_of(function):
                places[body].append(f"{path.relative_to(PACKAGE)}: {function.name}")
    assert sum(map(len, places.values())) > 500
    assert [clones for clones in places.values() if len(clones) > 1] == []
