"""Fingerprints of code: SHA-256 over a stage's command and the syntax of the modules it imports.

Comments, docstrings and layout are left out. The walk is our own, because `ast.dump` writes other
text in other Python versions, and a fingerprint is part of every cell's name.
"""

from __future__ import annotations

import ast
import csv
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from transfergrid.planning.paths import PROJECT, RESOURCES
from transfergrid.planning.rules import shell_command
from transfergrid.runtime.atomic import read_json
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.hashing import sha256_text

PACKAGE = "transfergrid"
SOURCE = Path(__file__).resolve().parents[1]

STAGES: dict[str, tuple[str, ...]] = {
    "weights": ("models.pretraining",),
    "train": ("training.loop",),
    "evaluate": ("evaluation.predict",),
    "ensemble": ("evaluation.ensemble",),
    "tables": ("reporting.tables",),
    "statistics": ("statistics.questions",),
    "figures": ("reporting.figures",),
    "report": ("reporting.page",),
    "cams": ("evaluation.cam",),
    "panels": ("reporting.cams",),
}
READERS = {
    "chexpert": "data.chexpert",
    "medmnist": "data.medmnist",
    "csv": "data.table",
    "phantom": "data.phantom",
}


RULES_OF = {"report": "page"}
"""The rule of a stage, where it has another name."""
COMMAND = "command"
"""Stands for a stage's shell command among its modules."""


def stage_fingerprint(stage: str) -> str:
    """Return the fingerprint of a stage's code, 16 hexadecimal digits."""
    return _fingerprint(stage, RULES_OF.get(stage, stage), _named(STAGES[stage]))


def prepare_fingerprint(kind: str) -> str:
    """Return the fingerprint of the code that makes the cache of one kind of data set."""
    if kind in READERS:
        return _fingerprint(f"prepare.{kind}", "prepare", _prepare_roots(kind))
    common = _fingerprint("prepare", "prepare", _prepare_roots(kind))
    return sha256_text(common + plugin_fingerprint(kind))[:16]


def _prepare_roots(kind: str) -> tuple[str, ...]:
    return _named(("data.cache", *([READERS[kind]] if kind in READERS else [])))


def _named(modules: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{PACKAGE}.{module}" for module in modules)


def cell_modules(kind: str) -> dict[str, dict[str, str]]:
    """Return what a cell's code is made of, so that a later change can be named.

    Args:
        kind: Kind of the cell's data set.

    Returns:
        For each of the stages ``prepare``, ``weights`` and ``train``: 8 hexadecimal digits by
        module, the package's name left out, and by `COMMAND`.
    """
    roots = {"prepare": _prepare_roots(kind)}
    roots |= {stage: _named(STAGES[stage]) for stage in ("weights", "train")}
    return {
        stage: {
            name.removeprefix(f"{PACKAGE}."): digest[:8] for name, digest in _parts(stage, modules)
        }
        for stage, modules in roots.items()
    }


def code_files(project: Path = PROJECT) -> list[Path]:
    """Return the files and folders of the project that a result depends on.

    The modules of every stage, the workflow and what it looks up: no command that only tells of
    results, no documentation, no test.
    """
    roots = {module for modules in STAGES.values() for module in modules}
    roots |= {"data.cache", *READERS.values()}
    modules = [path for name in closure(_named(roots)) if (path := _file(name))]
    return [*modules, project / "Snakefile", project / "workflow", project / "resources"]


def plugin_fingerprint(reference: str) -> str:
    """Return the fingerprint of the module of a ``module:function``, 16 hexadecimal digits.

    Only that module is covered, not what it imports.

    Raises:
        UserError: The module or the function does not exist.
    """
    module, function = reference.split(":")
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        found = None
    if found is None or not found.origin or not found.origin.endswith(".py"):
        raise UserError(
            f"module '{module}' of '{reference}' is not found; put its folder on PYTHONPATH."
        )
    try:
        tree = ast.parse(Path(found.origin).read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise UserError(f"{found.origin} is not valid Python: line {error.lineno}.") from None
    functions = [
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)
    ]
    if function not in functions:
        raise UserError(
            f"module '{module}' has no function '{function}'; it defines {listed(functions)}."
        )
    return sha256_text(canonical_syntax(tree))[:16]


def check_unchanged(stage: str, recorded: str) -> None:
    """Stop a program whose code was edited after its job was planned.

    Raises:
        UserError: The stage's fingerprint is not the recorded one.
    """
    current = stage_fingerprint(stage)
    if current != recorded:
        raise UserError(
            f"the code of stage '{stage}' was edited after this job was planned ({recorded} then, "
            f"{current} now); run snakemake again to plan with the new code."
        )


def check_plugins(spec: Mapping[str, Any]) -> None:
    """Stop a job whose plug-in network or weights were edited after it was planned.

    Args:
        spec: The cell's specification.

    Raises:
        UserError: The plug-in's code is not what the cell is named after.
    """
    weights, network = spec["weights"], spec["architecture"]
    for reference, recorded in (
        (network["factory"], network.get("code")),
        (weights["kind"], weights.get("code")),
    ):
        if recorded and plugin_fingerprint(reference) != recorded:
            raise UserError(
                f"the code of {reference} was edited after this job was planned; run snakemake "
                "again to plan with the new code."
            )


def read_stamp(path: Path, stage: str) -> dict[str, Any]:
    """Read the stamp that a stage's job was given, once its code is found unchanged.

    Raises:
        UserError: The code was edited since.
    """
    content: dict[str, Any] = read_json(path)
    check_unchanged(stage, content["code"])
    return content


@cache
def _fingerprint(stage: str, rule: str, roots: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for name, part in _parts(rule, roots):
        digest.update(f"{name}\n{part}\n".encode())
    return _oldest_equal(stage, digest.hexdigest()[:16])


def _parts(rule: str, roots: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return (name, SHA-256) of a rule's command and of every module that `roots` import."""
    parts = [(COMMAND, sha256_text(shell_command(rule)))]
    return parts + [(name, _digest(name)) for name in closure(roots)]


@cache
def _digest(module: str) -> str:
    return sha256_text(canonical_syntax(_tree(module)))


def closure(roots: Iterable[str]) -> list[str]:
    """Return the package's modules that `roots` import, directly or not, sorted; roots included.

    Imports inside functions count; those under ``if TYPE_CHECKING`` and the ``__init__`` modules
    (which hold docstrings only) do not.
    """
    seen: set[str] = set()
    queue = list(roots)
    while queue:
        module = queue.pop()
        if module not in seen:
            seen.add(module)
            queue.extend(_imports(module))
    return sorted(seen)


def _file(module: str) -> Path | None:
    path = SOURCE.joinpath(*module.split(".")[1:]).with_suffix(".py")
    return path if path.is_file() else None


@cache
def _tree(module: str) -> ast.Module:
    path = _file(module)
    if path is None:
        raise UserError(f"module {module} is missing from {SOURCE}; install TransferGrid again.")
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _imports(module: str) -> tuple[str, ...]:
    found: list[str] = []
    for node in _executed(_tree(module)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        found += [name for name in names if name.startswith(PACKAGE + ".") and _file(name)]
    return tuple(dict.fromkeys(found))


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every statement outside ``if TYPE_CHECKING``; expressions hold no imports."""
    blocks = ast.stmt | ast.ExceptHandler | ast.match_case
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for child in ast.iter_child_nodes(node):
            typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            if isinstance(child, blocks) and not typing_only:
                waiting.append(child)


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


def _oldest_equal(stage: str, fingerprint: str) -> str:
    """Follow resources/equivalent_code.csv back to the code that a change was proven equal to."""
    equal = _equivalents().get(stage, {})
    seen = {fingerprint}
    while fingerprint in equal and equal[fingerprint] not in seen:
        fingerprint = equal[fingerprint]
        seen.add(fingerprint)
    return fingerprint


@cache
def _equivalents() -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = {}
    with open(RESOURCES / "equivalent_code.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            table.setdefault(row["stage"], {})[row["new"]] = row["old"]
    return table
