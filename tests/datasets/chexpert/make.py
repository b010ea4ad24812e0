"""Write a fake CheXpert with the published layout: three tables, one JPEG a view."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
from PIL import Image

LABELS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
BATCHES = ("1 (validate & csv)", "2 (train 1)", "3 (train 2)", "4 (train 3)")
COLUMNS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *LABELS)


def make(
    root: Path,
    rng: np.random.Generator,
    folder: str = "CheXpert-v1.0-small",
    patients: tuple[int, int, int] = (12, 5, 6),
    test_table: str = "test.csv",
) -> None:
    """Write `folder` into `root`.

    Training labels hold blanks and -1, those of valid and test 0 and 1 only; in each split the
    first patient has every label and the second none. `test_table` "test_labels.csv" has the
    paths without the leading folder and no columns but the labels, as in its own publication.
    """
    base = root / folder
    number = 1
    for split, count in zip(("train", "valid", "test"), patients, strict=True):
        rows = []
        for position in range(count):
            for study in range(1, 1 + (1 if split != "train" else int(rng.integers(1, 3)))):
                labels = _labels(rng, split, position)
                for view, side in enumerate(_views(rng), start=1):
                    name = f"{split}/patient{number:05d}/study{study}/view{view}_{side}.jpg"
                    _write_image(base / name, rng)
                    facing = ("Frontal", "AP") if side == "frontal" else ("Lateral", "")
                    person = ("Female" if number % 2 else "Male", 20 + number)
                    rows.append((f"{folder}/{name}", *person, *facing, *labels))
            number += 1
        bare = split == "test" and Path(test_table).name == "test_labels.csv"
        _write_table(base / (test_table if split == "test" else f"{split}.csv"), rows, bare)


def in_batches(root: Path, test_beside: bool) -> None:
    """Move a whole `root`/CheXpert-v1.0 into the four folders of the full download.

    The first holds the tables and the validation films, the others the folders of training patients
    without a folder train; the test set lies in `root` if `test_beside`, else in the first.
    """
    whole = root / "CheXpert-v1.0"
    first, *others = (root / f"CheXpert-v1.0 batch {name}" for name in BATCHES)
    for batch in (first, *others):
        batch.mkdir()
    for number, patient in enumerate(sorted((whole / "train").iterdir())):
        patient.rename(others[number % len(others)] / patient.name)
    (whole / "train").rmdir()
    for entry in sorted(whole.iterdir()):
        entry.rename((root if test_beside and "test" in entry.name else first) / entry.name)
    whole.rmdir()


def segment(
    base: Path, path: Path, rng: np.random.Generator, split: str = "test"
) -> dict[str, np.ndarray]:
    """Write a fake CheXlocalize file for the films of a split, and redraw them to show it.

    Each film is dark but for one bright box, where Cardiomegaly and Airspace Opacity are; of the
    other findings nothing is drawn, as in the published file. Return the boxes by film.
    """
    films, boxes = {}, {}
    for file in sorted((base / split).rglob("*.jpg")):
        height, width = (int(side) for side in rng.integers(90, 140, 2))
        box = np.zeros((height, width), dtype=bool)
        y, x = (int(side * rng.uniform(0.3, 0.5)) for side in box.shape)
        box[y : y + height // 5, x : x + width // 5] = True
        Image.fromarray(box.astype(np.uint8) * 255).save(file, quality=95)
        name = "_".join(file.relative_to(base / split).with_suffix("").parts)
        # Regions are drawn on the film in its full size, of which the small download is a part.
        large = np.kron(box, np.ones((3, 3), dtype=bool))
        drawn = {"Cardiomegaly", "Airspace Opacity"}
        films[name] = {
            finding: {
                "size": list(large.shape),
                "counts": run_lengths(large if finding in drawn else large & False),
            }
            for finding in (*drawn, "Pneumothorax")
        }
        boxes[name] = box
    path.write_text(json.dumps(films), encoding="utf-8")
    return boxes


def run_lengths(mask: np.ndarray) -> str:
    """Return a mask as COCO writes it: runs down the columns, compressed to text."""
    flat = np.concatenate([[False], mask.ravel(order="F"), [not mask.ravel(order="F")[-1]]])
    ends = np.flatnonzero(flat[1:] != flat[:-1])
    runs = np.diff(ends, prepend=0).tolist()
    text = ""
    for place, run in enumerate(runs):
        number, more = run - (runs[place - 2] if place > 2 else 0), True
        while more:
            part, number = number & 31, number >> 5
            more = number != (-1 if part & 16 else 0)
            text += chr(48 + (part | 32 * more))
    return text


def _views(rng: np.random.Generator) -> tuple[str, ...]:
    return ("frontal", "lateral") if rng.random() < 0.5 else ("frontal",)


def _labels(rng: np.random.Generator, split: str, position: int) -> list[str]:
    if position < 2:
        return ["0.0" if position else "1.0"] * len(LABELS)
    values = ("", "0.0", "1.0", "-1.0") if split == "train" else ("0.0", "1.0")
    return [str(value) for value in rng.choice(values, len(LABELS))]


def _write_image(path: Path, rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = rng.integers(36, 52, 2)
    coarse = rng.integers(0, 256, (6, 6), dtype=np.uint8)
    Image.fromarray(coarse).resize((int(width), int(height))).save(path, quality=90)


def _write_table(path: Path, rows: list[tuple[object, ...]], bare: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if bare:
            writer.writerow(("Path", *LABELS))
            for row in rows:
                path_in_folder = str(row[0]).split("/", 1)[1]
                writer.writerow((path_in_folder, *(int(float(str(label))) for label in row[5:])))
        else:
            writer.writerow(COLUMNS)
            writer.writerows(rows)
