"""What planning must know about networks, without importing timm."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from transfergrid.planning.fingerprint import plugin_fingerprint
from transfergrid.planning.padding import check_options, padding_of
from transfergrid.planning.paths import RESOURCES
from transfergrid.runtime.errors import UserError, listed, suggest

SLIM = "slim"
"""Option of a slim network: how many of its base's first blocks it has whole, stem included."""
_SLIM_FAMILIES = ("CBR", "ResNet")
_SLIM_NAME = re.compile(rf"(?P<base>.+)_{SLIM}(?P<whole>[0-9]+)")


@dataclass(frozen=True)
class Architecture:
    """One network.

    Attributes:
        name: Name in studies and cells.
        family: Family, for figures and for truncation.
        timm: Pinned timm name ``arch.tag`` (of a slim network its base's), or None for a factory.
        factory: ``module:function``, or None for a timm model.
        max_truncation: Largest number of blocks that can be removed.
        min_px: By truncation, the smallest input whose last map is 2 × 2; empty if unknown.
        imagenet_top1: The pinned weights' top-1 accuracy in percent, or None.
        fixed_px: The only input size that the network takes, or None for any.
        widths: By truncation, the channels that go into the classifier; empty if unknown.
        strides: By truncation, pixels of the input for one of the last map; empty if unknown.
        of: Name of the known network that it is, or is a variant of; empty for a factory.
        options: Options of timm's that change the function and no tensor's shape; of a slim network
            `SLIM`.
        base: Name of the known network of which it is a slim one; empty for all others.
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
    options: Mapping[str, Any] = field(default_factory=dict)
    base: str = ""

    @property
    def padding(self) -> str | None:
        """How its convolutions pad: "same" or "symmetric", or None if that is not known."""
        declared: str | None = self.options.get("pad_type")
        return declared or self.own_padding

    @property
    def blocks(self) -> int:
        """Number of blocks of the whole network, stem included, where its cuts are known."""
        return self.max_truncation + 2

    @property
    def own_padding(self) -> str | None:
        """The same without its options: how the pinned weights were trained."""
        return padding_of(self.timm) if self.timm else None

    def record(self, image_px: int, decoder: str | None = None) -> dict[str, Any]:
        """Return the part of a cell's specification that names the network.

        Args:
            image_px: Side of the images.
            decoder: ``module:function`` of a decoder of one's own.
        """
        record: dict[str, Any] = {
            "name": self.name,
            "timm": self.timm,
            "factory": self.factory,
            "input_px": image_px,
        }
        if self.options:
            record |= {"of": self.of, "options": dict(self.options)}
        if decoder:
            record["decoder"] = decoder
        own = own_code(record)
        if own:
            record["code"] = "-".join(map(plugin_fingerprint, own))
        return record


def own_code(record: Mapping[str, Any]) -> list[str]:
    """Return each ``module:function`` in a network's record, in the order of its ``code``."""
    return [record[key] for key in ("factory", "decoder") if record.get(key)]


@cache
def known_architectures() -> Mapping[str, Architecture]:
    """Return the rows of resources/architectures.csv by name, then the slim networks of these."""
    with open(RESOURCES / "architectures.csv", newline="", encoding="utf-8") as file:
        rows = [_from_row(row) for row in csv.DictReader(file)]
    slim = (network for row in rows for network in _slim_networks(row))
    return {network.name: network for network in (*rows, *slim)}


def _from_row(row: Mapping[str, str]) -> Architecture:
    return Architecture(
        name=row["name"],
        of=row["name"],
        family=row["family"],
        timm=row["timm_name"] or None,
        factory=row["factory"] or None,
        max_truncation=int(row["max_truncation"]),
        min_px=tuple(int(px) for px in row["min_px"].split()),
        imagenet_top1=float(row["imagenet_top1"]) if row["imagenet_top1"] else None,
        widths=tuple(map(int, row["widths"].split())),
        strides=tuple(map(int, row["strides"].split())),
    )


def _slim_networks(base: Architecture) -> Iterator[Architecture]:
    """Yield a network's slim ones: its first blocks whole, half the channels in all later ones."""
    if base.family not in _SLIM_FAMILIES:
        return
    for whole in range(1, base.blocks):
        name = f"{base.name}_{SLIM}{whole}"
        # A width is that of the last block which a truncation leaves.
        halved = (base.blocks - 1 - cut >= whole for cut in range(len(base.widths)))
        yield replace(
            base,
            name=name,
            of=name,
            base=base.name,
            options={SLIM: whole},
            imagenet_top1=None,
            widths=tuple(
                width // 2 if half else width
                for width, half in zip(base.widths, halved, strict=True)
            ),
        )


def base_of(name: str) -> tuple[str, int] | None:
    """Return the base of a slim network, and how many of its first blocks the two share.

    The shared blocks, the stem among them, have equal names and shapes of tensors in both, whatever
    the truncation. Blocks are counted as ``last_<k>`` counts them: a ResNet has five.

    Args:
        name: Name of a known network (`Architecture.of`).

    Returns:
        The base's name and the number of blocks; None for a network that is no slim one.
    """
    network = known_architectures().get(name)
    return (network.base, network.options[SLIM]) if network and network.base else None


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
        UserError: No network has this name, or the study gives it to a network of its own while
            there is a known one.
    """
    entry = own.get(name)
    if entry is not None and _known(name):
        raise UserError(
            f"architecture '{name}' of the study's own has the name of a known network, whose "
            "weights and cells could be taken for its own; give it another name."
        )
    if entry is not None and "of" in entry:
        return _variant(name, entry)
    if entry is not None:
        return Architecture(
            name, entry["family"], None, entry["factory"], max_truncation=entry["max_truncation"]
        )
    found = _known(name)
    if found is not None:
        return found
    _check_slim(name)
    candidates = [*own, *known_architectures(), *sorted(timm_models())]
    raise UserError(
        f"architecture '{name}' does not exist{suggest(name, candidates)}; allowed are the names "
        "in resources/architectures.csv, pinned timm names (arch.tag, resources/timm_models.txt) "
        "and the study's own architectures."
    )


def _check_slim(name: str) -> None:
    """Refuse the name of a slim network that does not exist, with those that do."""
    parts = _SLIM_NAME.fullmatch(name)
    base = _known(parts["base"]) if parts else None
    if parts is None or base is None:
        return
    if base.name in known_architectures() and base.family in _SLIM_FAMILIES and not base.base:
        raise UserError(
            f"architecture '{name}' would have {parts['whole']} blocks of {base.name} and later "
            f"ones with half their channels, but {base.name} has {base.blocks} blocks, stem "
            f"included; write {base.name}_{SLIM}1 to {base.name}_{SLIM}{base.blocks - 1}."
        )
    bases = dict.fromkeys(base.base for base in known_architectures().values() if base.base)
    raise UserError(
        f"architecture '{name}' does not exist: {base.name} has no slim networks, which are built "
        f"of {listed(bases, len(bases))}; name one of these, or write a factory of your own."
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
    check_options(name, base.timm or base.name, entry["options"])
    # The published accuracy is that of the pinned weights, in the network as it was trained.
    # A variant of a slim network is as slim.
    options = {**base.options, **entry["options"]}
    return replace(base, name=name, options=options, imagenet_top1=None)


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
    blocks = architecture.blocks - truncation
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
