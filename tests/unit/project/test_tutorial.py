"""The programs of the tutorial do what it says, and commands print what it shows."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from transfergrid.commands.main import main
from transfergrid.planning.paths import PROJECT

PAGE = (PROJECT / "docs" / "tutorial.md").read_text(encoding="utf-8")
EXPORT, APART = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tutorial's folder, made of a small file in which a training film is also tested on."""
    rng = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for split, count in (("train", 160), ("val", 40), ("test", 40)):
        arrays[f"{split}_images"] = rng.integers(0, 255, (count, 28, 28), dtype=np.uint8)
        arrays[f"{split}_labels"] = (np.arange(count) % 8 < 4).astype(np.uint8)[:, None]
    arrays["test_images"][0] = arrays["train_images"][8]
    np.savez(tmp_path / "pneumoniamnist.npz", **arrays)  # type: ignore[arg-type]
    monkeypatch.chdir(tmp_path)
    exec(EXPORT, {})
    return tmp_path


def test_a_film_of_two_parts_is_taken_out_of_training(films: Path) -> None:
    before = pd.read_csv(films / "pneumonia" / "films.csv")
    assert before["split"].value_counts().to_dict() == {"train": 40, "val": 40, "test": 40}
    exec(APART, {})
    after = pd.read_csv(films / "pneumonia" / "films.csv")
    lost = before[~before["film"].isin(after["film"])]
    assert lost["film"].tolist() == ["films/train0008.png"]


def test_init_guesses_what_the_page_shows(films: Path) -> None:
    assert main(["init", "pneumonia"]) == 0
    written = (films / "pneumonia_study" / "study.yaml").read_text(encoding="utf-8")
    shown, _ = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    lines = [line for line in shown.splitlines() if "root:" not in line]
    assert [line for line in lines if line not in written.splitlines()] == []
    assert "  epochs: 8\n" in written
    assert "  - { name: start, kind: contrast, axis: pretraining, baseline: random }\n" in written


COUNTED = r"\d[\d.,]*( [kMG]?B\b)?"
"""Numbers and sizes, which differ between the page's films and those made here."""
TIMES = r"N to N (seconds|minutes|hours)"


def bare(text: str) -> list[str]:
    """Return lines without what depends on the films, the folder and the machine."""
    text = re.sub(COUNTED, "N", re.sub(r"(?<=[ (])/\S+/(?=pneumonia)", "", text))
    text = re.sub(TIMES, "N to N minutes", re.sub(r", (\.\.\.|N) free", ", N free", text))
    return [re.sub(r"[ -]+", " ", line).strip() for line in text.splitlines() if line.strip()]


def blocks(word: str) -> list[str]:
    """Return the page's blocks without a language in which a word stands."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return [block for language, block in fenced if not language and word in block]


def test_init_prints_what_the_page_shows(films: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shown,) = blocks("$ transfergrid init")
    assert main(["init", "pneumonia"]) == 0
    assert bare(capsys.readouterr().out) == bare(shown)[1:]


def test_doctor_and_plan_print_what_the_page_shows(
    films: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Line by line, in the page's order; dots stand for lines that it leaves out."""
    assert main(["init", "pneumonia"]) == 0
    study = films / "pneumonia_study" / "study.yaml"
    (checks,), (jobs, _) = blocks("ok       study"), blocks("what snakemake would run")
    for command, shown in (("doctor", checks), ("plan", jobs)):
        capsys.readouterr()
        assert main([command, str(study)]) == 0
        printed = iter(bare(capsys.readouterr().out))
        for line in bare(shown):
            if line != "..." and not re.search(MACHINE, line):
                assert line in printed, line  # and so after the one before


MACHINE = r"^warning gpus|device=cpu|^N warnings"
"""Lines of `doctor` that are others where there are GPUs."""
