"""Read tensors from a weight file without running any code of it, and rename them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from transfergrid.runtime.errors import UserError, listed

PICKLED = (".pth", ".pt", ".bin", ".tar", ".ckpt")


def read_tensors(path: Path, nested: str | None = None) -> dict[str, Tensor]:
    """Read a .safetensors file, or a .pth file with ``weights_only=True``, onto the CPU.

    Args:
        path: The file.
        nested: Key under which a .pth file keeps its tensors, such as ``state_dict``.

    Returns:
        Tensors by name, in the file's order (safetensors: no meaningful order).

    Raises:
        UserError: The file is missing or broken, would run code, or holds more than tensors.
    """
    if not path.is_file():
        raise UserError(f"weight file {path} does not exist; put it there or correct the path.")
    if path.suffix == ".safetensors":
        content = _safetensors(path)
    elif path.suffix in PICKLED:
        content = _pickled(path)
    else:
        raise UserError(
            f"weight file {path} ends in '{path.suffix}'; allowed are .safetensors and "
            f"{listed(PICKLED)}."
        )
    if nested:
        content = content.get(nested) if isinstance(content, Mapping) else None
        if not isinstance(content, Mapping):
            raise UserError(f"weight file {path} has no mapping under key_rule.nested '{nested}'.")
    if not isinstance(content, Mapping) or not content:
        raise UserError(f"weight file {path} holds {type(content).__name__}, not tensors by name.")
    others = [str(key) for key, value in content.items() if not isinstance(value, Tensor)]
    if others:
        raise UserError(
            f"weight file {path} holds more than tensors ({listed(others)}); name the key that "
            "holds them with key_rule.nested."
        )
    return {str(key): value.detach() for key, value in content.items()}


def _safetensors(path: Path) -> Any:
    try:
        return load_file(path, device="cpu")
    except Exception as error:  # whatever the parser meets, the file is not usable
        raise UserError(f"weight file {path} is no whole safetensors file ({error}).") from None


def _pickled(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # an unpickler fails in as many ways as a file can be broken
        told = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"weight file {path} cannot be read without running code from it, and nothing was run "
            f"({told}); check that it is whole, and save it again as .safetensors from a source "
            "that you trust."
        ) from None


@dataclass(frozen=True)
class KeyRule:
    """How the names in a file become those of the network; applied in the order given here.

    Attributes:
        nested: Key of the file that holds the tensors, or None.
        drop: Regular expressions; a name in which one is found is left out.
        strip_prefix: Taken off every name that starts with it.
        rename: Pairs of a regular expression and its replacement, each applied to every name.
        by_order: Instead of by name, give the network's names in order of position; the network
            takes all tensors, or all but those of its classifier.
    """

    nested: str | None = None
    drop: tuple[str, ...] = ()
    strip_prefix: str = ""
    rename: tuple[tuple[str, str], ...] = ()
    by_order: bool = False

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> KeyRule:
        """Build from the plain mapping of a declaration; None is no rule at all.

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
                    f"key_rule has '{pattern}', which is no regular expression ({error})."
                ) from None
        return cls(**plain)

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
            names: The network's names in order; read by `by_order` alone.
            classifier: Those of them that are its classifier's.
            ordered: Whether the file kept the order of its tensors.

        Raises:
            UserError: Two names become one, or `by_order` meets another number of tensors.
        """
        dropped = [key for key in state if any(re.search(p, key) for p in self.drop)]
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
                f"key_rule gives two tensors one name ({listed(twice, 3)}); correct it."
            )
        return {name: state[key] for name, key in zip(new, kept, strict=True)}, dropped

    def _renamed(self, key: str) -> str:
        key = key.removeprefix(self.strip_prefix)
        for pattern, replacement in self.rename:
            key = re.sub(pattern, replacement, key)
        return key


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
