"""What is made of a file is held as long as a thread needs it, and no longer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from weakref import ref

import pytest

from transfergrid.data.nifti_held import Held
from transfergrid.runtime.errors import UserError


class Made:
    """What is made of a file."""


def test_a_thread_lets_go_of_one_file_before_it_reads_the_next() -> None:
    made: list[Any] = []

    def make(path: str) -> Made:
        assert not made or made[-1]() is None
        found = Made()
        made.append(ref(found))
        return found

    held = Held(make)
    assert held.get("a") is held.get("a")
    for path in ("b", "a", "c"):
        held.get(path)
    assert len(made) == 4


def test_threads_share_a_file_and_a_fault_is_found_once() -> None:
    made: list[str] = []

    def make(path: str) -> Made:
        made.append(path)
        if path == "broken":
            raise UserError("broken")
        return Made()

    held = Held(make)
    mine = held.get("a")
    with ThreadPoolExecutor(4) as executor:
        assert all(one is mine for one in executor.map(held.get, ["a"] * 20))
        for _ in range(3):
            with pytest.raises(UserError, match="broken"):
                executor.submit(held.get, "broken").result()
    assert made == ["a", "broken"]
