"""`transfergrid leaks` prints what was planted, and writes every pair."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from unit.data.leaky_study import leaky, prepare

from transfergrid.commands.main import main
from transfergrid.planning.paths import RESULTS, origin_file


def test_leaks_are_listed_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    study = leaky(tmp_path)
    assert main(["leaks", "study.yaml"]) == 1
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("have not been read yet; run snakemake") == 2
    prepare(study, RESULTS)
    capsys.readouterr()
    assert main(["leaks", "study.yaml", "--pairs", "pairs.csv", "--show", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "target, test against train: 0 of 15 images equal, 1 nearly equal"
    assert lines[1].startswith("  055.png (test) ~ 000.png (train): ")
    assert "target, test against source: 2 of 15 images equal, 0 nearly equal" in lines
    place = lines.index("target, test against source: 2 of 15 images equal, 0 nearly equal")
    assert lines[place + 2] == "  ..."
    with open("pairs.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["image"], row["other_dataset"], row["other_image"]) for row in rows] == [
        ("055.png", "target", "000.png"),
        ("005.png", "target", "060.png"),
        ("001.png", "source", "201.png"),
        ("020.png", "source", "020.png"),
        ("026.png", "source", "026.png"),
    ]
    assert rows[0]["split"] == "test" and rows[0]["other_split"] == "train"
    origin_file(study.datasets["source"].id, RESULTS).unlink()
    assert main(["leaks", "study.yaml"]) == 1
    assert capsys.readouterr().err.startswith("error: the images of source have not been read")
    assert main(["leaks", "study.yaml", "--threads", "0"]) == 1
