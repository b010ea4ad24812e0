"""Draw a phantom data set into a folder, or a contact sheet of one, to look at."""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from transfergrid.data.phantom import PATIENTS, SETS
from transfergrid.data.phantom_layout import write_chexpert
from transfergrid.data.phantom_shapes import CLASSES, draw_shape, shape_class, shape_name
from transfergrid.data.phantom_sheet import contact_sheet
from transfergrid.runtime.atomic import replacing, replacing_directory
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.program import run_program


def main() -> None:
    """Parse the command line and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Chest films are laid out as CheXpert-v1.0-small, with train.csv, valid.csv and "
        "test.csv; shapes lie in one folder per class.",
    )
    parser.add_argument("folder", type=Path, nargs="?", help="new or empty folder to draw into")
    parser.add_argument("--set", choices=SETS, default=SETS[0], help="what to draw [%(default)s]")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything [%(default)s]")
    parser.add_argument("--px", type=int, default=128, help="shorter side [%(default)s]")
    for split, count in PATIENTS.items():
        text = f"patients (of shapes: images) in {split} [%(default)s]"
        parser.add_argument(f"--{split}", type=int, default=count, help=text)
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="write a contact sheet here")
    arguments = parser.parse_args()
    if arguments.folder is None and arguments.sheet is None:
        parser.error("name a folder, a --sheet, or both")
    if arguments.px < 32:
        parser.error("--px is too small to see anything; give at least 32")
    patients = {split: getattr(arguments, split) for split in PATIENTS}
    if min(patients.values()) < 0 or arguments.seed < 0:
        parser.error("counts and seed are whole numbers from 0 up")
    if arguments.sheet:
        with replacing(arguments.sheet) as temporary:
            contact_sheet(arguments.seed, arguments.px).save(temporary, "PNG", optimize=True)
    if arguments.folder:
        draw_set(arguments.folder, arguments.set, patients, arguments.seed, arguments.px)


def draw_set(folder: Path, which: str, patients: dict[str, int], seed: int, px: int) -> None:
    """Draw a set into a folder that is not there yet or is empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there and not empty; name a new folder.")
    with replacing_directory(folder) as temporary:
        if which == "chest":
            write_chexpert(temporary, patients, seed, px)
            return
        for split, count in patients.items():
            for number in range(count):
                name = Path(shape_name(split, number)).name
                path = temporary / split / CLASSES[shape_class(number)] / f"{name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(draw_shape(seed, split, number, px)).save(path)


if __name__ == "__main__":
    run_program(main)
