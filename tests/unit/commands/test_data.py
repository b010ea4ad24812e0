"""`transfergrid data` counts what a table holds, and draws films without their names."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from unit.data.leaky_study import leaky, prepare

from transfergrid.commands.carded import card_of
from transfergrid.commands.lost import lost_films
from transfergrid.commands.main import main
from transfergrid.commands.sheet import draw_sheet
from transfergrid.data.kinds import read_manifest
from transfergrid.planning.inputs import Dataset
from transfergrid.planning.paths import RESULTS


def test_a_card_counts_each_part_and_a_sheet_shows_each_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    study = leaky(tmp_path)
    assert main(["data", "study.yaml", "--films", "3"]) == 0
    told = capsys.readouterr().out
    for name, data in study.datasets.items():
        card = (tmp_path / "data_cards" / f"{name}.md").read_text()
        assert card in told and card.startswith(f"# {name}\n\n")
        assert "are known once snakemake has prepared the data" in card
        _check(card, data)
        count = min(40, len(read_manifest(data.declaration, data.root).table))
        assert f"Sizes of {count} images: 48 px high, 48 px wide." in card
        with Image.open(tmp_path / "data_cards" / f"{name}.png") as sheet:
            assert sheet.format == "PNG" and np.asarray(sheet.convert("L")).std() > 10
            assert not sheet.info.get("Description")
    prepare(study, RESULTS)
    # The first and the last film are always among those whose sizes are looked at.
    Image.new("L", (50, 30)).save(tmp_path / "target" / "000.png")
    capsys.readouterr()
    assert main(["data", "study.yaml", "--films", "0", "--out", "cards"]) == 0
    told = capsys.readouterr().out
    assert "- target, test against train: 0 of 15 images equal, 1 nearly equal" in told
    assert "Sizes of 40 images: 30 to 48 px high, 48 to 50 px wide." in told
    assert sorted(path.suffix for path in (tmp_path / "cards").iterdir()) == [".md", ".md"]


def _check(card: str, data: Dataset) -> None:
    """Compare a card's table with counts of the manifest's own rows."""
    table = read_manifest(data.declaration, data.root).table
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in card.splitlines()
        if "|" in line
    ]
    parts = rows[0][1:]
    found = {row[0]: row[1:] for row in rows[2:]}
    assert found["images"] == [str((table["split"] == part).sum()) for part in parts]
    for task in table.columns.difference(["image_id", "study_id", "patient_id", "view", "split"]):
        for part, told in zip(parts, found[task], strict=True):
            labels = table.loc[table["split"] == part, task].dropna()
            assert told.startswith(f"{int(labels.sum())} ({labels.mean():.1%})"), (task, part)


def test_what_cannot_be_shown_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    study = leaky(tmp_path)
    assert main(["data", "study.yaml", "--films", "41"]) == 1
    assert "--films is 41; give a whole number from 0 to 40" in capsys.readouterr().err
    root = study.datasets["target"].root
    assert root is not None
    next(root.rglob("*.png")).unlink()
    assert main(["data", "study.yaml"]) == 1
    told = capsys.readouterr().err
    assert "data set 'target': 1 of 55 images are missing: " in told
    assert "Put them there, or take their rows out of the table." in told
    assert not (tmp_path / "data_cards" / "target.md").exists()


def test_films_that_lie_elsewhere_below_the_root_are_found(tmp_path: Path) -> None:
    lost = [("a.png", "image a.png does not exist; restore it.")]
    table = {"kind": "csv"}
    leads = "none was found: check that root, image_folders and image_column lead to the images"
    assert lost_films(table, tmp_path, lost, 1)[1] == leads
    (tmp_path / "one" / "two").mkdir(parents=True)
    (tmp_path / "one" / "two" / "a.png").touch()
    told, mend = lost_films(table, tmp_path, lost, 1)
    assert told.startswith("1 of 1 images are missing: a.png; image a.png does not exist")
    assert mend == "the first is in the folder one/two: write image_folders: [one/two]"
    # Where the study has named folders, or the kind takes none, no other is proposed.
    assert lost_films({**table, "image_folders": ["three"]}, tmp_path, lost, 1)[1] == leads
    assert "image_folders" not in lost_films({"kind": "shenzhen"}, tmp_path, lost, 1)[1]


def test_a_card_has_rows_for_what_is_known_alone(tmp_path: Path) -> None:
    ids = [str(number // 2) for number in range(4)]
    table = pd.DataFrame({"study_id": ids, "patient_id": ids, "view": "", "split": "train"})
    table["spot"] = np.array([0, 1, 0, 1], dtype=np.float32)
    manifest: Any = SimpleNamespace(
        table=table, tasks=("spot",), task_kind="multilabel", notes=(), parts=("train",)
    )
    for known in ({"studies"}, {"patients"}, set(), {"studies", "patients"}):
        manifest.patients_known, manifest.studies_known = "patients" in known, "studies" in known
        card = card_of("films", manifest)
        rows = {line.split("|")[1].strip() for line in card.splitlines() if line.startswith("|")}
        assert rows & {"images", "studies", "patients"} == {"images", *known}
        assert "multilabel, 1 task." in card
    manifest.tasks, manifest.table = ("spot", "mass"), table.assign(mass=table["spot"])
    assert "multilabel, 2 tasks." in card_of("films", manifest)


def test_classes_without_room_on_a_sheet_are_counted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(np.eye(17, dtype=np.float32), columns=[f"c{n}" for n in range(17)])
    images = SimpleNamespace(read=lambda index: rng.integers(0, 256, (8, 8), dtype=np.uint8))
    manifest: Any = SimpleNamespace(table=table, tasks=tuple(table.columns), images=images)
    assert draw_sheet(manifest, 1, tmp_path / "sheet.png") == 3
    manifest.tasks = manifest.tasks[:3]
    manifest.table = table.iloc[:3]
    assert draw_sheet(manifest, 1, tmp_path / "sheet.png") == 0
