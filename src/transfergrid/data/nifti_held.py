"""What is made of a file, held while a thread needs it, and made once for all threads."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock, local
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

from transfergrid.runtime.errors import UserError

T = TypeVar("T")


class Held(Generic[T]):
    """Holds what was made last of a file for each thread; threads share what they hold.

    So rows that follow each other and name one volume read it once, and no more volumes are in
    memory than there are threads. A thread lets go of one before it reads the next.

    Args:
        make: Makes it from the file's path.
    """

    def __init__(self, make: Callable[[str], T]) -> None:
        self._make = make
        self._own = local()
        self._shared: WeakValueDictionary[str, T] = WeakValueDictionary()
        self._faults: dict[str, str] = {}
        self._gates: dict[str, Lock] = {}
        self._lock = Lock()

    def get(self, path: str) -> T:
        """Return what is made of a file.

        Raises:
            UserError: As `make` raises it, the second time without trying again.
        """
        held: tuple[str, T] | None = getattr(self._own, "held", None)
        if held is not None and held[0] == path:
            return held[1]
        self._own.held = held = None
        with self._lock:
            gate = self._gates.setdefault(path, Lock())
        with gate:
            with self._lock:
                made = self._shared.get(path)
            if made is None:
                made = self._made(path)
                with self._lock:
                    self._shared[path] = made
        self._own.held = path, made
        return made

    def _made(self, path: str) -> T:
        if path in self._faults:
            raise UserError(self._faults[path])
        try:
            return self._make(path)
        except UserError as fault:
            self._faults[path] = str(fault)
            raise
