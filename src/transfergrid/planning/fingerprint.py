"""Fingerprints of code: SHA-256 of everything that a stage runs, except comments and layout.

That is its rule's command, the program in workflow/scripts that the command runs with what it
imports from the same folder, and the package's modules that the stage's roots import. The library
modules that a program imports for its own purposes (logs, locks, leases) do not count, nor do
docstrings.

A process reads each file once: what is imported later from `held_code` is what was fingerprinted.
"""

from __future__ import annotations

import ast
import csv
import hashlib
import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType

from transfergrid.catalog.kinds import DatasetKind, dataset_kind, pretraining_kind
from transfergrid.catalog.stages import STAGE
from transfergrid.planning.known_syntax import MEMORY, remember, syntax_of
from transfergrid.planning.paths import PROJECT, RESOURCES, SCRIPTS, TEMPLATES
from transfergrid.planning.rules import command_parts, programs
from transfergrid.planning.syntax import canonical_syntax
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.hashing import canonical_json, sha256_file, sha256_text, short_hash
from transfergrid.runtime.imports import HeldCode

PACKAGE = "transfergrid"
SOURCE = Path(__file__).resolve().parents[1]

DICOM = (f"{PACKAGE}.data.dicom", f"{PACKAGE}.data.dicom_headers")
"""Code of the data sets that say they have DICOM files."""
NIFTI = (f"{PACKAGE}.data.nifti_films", f"{PACKAGE}.data.nifti_masks")
"""Code of the data sets whose films are slices of NIfTI volumes."""

_PREFIX = f"{PACKAGE}."
_SCRIPT = "workflow/scripts:"
"""Precedes the name of a module that lies beside a program and so belongs to no package."""
COMMAND = "command"
"""Stands for a stage's shell command among its modules."""


@dataclass(frozen=True)
class PluginSource:
    """The text of a user's module, as it was read.

    Attributes:
        module: Its name.
        file: Where it was read.
        inside: The folders of its submodules, if it is a package.
        tree: Its syntax.
    """

    module: str
    file: str
    inside: tuple[str, ...] | None
    tree: ast.Module

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits."""
        return sha256_text(canonical_syntax(self.tree))[:16]

    @property
    def code(self) -> HeldCode:
        """What importing the module should execute."""
        return HeldCode(self.file, _compiled(self.tree, self.file), self.inside)


def stage_fingerprint(stage: str) -> str:
    """Return the fingerprint of a stage's code, 16 hexadecimal digits."""
    return _fingerprint(stage, STAGE[stage].written, _named(STAGE[stage].code))


def stage_code(stage: str) -> dict[str, HeldCode]:
    """Return the code that a stage's fingerprint stands for, by module."""
    return _held_code(STAGE[stage].written, _named(STAGE[stage].code))


def prepare_code(kind: str) -> dict[str, HeldCode]:
    """Return the code that makes the cache of a data set kind, even a plug-in's, by module."""
    held = _held_code("prepare", _prepare_roots(kind))
    if dataset_kind(kind) is None:
        plugin = plugin_source(kind)
        held[plugin.module] = plugin.code
    return held


def tuning_hash(trials: Mapping[str, str]) -> str:
    """Return a hash of the trials and the code by which a learning rate is chosen, 8 hex digits.

    Args:
        trials: Name of the trial cell by learning rate, as text.
    """
    return short_hash({"trials": trials, "code": stage_fingerprint("tune")})


def template_hashes() -> dict[str, str]:
    """Return the SHA-256 of every file with which the page is made, except its code, by name."""
    files = [*sorted(TEMPLATES.iterdir()), PROJECT / "CITATION.cff", RESOURCES / "weights.yaml"]
    kinds = {".j2", ".css", ".js", ".cff", ".yaml"}
    return {path.name: sha256_file(path) for path in files if path.suffix in kinds}


def prepare_fingerprint(kind: str) -> str:
    """Return the fingerprint of the code that makes the cache of a data set kind."""
    if dataset_kind(kind) is not None:
        return _fingerprint(f"prepare.{kind}", "prepare", _prepare_roots(kind))
    common = _fingerprint("prepare", "prepare", _prepare_roots(kind))
    return sha256_text(common + plugin_fingerprint(kind))[:16]


def _prepare_roots(kind: str) -> tuple[str, ...]:
    declared = dataset_kind(kind)
    reader = [_module_of(declared)] if declared else []
    return (*_named(STAGE["prepare"].code), *reader)


def _module_of(kind: DatasetKind) -> str:
    return kind.reader.partition(":")[0]


def _named(modules: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{PACKAGE}.{module}" for module in modules)


def cell_modules(kind: str) -> dict[str, dict[str, str]]:
    """Return the parts of a cell's code, so that a later change can be named.

    Args:
        kind: Kind of the cell's data set.

    Returns:
        For each of the stages ``prepare``, ``weights`` and ``train``: 8 hexadecimal digits for each
        module (without the package's name), for each file in workflow/scripts, and for `COMMAND`.
    """
    roots = {"prepare": _prepare_roots(kind)}
    roots |= {stage: _named(STAGE[stage].code) for stage in ("weights", "train")}
    return {
        stage: {
            name.removeprefix(f"{PACKAGE}."): digest[:8] for name, digest in _parts(stage, modules)
        }
        for stage, modules in roots.items()
    }


def code_files(project: Path = PROJECT) -> list[Path]:
    """Return the project's files and folders on which a result depends.

    The package but for the commands, which only report on results, the workflow and what it looks
    up; no documentation and no tests.
    """
    rooms = sorted(path.parent for path in SOURCE.glob("*/__init__.py"))
    own = [room for room in rooms if room.name != "commands"]
    return [*own, project / "Snakefile", project / "workflow", project / "resources"]


def current_modules(kind: str, code: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return `cell_modules` for the stages whose code is still what a specification names.

    Args:
        kind: Kind of the cell's data set.
        code: Fingerprints by stage, from the specification.
    """
    current = {
        "prepare": prepare_fingerprint(kind),
        **{stage: stage_fingerprint(stage) for stage in ("weights", "train")},
    }
    modules = cell_modules(kind)
    return {stage: modules[stage] for stage in modules if current[stage] == code[stage]}


def modules_fingerprint(modules: Iterable[str]) -> str:
    """Return the fingerprint of some of the package's modules and what they import.

    That is code of kinds of task and of weights, of metrics, derivations and forms of files.

    Args:
        modules: Full names, such as ``transfergrid.metrics.auroc``.
    """
    return _oldest_equal("modules", _modules_fingerprint(tuple(sorted(modules))))


def modules_code(modules: Iterable[str]) -> dict[str, HeldCode]:
    """Return by module the code that `modules_fingerprint` stands for."""
    held = {}
    for name in closure(modules):
        file = str(_file(name))
        held[name] = HeldCode(file, _compiled(_text(name), file))
    return held


def kind_modules(kind: str) -> tuple[str, ...]:
    """Return the full names of the modules that are code of one kind of weights alone."""
    return _named(pretraining_kind(kind).code)


def kind_fingerprint(kind: str) -> str:
    """Return the fingerprint of the code of one kind of weights, 16 hexadecimal digits."""
    return modules_fingerprint(kind_modules(kind))


def dicom_fingerprint() -> str:
    """Return the fingerprint of the code that reads DICOM files, 16 hexadecimal digits."""
    return modules_fingerprint(DICOM)


def nifti_fingerprint() -> str:
    """Return the fingerprint of the code that reads NIfTI volumes, 16 hexadecimal digits."""
    return modules_fingerprint(NIFTI)


@cache
def _modules_fingerprint(modules: tuple[str, ...]) -> str:
    parts = [f"{name}\n{_digest(name)}\n" for name in closure(modules)]
    return sha256_text("".join(parts))[:16]


def plugin_fingerprint(reference: str) -> str:
    """Return the fingerprint of the module in a ``module:function``, 16 hexadecimal digits.

    Only that module is covered, not what it imports.

    Raises:
        UserError: The module or the function does not exist.
    """
    return plugin_source(reference).fingerprint


def plugin_source(reference: str) -> PluginSource:
    """Read the module in a ``module:function`` without importing it.

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
            f"module '{module}' of '{reference}' was not found; put its folder on PYTHONPATH."
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
    inside = found.submodule_search_locations
    return PluginSource(module, found.origin, None if inside is None else tuple(inside), tree)


@cache
def _fingerprint(stage: str, rule: str, roots: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for name, part in _parts(rule, roots):
        digest.update(f"{name}\n{part}\n".encode())
    return _oldest_equal(stage, digest.hexdigest()[:16])


def _parts(rule: str, roots: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return (name, SHA-256) for a rule's command, its programs and what `roots` import."""
    parts = [(COMMAND, sha256_text(canonical_json(command_parts(rule))))]
    for name in closure([f"{_SCRIPT}{program[:-3]}" for program in programs(rule)]):
        parts.append((f"workflow/scripts/{name.removeprefix(_SCRIPT)}.py", _digest(name)))
    return parts + [(name, _digest(name)) for name in closure(roots)]


def _held_code(rule: str, roots: tuple[str, ...]) -> dict[str, HeldCode]:
    scripts = [f"{_SCRIPT}{program[:-3]}" for program in programs(rule)]
    # The programs themselves are already running: what they import from their folder is held.
    names = [*closure(roots), *(name for name in closure(scripts) if name not in scripts)]
    held = {}
    for name in names:
        file = str(_file(name))
        held[name.removeprefix(_SCRIPT)] = HeldCode(file, _compiled(_text(name), file))
    return held


def _compiled(source: str | ast.Module, file: str) -> CodeType:
    return compile(source, file, "exec", dont_inherit=True)


@cache
def _digest(module: str) -> str:
    return syntax_of(_text(module)).digest


def closure(roots: Iterable[str]) -> list[str]:
    """Return the package's modules that `roots` import, directly or not, sorted, with the roots.

    Imports inside functions count; those under ``if TYPE_CHECKING`` and the ``__init__`` modules
    (which hold docstrings, and the package's own what it offers to scripts) do not. For a program,
    these are the modules in its folder.
    """
    seen: set[str] = set()
    queue = list(roots)
    while queue:
        module = queue.pop()
        if module not in seen:
            seen.add(module)
            queue.extend(_imports(module))
    return sorted(seen)


@cache
def _file(module: str) -> Path | None:
    """Return the file of one of the package's modules, or of a module beside a program."""
    if module.startswith(_SCRIPT):
        path = SCRIPTS / f"{module.removeprefix(_SCRIPT)}.py"
    else:
        path = SOURCE.joinpath(*module.split(".")[1:]).with_suffix(".py")
    return path if path.is_file() else None


@cache
def _text(module: str) -> str:
    path = _file(module)
    if path is None:
        where = SCRIPTS if module.startswith(_SCRIPT) else SOURCE
        name = module.removeprefix(_SCRIPT)
        raise UserError(f"module {name} is missing from {where}; install TransferGrid again.")
    return path.read_text(encoding="utf-8")


@cache
def _imports(module: str) -> tuple[str, ...]:
    """Return the modules of its own kind that a module imports: the package's, or beside it."""
    prefix = _SCRIPT if module.startswith(_SCRIPT) else ""
    named = [prefix + name for name in syntax_of(_text(module)).imports]
    found = [name for name in named if name.startswith((_SCRIPT, _PREFIX)) and _file(name)]
    return tuple(dict.fromkeys(found))


def remember_code(memory: Path = MEMORY) -> None:
    """Spare the jobs of this run to parse the code that they compare.

    Raises:
        OSError: The memory cannot be written.
    """
    modules = (path for room in code_files() if room.parent == SOURCE for path in _modules(room))
    remember((path.read_text(encoding="utf-8") for path in (*modules, *_modules(SCRIPTS))), memory)


def _modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


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
