"""`transfergrid leaks`: images that look like one that a network should not have learned."""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from transfergrid.commands.options import add_study_arguments, in_directory, plan_of
from transfergrid.planning.passed_on import passed_on, scored_elsewhere
from transfergrid.planning.paths import RESULTS, origin_file
from transfergrid.planning.planned import PlannedStudy
from transfergrid.runtime.atomic import replacing
from transfergrid.runtime.errors import UserError

if TYPE_CHECKING:
    from transfergrid.data.leaks import Leak  # numpy and pyarrow
    from transfergrid.data.origin import Origin

HEADER = ("dataset", "image", "split", "other_dataset", "other_image", "other_split")
BITS = ("bits_along_rows", "bits_along_columns")
"""Columns of the file of pairs."""

Origins = Mapping[str, tuple[str, "Origin | None"]]
"""By id of a data set its name, and the record of its images."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_study_arguments(parser)
    parser.add_argument(
        "--show", type=int, default=3, metavar="N", help="pairs that are shown of each kind [3]"
    )
    parser.add_argument("--pairs", type=Path, metavar="FILE", help="write every pair as CSV")
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count() or 1, metavar="N", help="threads [all cores]"
    )


def run(arguments: argparse.Namespace) -> int:
    """Compare the images of each data set; return 1 if one of them has no record yet.

    Raises:
        UserError: A study that cannot be planned, or an option out of range.
    """
    if arguments.threads < 1 or arguments.show < 0:
        raise UserError("--threads is a whole number from 1, and --show one from 0.")
    path = arguments.pairs.absolute() if arguments.pairs else None
    rows: list[Sequence[object]] = []
    with in_directory(arguments.directory):
        studies = list(plan_of(arguments).studies.values())
        origins = _origins(studies)
        for one, other, leak in _leaks(studies, origins, arguments.threads):
            kept = list(leak.pairs if path else islice(leak.pairs, arguments.show + 1))
            print(told_of(one, other, leak))
            for pair in kept[: arguments.show]:
                bits = max(pair.rows, pair.columns)
                print(f"  {pair.image} ({pair.part}) ~ {pair.other} ({pair.other_part}): {bits}")
            if len(kept) > arguments.show:
                print("  ...")
            rows += [(one, *pair[:2], other, *pair[2:]) for pair in kept]
    if path:
        with replacing(path) as temporary, open(temporary, "w", newline="") as file:
            csv.writer(file).writerows([(*HEADER, *BITS), *rows])
    missing = [name for name, origin in origins.values() if origin is None]
    for name in missing:
        print(
            f"error: the images of {name} have not been read yet; run snakemake "
            "with this study and --until prepare.",
            file=sys.stderr,
        )
    return int(bool(missing))


def told_of(one: str, other: str, leak: Leak) -> str:
    """Say what was compared, and how many images have twins."""
    fold = "" if leak.fold == "all" else f" of fold {leak.fold}"
    what = f"{one}, {leak.split}{fold}" if leak.split != "all" else one
    against = leak.other if one == other else other
    if one != other and leak.other != "all":
        against = f"{other}, {leak.other}"
    near = "nearly equal ones cannot be told" if leak.near is None else f"{leak.near} nearly equal"
    return f"{what} against {against}: {leak.equal} of {leak.images} images equal, {near}"


def _origins(studies: Sequence[PlannedStudy]) -> Origins:
    from transfergrid.data.admission import read_origin

    names = {entry["dataset_id"]: entry["dataset"] for study in studies for entry in study.entries}
    for study in studies:
        names |= {one.made_from["dataset"]: one.made_from["tested_on"] for one in study.external}
    return {key: (name, read_origin(origin_file(key, RESULTS))) for key, name in names.items()}


def _leaks(
    studies: Sequence[PlannedStudy], origins: Origins, threads: int
) -> Iterator[tuple[str, str, Leak]]:
    """Yield the names of two data sets, which may be the same, and what leaks between them."""
    from transfergrid.data.leaks import between, within

    for name, origin in origins.values():
        if origin is not None:
            yield from ((name, name, leak) for leak in within(origin, name, threads))
    pairs = [pair for study in studies for pair in passed_on(study.entries)]
    for study in studies:
        pairs += scored_elsewhere(study.entries, [one.made_from for one in study.external])
    for target, source, folds in dict.fromkeys(pairs):
        (one, here), (other, there) = origins[target], origins[source]
        if here is not None and there is not None:
            found = between(here, there, f"{one} and {other}", threads, folds)
            yield from ((one, other, leak) for leak in found)
