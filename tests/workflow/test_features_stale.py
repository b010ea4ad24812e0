"""What is stale of a cell that trains on stored features, and of these, after which change."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_study import SMALL
from tests.workflow.conftest import Once, Workspace
from tests.workflow.places import Jobs, Place, copy_project, new_cells
from tests.workflow.test_flipped_bits import flip
from tests.workflow.test_staleness import TRIGGERS, Row

from transfergrid.planning.study import merge
from transfergrid.runtime.sealed import read_sealed

pytestmark = pytest.mark.slow

CELL = "films-lcnet_050-fixed-drop0-head-seed0"
FEATURES = "films-lcnet_050-fixed-drop0-pooled"
# The source cell is one and the same for all seeds, and one that the small study has.
FIXED = {"kind": "cell", "dataset": "textures", "protocol": "source", "seed": 0}


def study(head: dict[str, Any] | None = None, **axes: Any) -> dict[str, Any]:
    """Return what lays a cell whose head alone learns over the small study."""
    place = {"pretrainings": ["fixed"], "truncations": [0], "protocols": ["head"], **axes}
    return {
        "pretrainings": {"fixed": FIXED},
        "protocols": {"head": merge({"train_layers": "head"}, head or {})},
        "grid": [*SMALL["grid"], {**SMALL["grid"][0], **place}],
    }


@pytest.fixture(scope="module")
def base(finished: Workspace, once: Once) -> Workspace:
    """The small study with a cell whose head alone learns, run to its end."""

    def make(workspace: Workspace) -> None:
        shutil.copytree(finished.folder, workspace.folder, symlinks=True)
        workspace.write(study())
        outcome = workspace.snakemake()
        assert outcome.status == 0, outcome.text[-6000:]
        assert (outcome.jobs["features"], outcome.jobs["train"]) == (1, 1)

    return once.run("headed", make)


def folder_of(place: Place) -> Path:
    (found,) = (place.results / "features").glob("films-*")
    return found


def change(head: dict[str, Any] | None = None, **axes: Any) -> Callable[[Place], object]:
    return lambda place: place.workspace.write(study(head, **axes))


def gone_and(then: Callable[[Place], object]) -> Callable[[Place], object]:
    def both(place: Place) -> None:
        shutil.rmtree(folder_of(place))
        then(place)

    return both


def made(*features: str) -> Jobs:
    return frozenset(("features", name) for name in features)


MORE = CELL.replace("seed0", "seed1")
EDITED = ("src/transfergrid/evaluation/extraction.py", "_TRIED = 2", "_TRIED = 3")
ROWS = {
    "nothing": Row(lambda p: None),
    "features gone": Row(gone_and(lambda p: None)),
    "a seed more": Row(change(seeds=[0, 1]), new_cells({MORE})),
    "features gone and a seed more": Row(
        gone_and(change(seeds=[0, 1])), new_cells({MORE}, made(FEATURES))
    ),
    "a file of features damaged": Row(lambda p: flip(folder_of(p) / "train.npy")),
    "a phase's rate": Row(change({"learning_rate": 1e-2}), new_cells({CELL})),
    "norms": Row(change({"norms": "frozen"}), new_cells({CELL})),
    "a deeper network learns": Row(
        change({"train_layers": "last_2"}),
        new_cells({CELL}, made("films-lcnet_050-fixed-drop2-map")),
    ),
    "a network cut": Row(
        change(truncations=[1]),
        new_cells({CELL.replace("drop0", "drop1")}, made(FEATURES.replace("drop0", "drop1"))),
    ),
    "what makes features": Row(lambda p: p.code(*EDITED), new_cells({CELL}, made(FEATURES))),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_change_makes_stale_what_it_must(base: Workspace, tmp_path: Path, name: str) -> None:
    # With its records and all its triggers, where Snakemake finds most to do.
    shutil.copytree(base.folder, tmp_path / "run", symlinks=True)
    place = Place(Workspace(tmp_path / "run", copy_project(tmp_path / "project")))
    ROWS[name].change(place)
    assert place.jobs("--rerun-triggers", *TRIGGERS) == ROWS[name].expected


def test_damaged_features_are_told_and_made_again_as_told(base: Workspace, tmp_path: Path) -> None:
    shutil.copytree(base.folder, tmp_path / "run", symlinks=True)
    place = Place(Workspace(tmp_path / "run"))
    folder = folder_of(place)
    whole = read_sealed(folder / "receipt.json")
    flip(folder / "train.npy")
    place.workspace.write(study(seeds=[0, 1]))
    outcome = place.workspace.snakemake("--until", "train")
    assert outcome.status != 0 and "Traceback" not in outcome.text
    name = folder.relative_to(place.folder)
    told = f"{name / 'train.npy'} is not the file that was written"
    assert told in outcome.text, outcome.text[-3000:]
    assert f"remove {name} and run snakemake again, which makes the features again" in outcome.text
    shutil.rmtree(folder)
    outcome = place.workspace.snakemake("--until", "train")
    assert outcome.status == 0, outcome.text[-3000:]
    assert outcome.jobs["train"] == 1  # whose specification is there: it makes them itself
    assert read_sealed(folder / "receipt.json") == whole
