"""Syntax trees as text: the same in every Python version, without comments, docstrings and layout.

The tree is walked here, because `ast.dump` writes different text in different versions, and a
fingerprint is part of every cell's name.
"""

from __future__ import annotations

import ast


def canonical_syntax(tree: ast.AST) -> str:
    """Write a syntax tree as text that is the same in every Python version that can parse it.

    Fields that are absent or empty are left out, so that a field which a later Python adds
    changes nothing; so are docstrings.
    """
    parts: list[str] = []
    _write(tree, parts)
    return "".join(parts)


def _write(node: object, parts: list[str]) -> None:
    if isinstance(node, ast.Constant):
        parts.append(f"({type(node.value).__name__} {node.value!r})")
    elif isinstance(node, ast.AST):
        parts.append(f"({type(node).__name__}")
        for name in sorted(node._fields):
            value = getattr(node, name, None)
            if name == "body" and isinstance(value, list):
                value = _without_docstring(node, value)
            if value is None or value == [] or name == "type_comment":
                continue
            parts.append(f" {name}=")
            _write(value, parts)
        parts.append(")")
    elif isinstance(node, list):
        parts.append("[")
        for item in node:
            _write(item, parts)
        parts.append("]")
    else:
        parts.append(repr(node))


def _without_docstring(node: ast.AST, body: list[ast.stmt]) -> list[ast.stmt]:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
        return body[1:]
    return body
