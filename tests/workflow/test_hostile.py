"""Snakemake answers studies that nobody should be given, and closed folders, in a sentence."""

from __future__ import annotations

import os

import pytest

pytestmark = pytest.mark.slow

CLOSED = """
import os
real = os.access
os.access = lambda path, mode, **more: (
    not str(path).endswith("results/cells") and real(path, mode, **more)
)
"""


def test_the_default_study_is_bounded_before_snakemake_reads_it(workspace) -> None:
    path = workspace.write(name="config.yaml")
    path.write_text(f"{path.read_text()}note: {'9' * 6000}\n")
    outcome = workspace.snakemake("--dry-run", study=None)
    assert outcome.status == 1
    assert "which cannot be read as a value" in outcome.text
    assert "Traceback" not in outcome.text


def test_a_named_pipe_for_a_study_is_not_waited_for(workspace) -> None:
    os.mkfifo(workspace.folder / "pipe")
    outcome = workspace.snakemake("--dry-run", "--config", "studies=pipe", study=None)
    assert outcome.status == 1
    assert "study pipe: pipe is a named pipe; put a regular file there." in outcome.text


def test_results_that_may_not_be_written_start_nothing(workspace) -> None:
    workspace.write()
    (workspace.folder / "results" / "cells").mkdir(parents=True)
    (workspace.folder / "sitecustomize.py").write_text(CLOSED)  # as on a mount that is read-only
    dry = workspace.snakemake("--dry-run")
    assert dry.status == 0
    assert "Warning: results/cells cannot be written: choose another folder" in dry.text
    outcome = workspace.snakemake()
    assert outcome.status == 1
    assert "results/cells cannot be written" in outcome.text
    assert not list((workspace.folder / "results").rglob("*.json"))
