"""What planning must know about networks, without importing timm."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from transfergrid.planning.fingerprint import plugin_fingerprint
from transfergrid.planning.padding import check_options, padding_of
from transfergrid.planning.paths import RESOURCES
from transfergrid.runtime.errors import UserError, suggest


@dataclass(frozen=True)
class Architecture:
    """One network.

    Attributes:
        name: Name in studies and cells.
        family: Family, for figures and for truncation.
        timm: Pinned timm name ``arch.tag``, or None for a factory.
        factory: ``module:function``, or None for a timm model.
        max_truncation: Largest number of blocks that can be removed.
        min_px: By truncation, the smallest input whose last map is 2 × 2; empty if unknown.
        imagenet_top1: The pinned weights' top-1 accuracy in percent, or None.
        fixed_px: The only input size that the network takes, or None for any.
        widths: By truncation, the channels that go into the classifier; empty if unknown.
        strides: By truncation, pixels of the input for one of the last map; empty if unknown.
        of: Name of the known network that it is, or is a variant of; empty for a factory.
        options: Options of timm's that change the function and no tensor's shape.
    """

    name: str
    family: str
    timm: str | None = None
    factory: str | None = None
    max_truncation: int = 0
    min_px: tuple[int, ...] = ()
    imagenet_top1: float | None = None
    fixed_px: int | None = None
    widths: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    of: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def padding(self) -> str | None:
        """How its convolutions pad: "same" or "symmetric", or None if that is not known."""
        return self.options.get("pad_type") or self.own_padding

    @property
    def own_padding(self) -> str | None:
        """The same without its options: how the pinned weights were trained."""
        return padding_of(self.timm) if self.timm else None

    def record(self, image_px: int) -> dict[str, Any]:
        """Return the part of a cell's specification that names the network."""
        record: dict[str, Any] = {
            "name": self.name,
            "timm": self.timm,
            "factory": self.factory,
            "input_px": image_px,
        }
        if self.options:
            record |= {"of": self.of, "options": dict(self.options)}
        if self.factory:
            record["code"] = plugin_fingerprint(self.factory)
        return record


@cache
def known_architectures() -> Mapping[str, Architecture]:
    """Return the rows of resources/architectures.csv by name."""
    with open(RESOURCES / "architectures.csv", newline="", encoding="utf-8") as file:
        return {row["name"]: _from_row(row) for row in csv.DictReader(file)}


def _from_row(row: Mapping[str, str]) -> Architecture:
    return Architecture(
        name=row["name"],
        of=row["name"],
        family=row["family"],
        timm=row["timm_name"],
        max_truncation=int(row["max_truncation"]),
        min_px=tuple(int(px) for px in row["min_px"].split()),
        imagenet_top1=float(row["imagenet_top1"]) if row["imagenet_top1"] else None,
        widths=tuple(map(int, row["widths"].split())),
        strides=tuple(map(int, row["strides"].split())),
    )


@cache
def timm_models() -> Mapping[str, int | None]:
    """Return every pinned name (``arch.tag``) of the timm release in the lock.

    The value is the only input size in pixels that the network takes, or None for any.
    """
    models: dict[str, int | None] = {}
    for line in (RESOURCES / "timm_models.txt").read_text(encoding="utf-8").splitlines():
        name, _, px = line.partition(" ")
        models[name] = int(px) if px else None
    return models


def find_architecture(name: str, own: Mapping[str, Mapping[str, Any]]) -> Architecture:
    """Find a network by name: the study's own, the project's table, then timm's pinned names.

    Raises:
        UserError: No network has this name.
    """
    entry = own.get(name)
    if entry is not None and "of" in entry:
        return _variant(name, entry)
    if entry is not None:
        return Architecture(
            name, entry["family"], None, entry["factory"], max_truncation=entry["max_truncation"]
        )
    found = _known(name)
    if found is not None:
        return found
    candidates = [*own, *known_architectures(), *sorted(timm_models())]
    raise UserError(
        f"architecture '{name}' does not exist{suggest(name, candidates)}; allowed are the names "
        "in resources/architectures.csv, pinned timm names (arch.tag, resources/timm_models.txt) "
        "and the study's own architectures."
    )


def _known(name: str) -> Architecture | None:
    known = known_architectures()
    if name in known:
        return known[name]
    if name in timm_models():
        family = name.split(".")[0].split("_")[0]
        return Architecture(name, family, timm=name, fixed_px=timm_models()[name], of=name)
    return None


def _variant(name: str, entry: Mapping[str, Any]) -> Architecture:
    """Return a known network with options of the study's."""
    base = _known(entry["of"])
    if base is None:
        candidates = [*known_architectures(), *sorted(timm_models())]
        raise UserError(
            f"architecture '{name}' is of '{entry['of']}', which is no known "
            f"network{suggest(entry['of'], candidates)}; name one of resources/architectures.csv "
            "or a pinned timm name (arch.tag, resources/timm_models.txt)."
        )
    check_options(name, str(base.timm), entry["options"])
    # The published accuracy is that of the pinned weights, in the network as it was trained.
    return replace(base, name=name, options=dict(entry["options"]), imagenet_top1=None)


def check_truncation(architecture: Architecture, truncation: int) -> None:
    """Raise UserError if more blocks would be removed than the network has."""
    if truncation > architecture.max_truncation:
        raise UserError(
            f"architecture '{architecture.name}' cannot be truncated by {truncation} blocks; "
            f"allowed are 0 to {architecture.max_truncation}."
        )


def check_last_blocks(architecture: Architecture, truncation: int, where: str, last: int) -> None:
    """Raise UserError if more blocks would learn than a network has, where that is known.

    Args:
        architecture: The network.
        truncation: How many blocks are removed.
        where: The study and protocol, for the error.
        last: How many blocks learn beside the classifier.
    """
    if architecture.of not in known_architectures():
        return  # the blocks of others are counted when they are built, before the first step
    blocks = architecture.max_truncation + 2 - truncation
    if last > blocks:
        cut = f" with {truncation} of its blocks removed" if truncation else ""
        raise UserError(
            f"{where} trains last_{last}, but architecture '{architecture.name}'{cut} has {blocks} "
            f"blocks; use at most last_{blocks}, or all."
        )


def check_input_size(architecture: Architecture, image_px: int) -> None:
    """Raise UserError if a network with a fixed input size would see images of another size."""
    if architecture.fixed_px not in (None, image_px):
        raise UserError(
            f"architecture '{architecture.name}' takes images of {architecture.fixed_px} px only, "
            f"not {image_px}; give the data set image_px: {architecture.fixed_px}."
        )


def small_map_warning(architecture: Architecture, truncation: int, image_px: int) -> str | None:
    """Return a sentence if the last feature map would be smaller than 2 × 2, else None."""
    if truncation >= len(architecture.min_px):
        return None
    needed = architecture.min_px[truncation]
    if image_px >= needed:
        return None
    return (
        f"{architecture.name} with {truncation} blocks removed turns images of {image_px} px into "
        f"a last map smaller than 2 x 2; it needs at least {needed} px."
    )
