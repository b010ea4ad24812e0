"""`transfergrid data`: the card of each data set of a study, and a sheet of its films."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from transfergrid.commands.leaks import told_of
from transfergrid.commands.lost import lost_films
from transfergrid.commands.options import add_study_arguments, in_directory, plan_of
from transfergrid.planning.inputs import Dataset
from transfergrid.planning.paths import RESULTS, origin_file
from transfergrid.runtime.atomic import replacing, write_text
from transfergrid.runtime.errors import UserError

if TYPE_CHECKING:
    from transfergrid.data.manifest import Manifest  # pandas

_SIZES = 40
_LOOKING = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_study_arguments(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("data_cards"),
        metavar="FOLDER",
        help="folder of the cards and sheets [data_cards]",
    )
    parser.add_argument(
        "--films", type=int, default=6, metavar="N", help="films of each class on the sheet [6]"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print each data set's card, and write it beside a sheet of films.

    Raises:
        UserError: A study that cannot be planned, films that are missing, or --films out of range.
    """
    if not 0 <= arguments.films <= 40:
        raise UserError(f"--films is {arguments.films}; give a whole number from 0 to 40.")
    with in_directory(arguments.directory):
        studies = plan_of(arguments).studies.values()
        datasets = {one.id: one for study in studies for one in study.datasets.values()}
        for dataset in datasets.values():
            with TemporaryDirectory() as scratch:
                _show(dataset, dataset.root or Path(scratch), arguments.out, arguments.films)
    return 0


def _show(dataset: Dataset, root: Path, out: Path, films: int) -> None:
    from transfergrid.commands.carded import card_of
    from transfergrid.commands.sheet import draw_sheet
    from transfergrid.data.cache import missing_files
    from transfergrid.data.kinds import read_manifest

    manifest = read_manifest(dataset.declaration, root)
    lost = missing_files(manifest.images, dataset.name, _LOOKING)
    if lost:
        told, mend = lost_films(dataset.declaration, root, lost, len(manifest.table))
        advice = f" {mend[0].upper()}{mend[1:]}." if mend else ""
        raise UserError(f"data set '{dataset.name}': {told}{advice}")
    more = ["", _sizes(manifest), "", *_alike(dataset), ""]
    card = card_of(dataset.name, manifest) + "\n".join(more)
    print(card)
    write_text(out / f"{dataset.name}.md", card)
    if films:
        with replacing(out / f"{dataset.name}.png") as path:
            left = draw_sheet(manifest, films, path)
        less = f", without the last {left} of its classes" if left else ""
        print(f"films: {out / dataset.name}.png{less}\n")


def _sizes(manifest: Manifest) -> str:
    """Say how large some films are, spread over the data set."""
    from transfergrid.data.mask_files import film_size

    count = len(manifest.table)
    places = sorted({round(k * (count - 1) / (_SIZES - 1)) for k in range(_SIZES)})
    sizes = [film_size(manifest.images, place) for place in places]
    heights, widths = ([size[axis] for size in sizes] for axis in (0, 1))
    return f"Sizes of {len(places)} images: {_span(heights)} px high, {_span(widths)} px wide."


def _span(sides: Sequence[int]) -> str:
    low, high = min(sides), max(sides)
    return f"{low}" if low == high else f"{low} to {high}"


def _alike(dataset: Dataset) -> Iterator[str]:
    """Say which images are equal or nearly equal across parts, if they have been read."""
    from transfergrid.data.admission import read_origin
    from transfergrid.data.leaks import within

    origin = read_origin(origin_file(dataset.id, RESULTS))
    if origin is None:
        yield "Equal and nearly equal images are known once snakemake has prepared the data."
        return
    for leak in within(origin, dataset.name, os.cpu_count() or 1):
        yield f"- {told_of(dataset.name, dataset.name, leak)}"
