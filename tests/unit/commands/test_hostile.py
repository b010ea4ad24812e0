"""plan and doctor answer a study that nobody should be given with the same sentence."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.planning.made_up_plan import STUDY

from transfergrid.commands import doctor
from transfergrid.commands.main import main
from transfergrid.commands.probe import Probe
from transfergrid.planning import rights
from transfergrid.planning.study import merge

WORD = "w" * 64
CSV = {
    "image_column": "image",
    "label_columns": ["mass"],
    "split": {"random": {"valid": 0.1, "test": 0.2}},
}


def changed(**change: Any) -> str:
    return yaml.safe_dump(merge(STUDY, {"device": "cpu", **change}))


CHAIN = {
    "p0": {"kind": "random"},
    **{
        f"p{n}": {
            "kind": "cell",
            "dataset": "films",
            "protocol": "source",
            "pretraining": f"p{n - 1}",
        }
        for n in range(1, 1501)
    },
}
LONG = {
    "datasets": [WORD],
    "architectures": ["legacy_seresnext101_32x4d.in1k"],
    "pretrainings": [f"{WORD[:-1]}p"],
    "protocols": [f"{WORD[:-1]}q"],
}
HOSTILE = {
    "seed": (changed(datasets={"films": {"seed": 10**30}}), "no number may be beyond"),
    "replicates": (
        changed(evaluation={"bootstrap": {"replicates": 10**12}}),
        "at least 100 and at most 100000",
    ),
    "digits": (
        f"{changed()}title: {'9' * 6000}\n",
        "6000 characters), which cannot be read as a value",
    ),
    "depth": (f"{changed()}only: {'[' * 900}{']' * 900}\n", "mappings and lists deep"),
    "aliases": (
        changed() + "a: &a [1, 2, 3]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b, x]\n",
        "no setting 'a'",
    ),
    "chain": (
        changed(pretrainings=CHAIN, grid=[{**STUDY["grid"][0], "pretrainings": ["p1500"]}]),
        "a chain of more than 50 source cells",
    ),
    "name": (
        changed(
            datasets={WORD: {"kind": "phantom"}},
            pretrainings={LONG["pretrainings"][0]: {"kind": "random"}},
            protocols={LONG["protocols"][0]: {}},
            grid=[LONG],
        ),
        "shorten names",
    ),
    "grid": (
        changed(
            grid=[{**STUDY["grid"][0], "seeds": list(range(2000)), "truncations": [*range(99)]}]
        ),
        "cells, but a study has at most 200000",
    ),
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor, "ask", lambda names: Probe(torch="2.14.1"))


@pytest.mark.parametrize("kind", HOSTILE)
def test_plan_and_doctor_say_the_same(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    text, sentence = HOSTILE[kind]
    Path("study.yaml").write_text(text)
    assert main(["plan", "study.yaml"]) == 1
    planned = capsys.readouterr()
    assert planned.out == ""
    assert planned.err.startswith("error: ")
    assert planned.err.count("\n") == 1
    assert sentence in planned.err
    assert main(["doctor", "study.yaml"]) == 1
    told = planned.err.removeprefix("error: ").strip()
    assert f"error    study        {told}" in capsys.readouterr().out


def test_a_named_pipe_for_a_study_or_what_it_names_is_told(capsys) -> None:
    os.mkfifo("pipe")
    for command in ("plan", "doctor"):
        assert main([command, "pipe"]) == 1
        said = capsys.readouterr()
        assert "pipe is a named pipe; put a regular file there" in said.err + said.out
    npz = {"kind": "medmnist", "root": "pipe", "image_px": 28, "resize": "stretch"}
    table = {**CSV, "kind": "csv", "root": ".", "table": "pipe"}
    weights = {"kind": "file", "path": "pipe"}
    for change in (
        {"datasets": {**STUDY["datasets"], "films": npz}},
        {"datasets": {**STUDY["datasets"], "films": table}},
        {"pretrainings": {**STUDY["pretrainings"], "shapes": weights}},
    ):
        Path("study.yaml").write_text(yaml.safe_dump({**STUDY, **change, "device": "cpu"}))
        for command in ("plan", "doctor"):
            assert main([command, "study.yaml"]) == 1
            said = capsys.readouterr()
            assert "pipe is a named pipe; put a regular file there" in said.err + said.out


def test_results_that_may_not_be_written_are_told_by_both(monkeypatch, capsys) -> None:
    Path("study.yaml").write_text(changed())
    Path("results/cells").mkdir(parents=True)
    real = os.access
    monkeypatch.setattr(
        rights.os,
        "access",
        lambda path, mode: Path(path) != Path("results/cells") and real(path, mode),
    )
    assert main(["plan", "study.yaml"]) == 0
    assert "  results/cells cannot be written: choose another folder" in capsys.readouterr().out
    assert main(["doctor", "study.yaml"]) == 1
    assert "results/cells cannot be written" in capsys.readouterr().out
