from __future__ import annotations

import argparse
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml
from datasets.csv.make import make
from unit.commands.test_checks_study import STUDY

from transfergrid.commands import doctor
from transfergrid.commands.doctor import snakemake_command
from transfergrid.commands.main import main
from transfergrid.commands.options import add_study_arguments
from transfergrid.commands.probe import Probe
from transfergrid.planning.paths import PROJECT


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a sound study, and a torch that answers at once."""
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "films", np.random.default_rng(0))
    Path("study.yaml").write_text(yaml.safe_dump({**STUDY, "device": "cpu"}))
    monkeypatch.setattr(doctor, "ask", lambda names: Probe(torch="2.14.1"))
    return tmp_path


def test_all_is_well_where_nothing_is_wrong(capsys) -> None:
    assert main(["doctor", "study.yaml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines[:-1]} <= {"ok", "->"}
    assert lines[-1] == "All is well."


def test_one_error_makes_the_status_1_and_the_other_checks_go_on(capsys) -> None:
    (Path("films") / "labels.csv").unlink()
    assert main(["doctor", "study.yaml"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("error    study        data set 'films' lacks the label table ")
    assert any(line.startswith("ok       machine") for line in lines)
    assert lines[-1] == "1 error."


def test_what_the_file_says_of_the_device_counts_beside_another_fault(capsys) -> None:
    Path("study.yaml").write_text(yaml.safe_dump({**STUDY, "device": "cpu", "name": "my-study"}))
    assert main(["doctor", "study.yaml"]) == 1
    said = capsys.readouterr().out
    assert "beginning with a letter, such as my_study." in said
    assert "device is cpu" in said
    assert "device is auto" not in said


def test_no_device_is_told_of_a_file_that_cannot_be_read(capsys) -> None:
    Path("study.yaml").write_text("device: [")
    assert main(["doctor", "study.yaml"]) == 1
    assert "device is auto" not in capsys.readouterr().out


def test_the_directory_is_that_of_the_run(here, monkeypatch, capsys) -> None:
    monkeypatch.chdir("/")
    assert main(["doctor", str(here / "study.yaml"), "--directory", str(here)]) == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nix.yaml"], "nix.yaml does not exist"),
        ([], "config.yaml does not exist"),
        (["study.yaml", "--directory", "nix"], "--directory nix is not a folder"),
        (["study.yaml", "--config", "device"], "write KEY=VALUE"),
    ],
)
def test_wrong_input_gets_one_sentence(capsys, words, sentence) -> None:
    assert main(["doctor", *words]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert sentence in said.err


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ([], "snakemake --cores all"),
        (["a b.yaml"], "snakemake --cores all --configfile '{here}/a b.yaml'"),
        (
            ["a.yaml", "b.yaml", "--config", "device=cpu", "--directory", "/data"],
            "snakemake --cores all --config studies={here}/a.yaml,{here}/b.yaml device=cpu"
            " --directory /data",
        ),
    ],
)
def test_the_command_names_the_studies(here, words, command) -> None:
    parser = argparse.ArgumentParser()
    add_study_arguments(parser)
    made = snakemake_command(parser.parse_args(words))
    assert shlex.split(made) == shlex.split(command.format(here=here))


def test_the_default_study_needs_nothing(here, monkeypatch) -> None:
    assert main(["doctor", str(PROJECT / "config.yaml"), "--directory", str(here)]) == 0
