"""Figures that were drawn: their files, and the receipt that lists them with their captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from transfergrid.reporting.tables.stage_files import receipt_path
from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_text
from transfergrid.runtime.sealed import read_sealed, write_sealed
from transfergrid.runtime.verified import read_verified

STAGE = "figures"


@dataclass(frozen=True)
class Shown:
    """What stands around a figure on the page.

    Attributes:
        name: File name without ``.svg``, and anchor.
        title: Heading.
        caption: n, interval and test; what the drawing does not say.
    """

    name: str
    title: str
    caption: str

    def file(self, folder: Path) -> Path:
        """Return its file in a study's folder."""
        return folder / STAGE / f"{self.name}.svg"


@dataclass(frozen=True)
class Drawn:
    """A figure with its drawing, the text of an SVG file."""

    shown: Shown
    svg: str


def write_drawn(folder: Path, drawings: Sequence[Drawn]) -> None:
    """Write the figures of a study, remove those of an earlier drawing, and write the receipt.

    Args:
        folder: The study's folder.
        drawings: All of its figures, in the order of the page.
    """
    (folder / STAGE).mkdir(parents=True, exist_ok=True)
    for drawing in drawings:
        write_text(drawing.shown.file(folder), drawing.svg)
    files = [drawing.shown.file(folder) for drawing in drawings]
    for old in (folder / STAGE).glob("*.svg"):
        if old not in files:
            old.unlink()
    hashes = {
        str(file.relative_to(folder)): sha256_text(drawing.svg)
        for file, drawing in zip(files, drawings, strict=True)
    }
    listed = [asdict(drawing.shown) for drawing in drawings]
    write_sealed(receipt_path(folder, STAGE), {"files": hashes, "figures": listed})


def read_drawn(folder: Path) -> tuple[Drawn, ...]:
    """Return the figures that were drawn for a study, in order; none before they are.

    Raises:
        UserError: One is missing, or is not what was drawn.
    """
    path = receipt_path(folder, STAGE)
    mend = f"remove {path} and run snakemake again, which draws the figures again"
    try:
        receipt = read_sealed(path, mend)
    except FileNotFoundError:
        return ()
    found = []
    for entry in receipt["figures"]:
        shown = Shown(**entry)
        file = shown.file(folder)
        digest = receipt["files"].get(str(file.relative_to(folder)))
        svg = read_verified(file, digest, lambda data: data.decode("utf-8"), mend)
        found.append(Drawn(shown, svg))
    return tuple(found)


def restore_drawn(folder: Path, drawing: Drawn) -> None:
    """Write one figure again that was lost after the receipt was written.

    Raises:
        UserError: The receipt lists another drawing.
    """
    path = receipt_path(folder, STAGE)
    mend = f"remove {path} and run snakemake again, which draws the figures again"
    file = drawing.shown.file(folder)
    expected = read_sealed(path, mend)["files"].get(str(file.relative_to(folder)))
    if sha256_text(drawing.svg) != expected:
        raise UserError(f"{file} is now drawn differently than {path} says; {mend}.")
    write_text(file, drawing.svg)
