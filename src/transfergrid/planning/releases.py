"""The released weight files that resources/weights.yaml lists, and the layouts of their tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import yaml

from transfergrid.planning.paths import RESOURCES
from transfergrid.runtime.errors import UserError, suggest

UNVERIFIED = "unverified"
"""What a citation begins with if nobody has read the source."""


@dataclass(frozen=True)
class KeyLayout:
    """How the names in a file become a network's.

    Attributes:
        name: Its name.
        nested: Where the tensors may lie: keys joined by dots, or None for the top.
        prefix: What the encoder's names begin with; it is removed.
        leave: Regular expressions of names that are left out.
        rename: Pairs of a regular expression and its replacement, applied after that.
        marks: Regular expressions, each of which must fit some name.
        missing: The network's names that the file lacks, exactly.
        first_convolution: A first convolution's weight, as the network calls it, that is fitted to
            the network's number of input channels; None if it has as many.
    """

    name: str
    nested: tuple[str | None, ...] = (None,)
    prefix: str = ""
    leave: tuple[str, ...] = ()
    rename: tuple[tuple[str, str], ...] = ()
    marks: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    first_convolution: str | None = None


@dataclass(frozen=True)
class ReleasedFile:
    """A released weight file.

    Attributes:
        name: Value of ``release`` in a study.
        title: What it is, in words.
        architecture: Name of the network that it was trained in.
        file: The name under which it is released.
        origin: Where it comes from.
        licence: Its licence, as far as one was read.
        layouts: The layouts that it may have, each with the source that it was read in.
        mean: Channel means of its input on 0..1.
        std: Channel standard deviations on 0..1.
        channel_order: ``rgb`` or ``bgr``.
        input_from: The source in which its input was read.
        sha256: How its SHA-256 begins, or an empty string.
        md5: How its MD5 begins, or an empty string.
        learned: Kinds of data set whose films it learned from, as far as they are known.
        study: Whether Hosseinzadeh Taher et al. 2021 compare it.
        doubts: What is doubtful about it, each as the rest of a sentence.
    """

    name: str
    title: str
    architecture: str
    file: str
    origin: str
    licence: str
    layouts: tuple[tuple[KeyLayout, str], ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    channel_order: str
    input_from: str
    sha256: str
    md5: str
    learned: tuple[str, ...]
    study: bool
    doubts: tuple[str, ...]

    @property
    def read_as(self) -> dict[str, Any]:
        """What decides how the file is read, as plain JSON values."""
        return {
            "architecture": self.architecture,
            "layouts": [asdict(layout) for layout, _ in self.layouts],
            "mean": list(self.mean),
            "std": list(self.std),
            "channel_order": self.channel_order,
            "published": [self.sha256, self.md5],
        }

    def uncertain(self, sources: Iterable[str]) -> list[str]:
        """Return what is not certain of it, each as a clause.

        Args:
            sources: Where the layouts were read that count.
        """
        unread = [f"its layout is {one}" for one in sources if one.startswith(UNVERIFIED)]
        if self.input_from.startswith(UNVERIFIED):
            unread.append(f"its input is {self.input_from}")
        if not (self.sha256 or self.md5):
            unread.append("no hash of it is published, so nothing proves that a file is this one")
        unread += [f"which films of {kind} it learned from is not known" for kind in self.learned]
        return [*unread, *self.doubts]

    def fits_name(self, file: str) -> bool:
        """Tell whether a file has the name under which this one was released."""
        return file.lower() == self.file.lower()


@cache
def known_releases() -> Mapping[str, ReleasedFile]:
    """Return the releases of resources/weights.yaml by name."""
    listing = yaml.safe_load((RESOURCES / "weights.yaml").read_text(encoding="utf-8"))
    layouts = {name: _layout(name, values) for name, values in listing["layouts"].items()}
    files = (_release(row, layouts, listing["inputs"]) for row in listing["releases"])
    return {file.name: file for file in files}


def find_release(name: str, where: str = "") -> ReleasedFile:
    """Return a release by name.

    Args:
        name: Its name.
        where: What names it, for the error.

    Raises:
        UserError: There is none.
    """
    found = known_releases().get(name)
    if found is None:
        raise UserError(
            f"{where}release '{name}' is not known{suggest(name, known_releases())}; "
            "resources/weights.yaml lists those that are, transfergrid weights FILE says which of "
            "them a file may be, and kind file reads any other with a key_rule."
        )
    return found


def _layout(name: str, values: Mapping[str, Any]) -> KeyLayout:
    plain: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
    }
    plain["rename"] = tuple((old, new) for old, new in plain.get("rename", ()))
    return KeyLayout(name, **plain)


def _release(
    row: Mapping[str, Any],
    layouts: Mapping[str, KeyLayout],
    inputs: Mapping[str, Mapping[str, Any]],
) -> ReleasedFile:
    given = inputs[row["input"]]
    return ReleasedFile(
        name=row["name"],
        title=row["title"],
        architecture=row["architecture"],
        file=row["file"],
        origin=row["from"],
        licence=row["licence"],
        layouts=tuple((layouts[name], source) for name, source in row["layouts"].items()),
        mean=_triple(given["mean"]),
        std=_triple(given["std"]),
        channel_order=row.get("channel_order", "rgb"),
        input_from=row["input_from"],
        sha256=str(row.get("sha256", "")),
        md5=str(row.get("md5", "")),
        learned=tuple(row.get("learned", ())),
        study=row.get("study", False),
        doubts=tuple(row.get("doubts", ())),
    )


def _triple(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = map(float, values)
    return red, green, blue
