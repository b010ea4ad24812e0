"""Write a fake ChestX-ray14 in its published layout: table, lists, boxes, one PNG a film."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

HEAD = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,{},View Position,"
HEAD += "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
RELEASES = {"2017": HEAD.format("Patient Sex") + ",", "2017_v2020": HEAD.format("Patient Gender")}
BOXES = {
    "2017": "Image Index,Finding Label,Bbox [x,y,w,h],,,",
    "2017_v2020": "Image Index,Finding Label,Bbox [x,y,w,h],Unnamed: 6,Unnamed: 7,Unnamed: 8",
}
LISTED = {"train": "Xray14_train_official.txt", "valid": "Xray14_val_official.txt"}
LISTED["test"] = "Xray14_test_official.txt"
"""The benchmark's lists by part."""
COLUMNS = (
    *("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia"),
    *("Pneumothorax", "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening"),
    "Hernia",
)
"""The labels behind each film in the benchmark's lists, in their order."""
FINDINGS = ("Atelectasis", "Effusion", "Infiltration", "Pleural_Thickening", "Pneumonia")
PATIENTS = 40
TESTED = 12
"""How many of the patients are on the test list."""


def make(
    root: Path,
    rng: np.random.Generator,
    release: str = "2017_v2020",
    folders: tuple[str, ...] = ("images",),
) -> None:
    """Write it into `root`; films are spread over `folders`.

    Each patient has one to three films; the first of the training and of the test patients have
    every finding, the second of each have none. The first release counts ages in years and letters,
    and ends each line with a comma. The boxes are on the first test film.
    """
    root.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[object, ...]] = []
    films: dict[str, list[str]] = {"train_val": [], "test": []}
    for patient in range(1, PATIENTS + 1):
        part = "test" if patient > PATIENTS - TESTED else "train_val"
        order = (patient - 1) if part == "train_val" else patient - (PATIENTS - TESTED) - 1
        for visit in range(int(rng.integers(1, 4))):
            name = f"{patient:08d}_{visit:03d}.png"
            films[part].append(name)
            rows.append((name, _findings(rng, order), visit, patient, *_rest(rng, release)))
    _write(root / f"Data_Entry_{release}.csv", RELEASES[release], rows)
    for part, names in films.items():
        (root / f"{part}_list.txt").write_text("\n".join(names))  # the last line has no end
    first = films["test"][0]
    boxes = [
        (first, "Infiltrate", 225.5, 300, 204.75, 100.2),
        (first, "Pneumonia", 10, 20, 30, 40),
    ]
    _write(root / "BBox_List_2017.csv", BOXES[release], [(*box, "", "", "") for box in boxes])
    for number, name in enumerate([*films["train_val"], *films["test"]]):
        path = root / folders[number % len(folders)] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 32), dtype=np.uint8)).save(path)


def _findings(rng: np.random.Generator, order: int) -> str:
    if order < 2:
        return "No Finding" if order else "|".join(FINDINGS)
    found = [name for name in FINDINGS if rng.random() < 0.5]
    return "|".join(found) or "No Finding"


def _rest(rng: np.random.Generator, release: str) -> tuple[object, ...]:
    old = release == "2017"
    age = int(rng.integers(20, 90))
    rest = (f"{age:03d}Y" if old else age, rng.choice(["M", "F"]), rng.choice(["PA", "AP"]))
    return (*rest, 2682, 2749, 0.143, 0.143, *([""] if old else []))


def _write(path: Path, head: str, rows: list[tuple[object, ...]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        file.write(head + "\r\n")
        csv.writer(file).writerows(rows)


def make_lists(root: Path, valid: int = 8) -> None:
    """Write lists as jlianglab/BenchmarkTransferLearning has them: film and fourteen labels a line.

    They divide the official training films by patient, the last `valid` of whom are validated on.
    """
    with open(next(root.glob("Data_Entry_*.csv")), newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    found = {row[0]: set(row[head.index("Finding Labels")].split("|")) for row in rows}
    learned = sorted((root / "train_val_list.txt").read_text().split())
    patients = sorted({name[:8] for name in learned})[-valid:]
    films = {
        "train": [name for name in learned if name[:8] not in patients],
        "valid": [name for name in learned if name[:8] in patients],
        "test": (root / "test_list.txt").read_text().split(),
    }
    for part, names in films.items():
        lines = [[name, *(str(int(one in found[name])) for one in COLUMNS)] for name in names]
        (root / LISTED[part]).write_text("".join(" ".join(line) + "\n" for line in lines))
