"""Imports execute the code that is held, and only that."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from transfergrid.runtime import imports
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.imports import HeldCode, for_workers, hold, start_worker

NAMES = ("held_here", "held_package", "held_package.inner")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave no module and no importer of a test behind."""
    path = list(sys.meta_path)
    sys.meta_path[:] = [one for one in path if not isinstance(one, imports._Held)]
    yield
    sys.meta_path[:] = path
    for name in NAMES:
        sys.modules.pop(name, None)


def held(text: str, file: str = "somewhere.py", inside: tuple[str, ...] | None = None) -> HeldCode:
    return HeldCode(file, compile(text, file, "exec", dont_inherit=True), inside)


def test_a_module_that_lies_nowhere_is_imported_from_what_is_held() -> None:
    hold({"held_here": held("A = 1\nWHERE = __file__, __name__", "/nowhere.py")})
    module = importlib.import_module("held_here")
    assert module.WHERE == ("/nowhere.py", "held_here")
    assert importlib.util.find_spec("held_here") is not None
    hold({"held_here": held("A = 1\nWHERE = __file__, __name__", "/nowhere.py")})  # the same again
    with pytest.raises(UserError, match=r"held_here was imported from code other .*__pycache__"):
        hold({"held_here": held("A = 2", "/nowhere.py")})


def test_what_was_compared_last_is_imported() -> None:
    hold({"held_here": held("A = 1")})
    hold({"held_here": held("A = 2")})
    assert importlib.import_module("held_here").A == 2


def test_a_package_finds_its_own_modules(tmp_path: Path) -> None:
    (tmp_path / "inner.py").write_text("B = 2")
    hold({"held_package": held("from held_package import inner", inside=(str(tmp_path),))})
    assert importlib.import_module("held_package").inner.B == 2


def test_a_module_imported_before_must_be_of_the_same_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "held_here.py"
    file.write_text("A = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("held_here")
    hold({"held_here": held("A = 1\n", str(file))})
    with pytest.raises(UserError, match="held_here was imported from code other"):
        hold({"held_here": held("A = 2\n", str(file))})


def test_workers_hold_what_their_parent_does() -> None:
    hold({"held_here": held("A = 1")})
    with for_workers() as (start, arguments):
        assert start is start_worker
        sys.meta_path[:] = [one for one in sys.meta_path if not isinstance(one, imports._Held)]
        start(*arguments)
    with pytest.raises(FileNotFoundError):
        start(*arguments)  # nothing of it stays
    assert importlib.import_module("held_here").A == 1
