from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from unit.commands import made_up_results as made

from transfergrid.commands.main import main
from transfergrid.commands.plan import describe, report, survey
from transfergrid.commands.stages import earlier_stamps
from transfergrid.planning.cells import Cell
from transfergrid.planning.plan import Plan

RESULTS = Path("results")
HEAVY = {"torch", "torchvision", "timm", "numpy", "pandas", "scipy", "pyarrow"}


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def text(planned: Plan) -> str:
    return "\n".join(report(survey(planned)))


def some(planned: Plan, *parts: str) -> list[Cell]:
    return [c for name, c in planned.cells.items() if any(part in name for part in parts)]


def cell(planned: Plan, part: str) -> str:
    return some(planned, part)[0].name


@pytest.mark.parametrize("name", ["plan", "prune"])
def test_the_command_imports_nothing_heavy(name: str) -> None:
    code = f"import sys, transfergrid.commands.{name}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


def test_cells_are_described_by_the_axis_that_sets_them_apart() -> None:
    planned = made.plan(Path(), {"grid": [{**made.SMALL["grid"][0], "seeds": [0, 1]}]})
    everything = list(planned.cells.values())
    assert describe(everything, everything) == "all 10 cells"
    assert describe(some(planned, "finetune"), everything) == "8 cells of protocol finetune"
    assert describe(some(planned, "drop1"), everything) == "4 cells of truncation 1"
    assert describe(some(planned, "seed1"), everything) == "5 cells of seed 1"
    both = [c for c in some(planned, "drop1") if "seed0" in c.name]
    assert describe(both, everything) == "2 cells of protocol finetune, truncation 1, seed 0"
    assert describe(both[:1], everything) == both[0].name


def test_a_stamp_that_a_run_removes_meanwhile_is_none_of_the_earlier_ones(tmp_path: Path) -> None:
    (tmp_path / "small.cells.00000000").symlink_to("removed since the folder was listed")
    (tmp_path / "small.cells.11111111").write_text("{}")
    found = earlier_stamps(tmp_path / "small.cells.22222222")
    assert found == [tmp_path / "small.cells.11111111"]


def test_the_projects_own_networks_are_planned_with_what_they_need() -> None:
    block = {**made.SMALL["grid"][0], "architectures": ["cbr_tiny_32", "resnet18_slim3"]}
    planned = made.plan(Path(), {"grid": [block]})
    assert {c.network for c in planned.cells.values()} == {"cbr_tiny_32", "resnet18_slim3"}
    assert "10 cells" in text(planned)


def test_trials_are_counted_and_their_choices_are_jobs() -> None:
    found = text(made.plan(Path(), made.TUNED))
    assert "10 cells, 4 of them trials of learning rates" in found
    assert "tune 2" in " ".join(found.split())
    assert "evaluate 6" in " ".join(found.split())


def test_nothing_on_disk() -> None:
    found = text(made.plan(Path()))
    assert "missing 5" in " ".join(found.split())
    assert "ensembles not made yet" in " ".join(found.split())
    assert "train 5" in " ".join(found.split())
    assert "a guess, because no cell was ever measured on this device" in found


def test_a_finished_study() -> None:
    planned = made.plan(Path())
    made.finish(planned, RESULTS)
    found = text(planned)
    assert "done 5" in " ".join(found.split()) and "stale    0" in found
    assert "spec " not in found and "what it costs" not in found


def test_failed_cells_are_named_with_the_end_of_their_log() -> None:
    planned = made.plan(Path())
    made.finish(planned, RESULTS)
    folder = RESULTS / "cells" / cell(planned, "drop1")
    (folder / "train.json").unlink()
    (folder / "logs").mkdir()
    (folder / "logs" / "train.log").write_text("step 1\nRuntimeError: no such kernel\n")
    found = text(planned)
    assert f"{folder.name}\n      RuntimeError: no such kernel  ({folder}/logs/train.log)" in found


def test_freed_weights_are_told_in_advance() -> None:
    planned = made.plan(Path())
    made.finish(planned, RESULTS)
    freed = cell(planned, "drop1")
    (RESULTS / "cells" / freed / "receipts" / "train.json").unlink()
    assert "weights freed" not in text(planned)
    (RESULTS / "stamps" / planned.evaluate_stamp[0]).rename(
        RESULTS / "stamps" / "code.evaluate.00000000"
    )
    found = text(planned)
    assert f"trained again before they are scored\n    {freed}" in found
    assert "to be scored: 4 cells, because evaluation code changed" in found


def test_a_cell_whose_source_was_freed_under_it_is_warned_of() -> None:
    planned = made.plan(Path())
    made.finish(planned, RESULTS)
    waiting, source = cell(planned, "textures-drop1"), cell(planned, "source")
    (RESULTS / "cells" / waiting / "train.json").unlink()
    (RESULTS / "cells" / source / "receipts" / "train.json").unlink()
    found = text(planned)
    assert f"{waiting} starts from the weights of {source}, which were freed" in found


def test_other_versions_and_devices_are_warned_of() -> None:
    planned = made.plan(Path())
    now = {"packages": {"torch": "0.1", "timm": None}}
    made.finish(planned, RESULTS, record={"environment": now})
    made.train(planned, RESULTS, cell(planned, "source"), {"device": "NVIDIA H200"})
    for name in planned.cells:
        made.score(RESULTS, name)
    found = text(planned)
    assert "trained 4 cells with torch 0.1, and torch" in found
    assert "cpu (4 cells), NVIDIA H200 (1 cell)" in found


def test_the_same_version_is_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    films = {name: {"image_px": 64} for name in made.SMALL["datasets"]}  # 32 px: a warning
    planned = made.plan(Path(), {"datasets": films})
    made.finish(planned, RESULTS, record={"environment": {"packages": {"torch": "9"}}})
    monkeypatch.setattr("transfergrid.commands.plan._version", lambda package: "9")
    assert "warnings" not in text(planned)


def test_a_missing_cache_is_decoded_again_by_whoever_needs_it() -> None:
    planned = made.plan(Path())
    made.finish(planned, RESULTS)
    shutil.rmtree(RESULTS / "cache")
    assert "to prepare first" not in text(planned)
    (RESULTS / "cells" / cell(planned, "drop1") / "receipts" / "evaluate.json").unlink()
    assert f"data set {planned.studies['small'].datasets['films'].id} is decoded" in text(planned)


def test_two_studies_are_told_apart_and_added_up() -> None:
    made.plan(Path(), {"name": "other"}, "other.yaml")
    planned = made.plan(Path())
    both = Plan({**planned.studies, "other": planned.studies["small"]})
    found = text(both)
    assert found.count("5 cells\n") == 2
    assert "all studies: 5 cells, shared ones once" in found


def test_the_command_prints_and_wrong_input_is_a_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made.plan(Path())
    assert main(["plan", "study.yaml"]) == 0
    assert capsys.readouterr().out.startswith("study small (")
    assert main(["plan", "study.yaml", "--config", "only={seeds: [7]}"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
