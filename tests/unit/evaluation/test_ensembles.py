"""The ensembles of many cells: made together, kept where nothing changed, listed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from unit.commands import made_up_results as made

from transfergrid.evaluation.ensemble import (
    choose_checkpoints,
    ensemble,
    read_ensemble,
)
from transfergrid.evaluation.ensembles import Ensembles, write_receipt
from transfergrid.evaluation.scores import Scores, write_scores
from transfergrid.metrics.estimate import Estimator
from transfergrid.planning.metrics import built_in, trained_by
from transfergrid.planning.paths import SCRIPTS, cell_directory
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.records import SCORED
from transfergrid.planning.shards import LARGEST, SPLITS, shards
from transfergrid.runtime.atomic import write_json
from transfergrid.runtime.hashing import canonical_json, sha256_file
from transfergrid.runtime.sealed import read_sealed, write_sealed

SELECTIONS = ("best", "top2_per_task", "last")
AUROC = Estimator.of(trained_by(built_in("auroc")))


def scores_of(seed: int) -> Scores:
    rng = np.random.default_rng(seed)
    return Scores(
        logits=rng.normal(size=(3, 30, 2)).astype(np.float32),
        labels=rng.integers(0, 2, (30, 2)).astype(np.float32),
        image_id=np.array([f"i{n}" for n in range(30)]),
        study_id=np.array([f"s{n // 2}" for n in range(30)]),
        patient_id=np.array([f"p{n // 2}" for n in range(30)]),
        task=np.array(["x", "y"]),
        step=np.array([10, 20, 30]),
        valid_score=np.array([0.6, 0.8, 0.7]),
        task_kind="multilabel",
        aggregate="max",
    )


def score(results: Path, cell: str, seed: int) -> None:
    """Write made-up scores of a cell, and evaluation's receipt."""
    folder = cell_directory(cell, results)
    files = {}
    for number, split in enumerate(SPLITS):
        path = folder / "scores" / f"{split}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_scores(path, scores_of(10 * seed + number))
        files[f"scores/{split}.npz"] = sha256_file(path)
    write_sealed(folder / SCORED, {"files": files})


@pytest.fixture()
def wanted(tmp_path: Path) -> Ensembles:
    for seed, cell in enumerate("ab"):
        score(tmp_path, cell, seed)
        write_json(cell_directory(cell, tmp_path) / "spec.json", {"metric": built_in("auroc")})
    return Ensembles(tmp_path, "small", SELECTIONS, "code")


def times(wanted: Ensembles) -> dict[str, int]:
    files = wanted.folder.rglob("*.parquet")
    return {str(path.relative_to(wanted.folder)): path.stat().st_mtime_ns for path in files}


def test_all_selections_at_once_are_each_on_its_own(wanted: Ensembles) -> None:
    listed = wanted.make("a")
    assert listed.keys() == times(wanted).keys() and len(listed) == 6
    for selection in SELECTIONS:
        chosen = choose_checkpoints(selection, scores_of(0), AUROC)
        for number, split in enumerate(SPLITS):
            path = wanted.file("a", selection, split)
            found, alone = read_ensemble(path), ensemble(scores_of(number), chosen)
            np.testing.assert_array_equal(found.probabilities, alone.probabilities)
            assert found.made_of == wanted.made_of("a")[selection]
            assert listed[str(path.relative_to(wanted.folder))] == sha256_file(path)


def test_only_what_is_made_of_something_else_is_made_again(wanted: Ensembles) -> None:
    first = wanted.make("a") | wanted.make("b")

    def redone(now: Ensembles) -> set[str]:
        before = times(wanted)
        listed = now.make("a") | now.make("b")
        after = times(wanted)
        assert listed.keys() <= after.keys()
        return {name for name, time in after.items() if before.get(name) != time}

    assert redone(wanted) == set()
    assert wanted.make("a") | wanted.make("b") == first
    more = redone(replace(wanted, selections=(*SELECTIONS, "top3")))
    assert more == {f"ensemble/{c}/top3/{split}.parquet" for c in "ab" for split in SPLITS}
    score(wanted.results, "b", 7)
    assert redone(wanted) == {name for name in first if "/b/" in name}
    damaged = wanted.file("a", "best", "test")
    damaged.write_bytes(damaged.read_bytes()[:-40])
    assert redone(wanted) == {"ensemble/a/best/test.parquet"}
    assert redone(replace(wanted, code="edited")) == set(first)


def test_receipts_of_another_way_of_cutting_go(tmp_path: Path) -> None:
    def left() -> set[str]:
        return {path.stem for path in tmp_path.glob("*.json")}

    write_receipt(tmp_path / "all.json", {})
    for shard in "0a":
        write_receipt(tmp_path / f"{shard}.json", {})
    assert left() == {"0", "a"}
    write_receipt(tmp_path / "all.json", {})
    assert left() == {"all"}


def test_a_study_is_cut_by_the_hashes_of_its_cells() -> None:
    names = [f"x-seed{n}-{n * 0x1234567 % 16**8:08x}" for n in range(4 * LARGEST)]
    assert shards(names[:LARGEST]) == {"all": tuple(names[:LARGEST])}
    assert shards([]) == {}
    cut = shards(names)
    assert sorted(name for part in cut.values() for name in part) == sorted(names)
    assert len(cut) == 16 and list(cut) == sorted(cut)
    assert all(name[-8] == shard for shard, part in cut.items() for name in part)
    # One more cell moves no other.
    more = shards([*names, "x-seed9999-f0000000"])
    assert {shard for shard in cut if cut[shard] != more[shard]} == {"f"}


@pytest.fixture()
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlannedStudy:
    monkeypatch.chdir(tmp_path)
    found = made.plan(tmp_path).studies["small"]
    stamp, content = found.stamps["ensembles"]
    made.write(Path("results/stamps") / stamp, content)
    (Path("results/stamps") / stamp).write_text(canonical_json(content))
    for seed, cell in enumerate(found.targets):
        folder = cell_directory(cell.name)
        folder.mkdir(parents=True)
        (folder / "spec.json").write_text(cell.spec)
        score(Path("results"), cell.name, seed)
    return found


def run(study: PlannedStudy, receipt: Path) -> tuple[int, str]:
    stamp = f"--stamp=results/stamps/{study.stamps['ensembles'][0]}"
    command = [sys.executable, str(SCRIPTS / "ensembles.py"), stamp, f"--receipt={receipt}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stderr


def test_a_damaged_cell_is_named_and_stops_no_other(study: PlannedStudy) -> None:
    receipt = Path("results/small/receipts/ensembles/all.json")
    bad, *others = (cell.name for cell in study.targets)
    path = cell_directory(bad) / "scores" / "test.npz"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    status, said = run(study, receipt)
    assert status == 1 and said.startswith(f"error: {bad}: results/cells/{bad}/scores/test.npz")
    assert "Traceback" not in said and not receipt.exists()
    files = {path.parent.parent.name for path in Path("results/small").rglob("*.parquet")}
    assert set(others) <= files
    path.write_bytes(data)
    assert run(study, receipt) == (0, "")
    listed = read_sealed(receipt)["ensembles"]
    assert len(listed) == len(study.targets) * len(study.selections) * len(SPLITS)
    lost = Path("results/small") / next(iter(listed))
    before = lost.read_bytes()
    lost.unlink()
    receipt.unlink()
    assert run(study, receipt) == (0, "")
    assert lost.read_bytes() == before and read_sealed(receipt)["ensembles"] == listed
