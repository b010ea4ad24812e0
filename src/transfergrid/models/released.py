"""Read released weight files by the layouts that resources/weights.yaml lists for them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from transfergrid.models.channels import fit_channels
from transfergrid.models.layouts import check_no_port
from transfergrid.models.matching import COUNTER, match
from transfergrid.models.nesting import find_tensors
from transfergrid.models.normalise import Preprocessing
from transfergrid.models.pickled import read_pickled
from transfergrid.models.releases import Release
from transfergrid.models.weightfile import KeyRule, read_tensors
from transfergrid.models.weighthead import check_head, is_safetensors
from transfergrid.models.zoo import label_of, shapes
from transfergrid.planning.foreign import check_foreign
from transfergrid.planning.releases import KeyLayout, ReleasedFile, find_release
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_file


@dataclass(frozen=True)
class Network:
    """The network that a file is compared with.

    Attributes:
        told: What messages call it.
        tensors: Its tensors by name, of which only shapes are read.
        classifier: Names of its classifier's.
    """

    told: str
    tensors: Mapping[str, Tensor]
    classifier: tuple[str, ...]

    @classmethod
    def of(cls, architecture: Mapping[str, Any]) -> Network:
        """Build one without memory from ``timm`` or ``factory`` of an architecture."""
        tensors, classifier = shapes(architecture)
        return cls(label_of(architecture), tensors, tuple(classifier))


@dataclass(frozen=True)
class Fitted:
    """A file's tensors as a layout names them.

    Attributes:
        state: Tensors by the network's names.
        nested: Where they lay, or None for the top.
        left_out: Names in the file that were left out.
        channels: What was done to the first convolution, or None.
    """

    state: dict[str, Tensor]
    nested: str | None
    left_out: tuple[str, ...]
    channels: Mapping[str, Any] | None = None


def read_content(path: Path) -> Any:
    """Return what a weight file holds, as tensors and plain data; no code in it is run.

    Raises:
        UserError: It is missing, broken, another program's, or would run code.
    """
    check_foreign(path)
    check_head(path)
    return read_tensors(path) if is_safetensors(path) else read_pickled(path)


def fitted(path: Path, content: Any, layout: KeyLayout, network: Network) -> Fitted:
    """Read a file's tensors by a layout: every one of them has a place, or is known to have none.

    Args:
        path: The file, for messages.
        content: What it holds.
        layout: The layout.
        network: The network.

    Raises:
        UserError: The file has another layout: a name more or less, another shape, no mark.
    """
    told = f"weight file {path}"
    rule = KeyRule(drop=layout.leave, strip_prefix=layout.prefix, rename=layout.rename)
    nested, raw = _tensors(path, content, layout, rule)
    absent = next((mark for mark in layout.marks if not _any(mark, raw)), None)
    if absent:
        raise UserError(f"{told} has no tensor whose name fits {absent}, as layout {layout.name}.")
    state, left_out = rule.apply(raw, list(network.tensors), network.classifier)
    kept = [name for name in raw if name not in set(left_out)]
    new_names = dict(zip(kept, state, strict=True))
    check_no_port(raw, new_names, network.tensors, told, network.told)
    channels = None
    if layout.first_convolution:
        state, channels = fit_channels(state, layout.first_convolution, network.tensors, told)
    needed = [name for name in network.tensors if not name.endswith(COUNTER)]
    found = match(state, network.tensors, network.classifier, told, network.told, needed)
    if tuple(found.missing) != layout.missing:
        has = "lacks the classifier" if found.missing else "has a classifier"
        raise UserError(f"{told} {has}, unlike layout {layout.name}.")
    return Fitted(state, nested, tuple(left_out), channels)


def _tensors(
    path: Path, content: Any, layout: KeyLayout, rule: KeyRule
) -> tuple[str | None, dict[str, Tensor]]:
    fault: UserError | None = None
    for nested in layout.nested:
        try:
            return nested, find_tensors(path, content, nested, rule.drops)
        except UserError as error:
            fault = fault or error
    assert fault is not None
    raise fault


def _any(pattern: str, names: Mapping[str, Tensor]) -> bool:
    return any(re.search(pattern, name) for name in names)


def fit_release(
    path: Path, content: Any, file: ReleasedFile, network: Network
) -> tuple[KeyLayout, str, Fitted]:
    """Read a file as a release, by the first of its layouts that fits.

    Returns:
        The layout, the source in which it was read, and the tensors.

    Raises:
        UserError: None of them fits; the message says why the first does not.
    """
    fault: UserError | None = None
    for layout, source in file.layouts:
        try:
            return layout, source, fitted(path, content, layout, network)
        except UserError as error:
            fault = fault or error
    layouts = " or ".join(layout.name for layout, _ in file.layouts)
    raise UserError(
        f"{path} is not the release {file.name} ({file.file}, layout {layouts}): {fault} "
        f"transfergrid weights {path} says which release it may be."
    )


def check_published(path: Path, file: ReleasedFile, sha256: str) -> None:
    """Refuse a file whose hash is not the published one.

    Args:
        path: The file.
        file: The release that it should be.
        sha256: The file's SHA-256.

    Raises:
        UserError: It has another SHA-256 or MD5 than its release.
    """
    hashes = {"SHA-256": (sha256, file.sha256)}
    if file.md5:
        hashes["MD5"] = (_md5(path), file.md5)
    for name, (own, published) in hashes.items():
        if not own.startswith(published):
            raise UserError(
                f"{path} has the {name} {own}, but that of the release {file.name} begins with "
                f"{published}; get it again from {file.origin}, or read it with kind file if you "
                "know what it is."
            )


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(
            file,
            lambda: hashlib.md5(usedforsecurity=False),  # the only hash that was published
        ).hexdigest()


def fetch(
    declaration: Mapping[str, Any], architecture: Mapping[str, Any], location: Path | None
) -> Release:
    """Read a released file of the user's own.

    Args:
        declaration: ``release`` and perhaps ``sha256``.
        architecture: ``timm`` or ``factory`` of the network.
        location: The file.

    Raises:
        UserError: It is not what was declared.
    """
    if location is None:
        raise UserError("pretraining kind 'release' needs the path of its file.")
    file, network = find_release(declaration["release"]), Network.of(architecture)
    content = read_content(location)
    sha256 = sha256_file(location)
    if declaration.get("sha256") not in (None, sha256):
        raise UserError(f"weight file {location} was edited after it was planned; plan again.")
    check_published(location, file, sha256)
    layout, source, found = fit_release(location, content, file, network)
    record: dict[str, Any] = {
        "source": "release",
        "release": file.name,
        "file": location.name,
        "sha256": sha256,
        "published_hash": bool(file.sha256 or file.md5),
        "dropped": list(found.left_out),
        "by_order": False,
        "layout": layout.name,
        "layout_read_in": source,
        "input_read_in": file.input_from,
        "doubts": list(file.doubts),
        "origin": file.origin,
        "licence": file.licence,
    }
    if found.channels:
        record["first_convolution"] = found.channels
    return Release(found.state, preprocessing_of(file), record, "symmetric")


def preprocessing_of(file: ReleasedFile) -> Preprocessing:
    """Return the input that a release expects."""
    return Preprocessing(file.mean, file.std, file.channel_order, source=f"release {file.name}")
