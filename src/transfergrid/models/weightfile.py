"""Read tensors from a weight file without running any of its code, and rename them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from transfergrid.models.nesting import find_tensors
from transfergrid.models.pickled import read_pickled
from transfergrid.models.weighthead import check_head, is_safetensors
from transfergrid.runtime.errors import UserError, listed, printable
from transfergrid.runtime.limit import time_limit

NAME_S = 1.0
"""Seconds that a regular expression may take on one name; normally it takes a microsecond."""
LONGEST_NAME = 1000


def _nothing(_: str) -> bool:
    return False


def read_tensors(
    path: Path, nested: str | None = None, left_out: Callable[[str], bool] = _nothing
) -> dict[str, Tensor]:
    """Read a .safetensors file, or a .pth file of tensors and plain data, onto the CPU.

    Args:
        path: The file.
        nested: Where a .pth file keeps its tensors: a key such as ``state_dict``, or several
            joined by dots.
        left_out: Tells whether a name may stand for something other than a tensor.

    Returns:
        Tensors by name, in the file's order (safetensors: no meaningful order).

    Raises:
        UserError: The file is missing, broken or of another kind, would run code, or holds more
            than tensors.
    """
    check_head(path)
    content = _safetensors(path) if is_safetensors(path) else read_pickled(path)
    return find_tensors(path, content, nested, left_out)


def _safetensors(path: Path) -> Any:
    try:
        return load_file(path, device="cpu")
    except Exception as error:  # whatever the parser found, the file is unusable
        raise UserError(
            f"weight file {path} is not a complete safetensors file ({printable(error, 200)}); get "
            "it again."
        ) from None


@dataclass(frozen=True)
class KeyRule:
    """How the names in a file become the network's; applied in the order given here.

    Attributes:
        nested: Key of the file that holds the tensors, or keys joined by dots, or None.
        drop: Regular expressions; a name that matches one anywhere is left out.
        strip_prefix: Removed from every name that starts with it.
        rename: Pairs of a regular expression and its replacement, each applied to every name.
        by_order: Match tensors by position instead of by name; the file must hold all of the
            network's tensors, or all but its classifier's.
        first_convolution: The network's name for a weight whose number of input channels is fitted
            to the network's, see `transfergrid.models.channels`; None fits none.
    """

    nested: str | None = None
    drop: tuple[str, ...] = ()
    strip_prefix: str = ""
    rename: tuple[tuple[str, str], ...] = ()
    by_order: bool = False
    first_convolution: str | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> KeyRule:
        """Build from a declaration's plain mapping; None means no rule at all.

        Raises:
            UserError: An unknown key or a broken regular expression.
        """
        plain = dict(values or {})
        unknown = set(plain) - set(cls.__dataclass_fields__)
        if unknown:
            raise UserError(
                f"key_rule has no '{listed(sorted(unknown))}'; allowed are "
                f"{listed(cls.__dataclass_fields__)}."
            )
        plain["drop"] = tuple(plain.get("drop") or ())
        plain["rename"] = tuple((a, b) for a, b in plain.get("rename") or ())
        for pattern in [*plain["drop"], *(a for a, _ in plain["rename"])]:
            try:
                re.compile(pattern)
            except re.error as error:
                raise UserError(
                    f"key_rule has '{pattern}', which is not a regular expression ({error})."
                ) from None
        return cls(**plain)

    def drops(self, name: str) -> bool:
        """Tell whether a name in the file is left out."""
        with _limited(name):
            return any(re.search(pattern, name) for pattern in self.drop)

    def apply(
        self,
        state: Mapping[str, Tensor],
        names: Sequence[str],
        classifier: Sequence[str],
        ordered: bool = True,
    ) -> tuple[dict[str, Tensor], list[str]]:
        """Return the renamed tensors and the names that were dropped.

        Args:
            state: Tensors by the file's names.
            names: The network's names in order; only `by_order` reads them.
            classifier: Those that belong to its classifier.
            ordered: Whether the file kept the order of its tensors.

        Raises:
            UserError: Two names become one, or the number of tensors is wrong for `by_order`.
        """
        dropped = [key for key in state if self.drops(key)]
        kept = [key for key in state if key not in set(dropped)]
        if self.by_order:
            new = _by_order(kept, names, classifier, ordered)
        else:
            new = [self._renamed(key) for key in kept]
        twice = (
            sorted({key for key in new if new.count(key) > 1}) if len(set(new)) < len(new) else []
        )
        if twice:
            raise UserError(
                f"key_rule gives two tensors the same name ({listed(twice, 3)}); correct it."
            )
        return {name: state[key] for name, key in zip(new, kept, strict=True)}, dropped

    def _renamed(self, key: str) -> str:
        key = key.removeprefix(self.strip_prefix)
        for pattern, replacement in self.rename:
            with _limited(key):
                key = re.sub(pattern, replacement, key)
            if len(key) > LONGEST_NAME:
                raise UserError(
                    f"key_rule makes a name of {len(key)} characters with '{pattern}'; correct it."
                )
        return key


def _limited(name: str) -> AbstractContextManager[None]:
    return time_limit(
        NAME_S,
        f"key_rule's regular expressions take more than {NAME_S:g} s on the name '{name[:200]}'; "
        "write simpler ones, without one repetition inside another.",
    )


def _by_order(
    keys: Sequence[str], names: Sequence[str], classifier: Sequence[str], ordered: bool
) -> list[str]:
    if not ordered:
        raise UserError(
            "key_rule.by_order needs a file that keeps the order of its tensors, which safetensors "
            "does not; use rename, or the .pth file."
        )
    body = [name for name in names if name not in classifier]
    for candidate in (list(names), body):
        if len(candidate) == len(keys):
            return candidate
    raise UserError(
        f"key_rule.by_order needs {len(names)} tensors ({len(body)} without the classifier), but "
        f"the file has {len(keys)}; leave out others with key_rule.drop."
    )
