"""`transfergrid weights`: what a weight file is and how it would be read, before a study exists."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.filesize import decimal

from transfergrid.planning.architectures import find_architecture, known_architectures
from transfergrid.planning.releases import KeyLayout, ReleasedFile, known_releases
from transfergrid.planning.weight_notes import FOLDED, weight_notes
from transfergrid.planning.wheels import known_wheels
from transfergrid.runtime.errors import UserError, listed, printable
from transfergrid.runtime.hashing import sha256_file

if TYPE_CHECKING:
    from transfergrid.models.released import Fitted, Network

_SHOWN = 3
_OWN = "timm"
"""Layout of a file that has a network's own names."""


@dataclass(frozen=True)
class _Reading:
    """A way to read the file.

    Attributes:
        network: The network that it fits.
        layout: Its layout.
        fitted: Its tensors.
        release: The release that it may be, or None.
        source: Where the layout was read.
    """

    network: Network
    layout: KeyLayout
    fitted: Fitted
    release: ReleasedFile | None = None
    source: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a weight file")
    parser.add_argument(
        "--architecture",
        metavar="NAME",
        help="network to compare it with [those of the releases, then resources/architectures.csv]",
    )


def run(arguments: argparse.Namespace) -> int:
    """Say what a weight file is; return 1 if it fits nothing, or a study would refuse it.

    Raises:
        UserError: It is a folder, cannot be read at all, or --architecture names no network.
    """
    from transfergrid.models.released import Network, read_content

    path: Path = arguments.file
    named = arguments.architecture
    asked = Network.of(find_architecture(named, {}).record(0)) if named else None
    if path.is_dir():
        raise UserError(f"{path} is a folder; name the weight file in it.")
    content = read_content(path)
    sha256 = sha256_file(path)
    _line("file", f"{path.name}, {decimal(path.stat().st_size)}, SHA-256 {sha256}")
    contents = list(_contents(content))
    for told in contents:
        _line("holds", told)
    if not contents:
        print(f"error: {path} holds no tensors by name; save a state_dict.")
        return 1
    package = next((one for one in known_wheels().values() if one["sha256"] == sha256), None)
    if package:
        _tell_package(package)
        return 0
    readings = list(_releases(path, content, named)) or list(_own(path, content, named, asked))
    if not readings:
        _line("rule", "none of resources/weights.yaml fits")
        print(f"error: {_why_not(path, content, named, asked)}")
        return 1
    best = max(readings, key=lambda one: bool(one.release and one.release.fits_name(path.name)))
    _tell(path, readings, best)
    refusal = _refusal(path, sha256, best)
    if refusal:
        print(f"error: {refusal}")
        return 1
    _line("study", _snippet(path, best))
    return 0


def _tell_package(entry: Mapping[str, Any]) -> None:
    """Print what resources/weights.yaml says of the weight file of a package."""
    _line("fits", f"the package {entry['package']} {entry['version']}: its hash is the listed one")
    _line("tensors", f"{entry['tensors']} of {entry['architecture']}, {entry['trained_on']}")
    _line("input", f"{entry['channel_order']}, mean {entry['mean']}, std {entry['std']}")
    _line("licence", entry["licence"])
    _line("study", f"{{ kind: wheel, package: {entry['package']} }}")


def _refusal(path: Path, sha256: str, best: _Reading) -> str:
    """Say why a study would refuse a file that has the right tensors; empty if it would not."""
    from transfergrid.models.released import check_published

    if best.release:
        try:
            check_published(path, best.release, sha256)
        except UserError as error:
            return str(error)
    return ""


def _line(word: str, told: str) -> None:
    print(f"{word:<14} {told}")


def _contents(content: Any) -> Iterator[str]:
    """Yield where a file holds tensors, how many, and what their names begin with."""
    from transfergrid.models.places import tensor_places

    for place, names in tensor_places(content):
        starts = Counter(".".join(name.split(".")[:2]) for name in names)
        shown = ", ".join(f"{printable(start)} ({n})" for start, n in starts.most_common(_SHOWN))
        where = f"under {printable(place)}" if place else "at the top"
        yield f"{len(names)} {'tensor' if len(names) == 1 else 'tensors'} {where}: {shown}"


def _releases(path: Path, content: Any, named: str | None) -> Iterator[_Reading]:
    """Yield the readings of a file as every release that its names and shapes fit."""
    from transfergrid.models.released import Network, fit_release

    networks: dict[str, Network] = {}
    for file in known_releases().values():
        if named not in (None, file.architecture):
            continue
        if file.architecture not in networks:
            record = find_architecture(file.architecture, {}).record(0)
            networks[file.architecture] = Network.of(record)
        network = networks[file.architecture]
        try:
            layout, source, found = fit_release(path, content, file, network)
        except UserError:
            continue
        yield _Reading(network, layout, found, file, source)


def _own(path: Path, content: Any, named: str | None, asked: Network | None) -> Iterator[_Reading]:
    """Yield the readings of a file that has a network's own names, with or without classifier."""
    from transfergrid.models.released import Network, fitted

    names = [named] if named else [row.name for row in known_architectures().values() if row.timm]
    for name in names:
        network = asked or Network.of(find_architecture(name, {}).record(0))
        for missing in ((), network.classifier):
            layout = KeyLayout(_OWN, missing=missing)
            try:
                yield _Reading(network, layout, fitted(path, content, layout, network))
            except UserError:
                continue


def _why_not(path: Path, content: Any, named: str | None, asked: Network | None) -> str:
    """Return a sentence on a file that fits nothing: of the release it is like, or in general."""
    from transfergrid.models.released import Network, fitted

    told = ""
    try:
        for file, layout in _likest(path, content, named):
            told = f"{path} is not the release {file.name} ({file.file}, layout {layout.name}): "
            record = find_architecture(file.architecture, {}).record(0)
            fitted(path, content, layout, Network.of(record))
        if asked:
            told = ""
            fitted(path, content, KeyLayout(_OWN), asked)
    except UserError as error:
        return f"{told}{error}"
    return (
        f"{path} fits no release and no network of resources/architectures.csv by its own names; "
        "name its network with --architecture to read what differs, and write a key_rule for kind "
        "file."
    )


def _likest(path: Path, content: Any, named: str | None) -> list[tuple[ReleasedFile, KeyLayout]]:
    """Return the one release that a file is called like, or else has the marks of, if any."""
    from transfergrid.models.places import tensor_places

    found = [names for _, names in tensor_places(content)]
    every = [
        (file, layout)
        for file in known_releases().values()
        for layout, _ in file.layouts
        if named in (None, file.architecture)
    ]
    # Marks without a prefix are those of any network.
    marked = [one for one in every if one[1].prefix and _has_marks(found, one[1])]
    called = [one for one in every if one[0].fits_name(path.name)]
    return [*(one for one in marked if one in called), *called, *marked][:1]


def _has_marks(found: Iterable[Sequence[str]], layout: KeyLayout) -> bool:
    """Tell whether some mapping of a file has a name for each mark of a layout."""
    return any(
        all(any(re.search(mark, name) for name in names) for mark in layout.marks)
        for names in found
    )


def _tell(path: Path, readings: Sequence[_Reading], best: _Reading) -> None:
    """Print what a file may be, and how it would be read as the likeliest of that."""
    for one in readings:
        what = f"{one.release.name} ({one.release.title})" if one.release else "its own names"
        _line("fits", f"{what}, layout {one.layout.name}, network {one.network.told}")
    found, network = best.fitted, best.network
    counted = [name for name in network.tensors if name in found.state]
    left = f"; left out {listed(map(printable, found.left_out), _SHOWN)}" if found.left_out else ""
    lacking = listed(best.layout.missing) or "nothing"
    told = f"{len(counted)} of {len(network.tensors)} matched; the file lacks {lacking}{left}"
    _line("tensors", told)
    if found.channels:
        _line("", f"{found.channels['name']}: {found.channels['rule']}")
    file = best.release
    if file:
        _line("rule read in", best.source)
        _line("input", f"{file.channel_order}, mean {list(file.mean)}, std {list(file.std)}")
        _line("input read in", file.input_from)
        _line("origin", file.origin)
        _line("licence", file.licence)
    else:
        notes = weight_notes(path)
        _line("input", "the file does not say: give mean, std and channel_order")
        _line("origin", printable(notes.source, 300) or "the file does not say")
        _line("licence", printable(notes.licence, 300) or "the file does not say")
    for doubt in _doubts(path, readings, best):
        _line("doubtful", doubt)


def _doubts(path: Path, readings: Iterable[_Reading], best: _Reading) -> Iterator[str]:
    """Yield what nobody can know of a file from its names, each as a clause."""
    from transfergrid.models.matching import COUNTER

    file = best.release
    others = [one.release.name for one in readings if one.release and one is not best]
    if others:
        named = file is not None and file.fits_name(path.name)
        why = "the file is called like it" if named else "it is listed first"
        yield f"its tensors do not tell it from {listed(others)}; it was chosen because {why}"
    networks = dict.fromkeys(one.network.told for one in readings if not one.release)
    if len(networks) > 1:
        yield f"it fits {listed(networks)}, which may pad differently: only its origin tells"
    if file:
        if not file.fits_name(path.name):
            yield f"the release is called {file.file}, this file is not"
        yield from file.uncertain([best.source])
    if best.network.tensors and not any(name.endswith(COUNTER) for name in best.fitted.state):
        yield "it has no counters of batches, as before PyTorch 0.4.1; they start at zero"
    if _is_folded(path, best):
        padding = weight_notes(path).padding
        told = (
            f"; it says that its padding is {padding}"
            if padding
            else ", so a study has to give it the padding: same or symmetric, as its origin says"
        )
        yield f"its batch norms are {FOLDED}{told}"


def _is_folded(path: Path, best: _Reading) -> bool:
    from transfergrid.models.folded import folded_norms

    return weight_notes(path).folded or folded_norms(best.fitted.state)


def _snippet(path: Path, best: _Reading) -> str:
    """Return a study's line; what only the reader can know is a word that a study refuses."""
    if best.release:
        name = best.release.name
        return f'{name}: {{ kind: release, release: {name}, path: "{printable(path, 999)}" }}'
    asks = _is_folded(path, best) and not weight_notes(path).padding
    padding = ", padding: SAME_OR_SYMMETRIC" if asks else ""
    return f'mine: {{ kind: file, path: "{printable(path, 999)}"{padding} }}'
