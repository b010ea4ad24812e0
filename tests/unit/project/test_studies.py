"""The published study and its small copy: what their headers promise, and that they are alike."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from datasets.chexpert.make import make

from transfergrid.planning.grid import Point
from transfergrid.planning.paths import PROJECT
from transfergrid.planning.plan import plan_run
from transfergrid.planning.planned import PlannedStudy

STUDIES = PROJECT / "studies"
NAMES = ("chextransfer", "chextransfer_small")


@pytest.fixture(autouse=True)
def chexpert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, np.random.default_rng(0))
    monkeypatch.setenv("CHEXPERT", str(tmp_path))


def planned(name: str, changes: dict[str, Any] | None = None) -> PlannedStudy:
    return plan_run([STUDIES / f"{name}.yaml"], changes or {}).studies[name]


def header(name: str) -> str:
    lines = (STUDIES / f"{name}.yaml").read_text().splitlines()
    return " ".join(line.lstrip("# ") for line in lines[: lines.index(f"name: {name}")])


def numbers(pattern: str, text: str) -> tuple[int, ...]:
    found = re.search(pattern, text)
    assert found, text
    return tuple(map(int, found.groups()))


@pytest.mark.parametrize("name", NAMES)
def test_the_header_counts_the_cells(name: str) -> None:
    study, text = planned(name), header(name)
    counts = Counter(cell.point.protocol for cell in study.targets)
    pattern = r"(\d+) cells: (\d+) of protocol paper, (\d+) of tuned, (\d+) of plateau"
    expected = (len(study.targets), counts["paper"], counts["tuned"], counts["plateau"])
    assert numbers(pattern, text) == expected
    assert numbers(r"(\d+) trials of learning rates", text) == (len(study.trials),)


def test_the_full_study_s_slice_can_be_planned() -> None:
    found = re.search(r"--config only='(.*?)'", header("chextransfer"))
    assert found
    only = yaml.safe_load(found[1])
    study = planned("chextransfer", {"only": only})
    assert {cell.point.architecture for cell in study.targets} == set(only["architectures"])


def test_the_small_study_s_slice_is_what_its_header_says() -> None:
    text = header("chextransfer_small")
    found = re.search(r"--config only='(.*?)'", text)
    assert found
    study = planned("chextransfer_small", {"only": yaml.safe_load(found[1])})
    expected = (len(study.targets), len(study.sources), len(study.trials))
    assert numbers(r"slice of (\d+) cells, (\d+) sources and (\d+) trials", text) == expected
    assert numbers(r"(\d+) sources; ", text) == (len(planned("chextransfer_small").sources),)


def test_the_small_study_is_the_same_grid_with_shapes_for_imagenet() -> None:
    def small(point: Point) -> Point:
        pretraining = {"imagenet": "shapes"}.get(point.pretraining, point.pretraining)
        return replace(point, dataset="phantom", pretraining=pretraining)

    full = {small(cell.point) for cell in planned("chextransfer").targets}
    assert full == {cell.point for cell in planned("chextransfer_small").targets}
    questions = [planned(name).study.config["questions"] for name in NAMES]
    assert questions[0] == questions[1]


def test_every_network_gets_the_same_arms_rates_and_seeds() -> None:
    study = planned("chextransfer")
    whole = [cell.point for cell in study.targets if cell.point.truncation == 0]
    assert len({point.architecture for point in whole}) == 16
    rates = study.study.recipes["tuned"].tune
    assert rates is not None and rates == study.study.recipes["plateau"].tune
    for protocol, arms in (("paper", 2), ("tuned", 3), ("plateau", 3)):
        counts = Counter(point.architecture for point in whole if point.protocol == protocol)
        assert set(counts.values()) == {arms * 3}
    cuts = Counter(
        (cell.point.architecture, cell.point.truncation)
        for cell in study.targets
        if cell.point.truncation
    )
    assert set(cuts.values()) == {2 * 3 * 3}  # arms, protocols, seeds
