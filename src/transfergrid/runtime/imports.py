"""Imports from text that was read once, whatever is on disk by the time of the import.

A job may wait for hours between comparing its code with the plan and importing it. Python would
then read the file again, or take a compiled copy that it trusts by size and time. Held code is
compiled from the very text that was compared, so what runs is what was compared, however late it is
imported and whatever was edited in the meantime.
"""

from __future__ import annotations

import importlib.util
import marshal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import InspectLoader, Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from multiprocessing.shared_memory import SharedMemory
from types import CodeType, ModuleType
from typing import cast

from transfergrid.runtime.errors import UserError


@dataclass(frozen=True)
class HeldCode:
    """The code of a module.

    Attributes:
        file: Where its text was read.
        code: What importing the module executes.
        inside: The folders of its submodules, if it is a package.
    """

    file: str
    code: CodeType
    inside: tuple[str, ...] | None = None


class _Held(MetaPathFinder, Loader):
    def __init__(self) -> None:
        self.modules: dict[str, HeldCode] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        held = self.modules.get(name)
        if held is None:
            return None
        inside = None if held.inside is None else list(held.inside)
        return importlib.util.spec_from_file_location(
            name, held.file, loader=self, submodule_search_locations=inside
        )

    def exec_module(self, module: ModuleType) -> None:
        exec(self.modules[module.__name__].code, module.__dict__)


def hold(modules: Mapping[str, HeldCode]) -> None:
    """Make imports of these modules execute this code, for the life of the process.

    Args:
        modules: Code by the module's name. A module already imported must have the same code.

    Raises:
        UserError: A module was imported from different code.
    """
    finder = _finder()
    for name, new in modules.items():
        code = _loaded(sys.modules[name], finder) if name in sys.modules else None
        if code is not None and code != new.code:
            raise UserError(
                f"{name} was imported from code other than what is now in {new.file} (an edit as "
                "the program began, or a compiled copy with the file's size and time): delete "
                "the folder __pycache__ beside it and run again."
            )
        finder.modules[name] = new


def held_code() -> dict[str, HeldCode]:
    """Return the code that this process holds, by module."""
    return dict(_finder().modules)


@contextmanager
def for_workers() -> Iterator[tuple[Callable[[str], None], tuple[str]]]:
    """Yield an initializer and arguments that make a pool's processes import the code held here."""
    modules = {
        name: (held.file, held.code, held.inside) for name, held in _finder().modules.items()
    }
    packed = marshal.dumps(modules)
    # Not in the arguments: they go through a pipe, and if a child died before reading more than a
    # pipe holds, its parent would wait forever. Nor in a file, which a kill would leave behind;
    # Python's resource tracker outlives its process and frees such memory.
    memory = SharedMemory(create=True, size=len(packed))
    try:
        cast(memoryview, memory.buf)[: len(packed)] = packed
        yield start_worker, (memory.name,)
    finally:
        memory.close()
        memory.unlink()


def start_worker(name: str) -> None:
    """Hold in this process what `for_workers` packed in the one that started it."""
    memory = SharedMemory(name)
    modules = marshal.loads(bytes(cast(memoryview, memory.buf)))
    memory.close()
    finder = _finder()
    for module, parts in modules.items():
        finder.modules.setdefault(module, HeldCode(*parts))


def _finder() -> _Held:
    for finder in sys.meta_path:
        if isinstance(finder, _Held):
            return finder
    finder = _Held()
    sys.meta_path.insert(0, finder)
    return finder


def _loaded(module: ModuleType, finder: _Held) -> CodeType | None:
    """Return the code that a module was imported from, if that can still be known."""
    spec = module.__spec__
    if spec is None:
        return None
    if spec.loader is finder:
        return finder.modules[spec.name].code
    # Like the import, this reads the compiled copy if Python trusts it.
    loader = spec.loader
    return loader.get_code(spec.name) if isinstance(loader, InspectLoader) else None
