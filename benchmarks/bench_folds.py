"""Five folds in one store against a single split, and against a cache for each fold.

The films are JPEGs of the size of CheXpert-small's, brought to 320 x 320 grey, one per patient;
with --nih, those of a folder in ChestX-ray14's layout at 64 x 64 as well. Disk is what lies in the
folder of the cache. A cache per fold is what five data sets, each with its own split, would take.
"""

from __future__ import annotations

import shutil
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from common import alternate, forget, heading, parse, row, seconds, table
from made_films import declaration, write_films

from transfergrid.data.cache import build_cache

K, PX, FILMS, WORKERS = 5, 320, 2_000, 2
NIH_PX = 64
RANDOM = {"random": {"valid": 0.2, "test": 0.2}, "seed": 0}


def settings(data: Mapping[str, Any], splits: str) -> list[dict[str, Any]]:
    """Return the data sets that have to be prepared: one, one in folds, or one per fold."""
    plain = {key: value for key, value in data.items() if key != "split"}
    if splits == "folds":
        return [{**plain, "folds": {"k": K, "seed": 0, "valid": "next"}}]
    seeds = range(K if splits == "each" else 1)
    return [{**plain, "split": {**RANDOM, "seed": seed}} for seed in seeds]


def prepare(data: Sequence[Mapping[str, Any]], root: Path, folder: Path) -> None:
    """Decode data sets, each into a cache of its own."""
    for number, one in enumerate(data):
        build_cache(one, root, folder / f"films-{number}", WORKERS)


def compare(data: Mapping[str, Any], root: Path, images: int, runs: int, name: str) -> None:
    """Print a row for each way to store the folds."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        ways = {
            "one split": settings(data, "one"),
            f"{K} folds, one store": settings(data, "folds"),
            f"{K} splits, a cache each": settings(data, "each"),
        }
        disk: dict[str, int] = {}

        def cold(way: str) -> float:
            shutil.rmtree(folder / "cache", ignore_errors=True)
            forget(sorted(root.rglob("*.jpg")) + sorted(root.rglob("*.png")))
            taken = seconds(partial(prepare, ways[way], root, folder / "cache"))
            files = (path for path in (folder / "cache").rglob("*") if path.is_file())
            disk[way] = sum(path.stat().st_size for path in files)
            return taken

        calls: dict[str, Callable[[], float]] = {way: partial(cold, way) for way in ways}
        found = alternate(calls, runs)
    first = next(iter(ways))
    for way, taken in found.items():
        share = taken / found[first]
        row(name, way, images, taken, share, disk[way] / 1e6, disk[way] / disk[first])


def nih(root: Path) -> dict[str, Any]:
    """Return films in ChestX-ray14's layout as a data set of a study."""
    return {
        "kind": "csv",
        "root": str(root),
        "table": "Data_Entry_2017_v2020.csv",
        "image_column": "Image Index",
        "image_folders": ["images"],
        "label_columns": ["Finding Labels"],
        "label_separator": "|",
        "no_label": "No Finding",
        "patient_column": "Patient ID",
        "score_tasks": ["infiltration"],
        "image_px": NIH_PX,
        "resize": "crop",
        "channels": "grey",
    }


def _more(parser: ArgumentParser) -> None:
    parser.add_argument("--nih", type=Path, help="a folder in ChestX-ray14's layout")


def main(words: Sequence[str] | None = None) -> None:
    arguments = parse(__doc__, words, more=_more)
    count = 60 if arguments.quick else FILMS
    heading("Folds", "Films not in memory; times and bytes as shares of those of one split.")
    columns = ("films", "what", "number", "s", "of one split's", "MB", "of one split's")
    table(columns, texts=2)
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        held = count // 5
        write_films(root, {"train": count - 2 * held, "valid": held, "test": held})
        compare(declaration(root, PX), root, count, arguments.runs, f"made, {PX} px")
    if arguments.nih is not None:
        images = len(list((arguments.nih / "images").iterdir()))
        compare(nih(arguments.nih), arguments.nih, images, arguments.runs, f"real, {NIH_PX} px")


if __name__ == "__main__":
    main()
