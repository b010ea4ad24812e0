"""What may go, what must stay, and that a kill leaves nothing half removed."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from unit.commands import made_up_results as made

from transfergrid.commands import removal
from transfergrid.commands.disposable import (
    Item,
    finished_checkpoints,
    finished_features,
    remove,
    unnamed,
)
from transfergrid.commands.jobs import planned_jobs
from transfergrid.commands.removal import LEFTOVER_SECONDS, remove_path, size_of
from transfergrid.commands.state import cell_states
from transfergrid.planning.plan import Plan
from transfergrid.runtime.atomic import lock_aside, replacing, scratch_directory

RESULTS = Path("results")
CELLS = RESULTS / "cells"


@pytest.fixture()
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A finished study, which the fixture `new` then changes."""
    monkeypatch.chdir(tmp_path)
    planned = made.plan(tmp_path)
    made.finish(planned, RESULTS)
    return planned


@pytest.fixture()
def new(old: Plan) -> Plan:
    """The same study with other films: three kinds of cells are named no more."""
    return made.plan(Path(), {"datasets": {"films": {"patients": 70}}})


def cell(planned: Plan, part: str) -> str:
    return next(name for name in planned.cells if part in name)


def free(items: list[Item], kind: str = "cell") -> set[str]:
    return {item.name for item in items if item.kind == kind and not item.in_use}


@contextmanager
def held(path: Path) -> Iterator[None]:
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def held_open(path: Path) -> Iterator[None]:
    """Hold the lock of a file or folder that is there."""
    descriptor = lock_aside(path)
    yield
    os.close(descriptor)


def lock_run(*paths: str) -> None:
    folder = Path(".snakemake/locks")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "0.output.lock").write_text("".join(f"{path}\n" for path in paths))


def run_job(name: str) -> None:
    start = {"event": "start", "stage": "train", "pid": os.getpid(), "host": platform.node()}
    path = CELLS / name / "logs" / "progress.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"time": time.time(), **start}) + "\n")


def test_nothing_goes_that_the_study_names(old: Plan) -> None:
    assert unnamed(old) == []


def test_what_the_study_names_no_more_can_go(old: Plan, new: Plan) -> None:
    items = unnamed(new)
    assert free(items) == {name for name in old.cells if "source" not in name}
    caches = {c.dataset_id for name, c in old.cells.items() if "source" not in name}
    assert free(items, "cache") == caches
    assert free(items, "note") == {n for n in old.notes if n.startswith("films-")}


def test_stamps_of_stages_that_there_are_no_more_can_go(old: Plan) -> None:
    stamps = Path("results/stamps")
    stamps.mkdir(parents=True, exist_ok=True)
    for name in ("small.panels.0123abcd", "other.panels.0123abcd", "small.cells.0123abcd"):
        (stamps / name).write_text("{}")
    assert free(unnamed(old), "stamp") == {"small.panels.0123abcd"}


def test_a_note_that_a_run_is_writing_stays(old: Plan) -> None:
    (RESULTS / "stamps").mkdir(parents=True, exist_ok=True)
    with replacing(RESULTS / "stamps" / "others-0123abcd.location.0123abcd") as aside:
        assert unnamed(old) == []
        aside.write_text("{}")


def test_both_studies_keep_their_cells(old: Plan, new: Plan) -> None:
    both = Plan({"a": old.studies["small"], "b": new.studies["small"]})
    assert unnamed(both) == []


def test_removal_leaves_what_is_named(old: Plan, new: Plan) -> None:
    (gone,) = free(unnamed(new), "cache")
    logs = RESULTS / "cache" / "logs"
    logs.mkdir(parents=True)
    for name in (f"{gone}.log", f"{gone}.tsv", "other.tsv"):
        (logs / name).touch()
    assert {remove(item) for item in unnamed(new)} == {""}
    assert {path.name for path in CELLS.iterdir()} == {n for n in old.cells if "source" in n}
    assert [path.name for path in logs.iterdir()] == ["other.tsv"]
    assert unnamed(new) == []


@pytest.mark.parametrize("how", ["job", "run"])
def test_a_cell_in_use_stays_and_so_does_all_that_it_needs(
    how: str, old: Plan, tmp_path: Path
) -> None:
    everything = made.plan(
        tmp_path, {"datasets": {"films": {"patients": 70}, "textures": {"patients": 80}}}
    )
    used = cell(old, "textures-drop1")
    if how == "job":
        run_job(used)
    else:
        lock_run(f"results/cells/{used}/receipts/evaluate.json")
    items = unnamed(everything)
    kept = {item.name for item in items if item.in_use}
    assert kept == {used, cell(old, "source")}
    assert free(items, "cache") == set()
    assert free(items, "note") == set()


def test_a_cache_that_a_run_reads_stays(old: Plan, new: Plan) -> None:
    cache = old.studies["small"].datasets["films"].id
    lock_run(f"results/cache/{cache}/receipt.json")
    items = unnamed(new)
    assert free(items, "cache") == set() and free(items, "note") == set()


def test_a_held_lock_is_found_when_it_comes_to_removing(old: Plan, new: Plan) -> None:
    used = CELLS / cell(old, "textures-drop1")
    item = next(item for item in unnamed(new) if item.name == used.name)
    with held(used / ".lock"):
        assert remove(item) == "another process uses it"
        assert (used / "train.json").exists()
    assert remove(item) == ""
    assert not used.exists()


def test_strange_folders_and_links_stay(old: Plan, new: Plan, tmp_path: Path) -> None:
    (CELLS / "my-notes").mkdir()
    outside = tmp_path / "outside"
    shutil.move(CELLS / cell(old, "textures-drop1"), outside)
    (CELLS / cell(old, "textures-drop1")).symlink_to(outside)
    (CELLS / cell(old, "random-drop1") / "scores" / "link").symlink_to(outside)
    for item in unnamed(new):
        remove(item)
    assert (outside / "train.json").exists()
    assert (CELLS / "my-notes").is_dir() and (CELLS / cell(old, "textures-drop1")).is_symlink()


def test_a_room_that_is_a_link_is_left_alone(old: Plan, new: Plan, tmp_path: Path) -> None:
    shutil.move(CELLS, tmp_path / "elsewhere")
    CELLS.symlink_to(tmp_path / "elsewhere")
    assert free(unnamed(new)) == set()


def test_a_kill_leaves_no_half_cell(old: Plan, new: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    item = next(item for item in unnamed(new) if item.kind == "cell")
    with monkeypatch.context() as patch:
        patch.setattr(removal.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove(item)
    assert not (CELLS / item.name).exists()
    leftover = next(CELLS.glob(".tmp-*"))
    long_ago = time.time() - LEFTOVER_SECONDS - 60
    for path in [leftover, *leftover.rglob("*")]:
        os.utime(path, (long_ago, long_ago))
    assert free(unnamed(new), "leftover") == {f"cells/{leftover.name}"}


def test_leftovers_are_old_and_unchanged_inside(old: Plan) -> None:
    fresh, ancient = RESULTS / ".tmp-1-a", RESULTS / "cache" / ".tmp-2-b"
    growing = RESULTS / "cache" / ".tmp-3-c"
    long_ago = time.time() - LEFTOVER_SECONDS - 60
    fresh.write_text("x")
    ancient.write_text("x")
    growing.mkdir()
    (growing / "train.npy").write_text("being written")
    for path in (ancient, growing):
        os.utime(path, (long_ago, long_ago))
    assert free(unnamed(old), "leftover") == {"cache/.tmp-2-b"}


def test_leftovers_of_killed_writers_go_at_once_and_of_living_ones_never(old: Plan) -> None:
    cache = RESULTS / "cache"
    dead = cache / ".tmp-0123456789abcdef-films-00000000"
    dead.mkdir(parents=True)
    (dead / "train.npy").write_text("half")
    with scratch_directory(cache / "films-00000000") as alive:
        dead.mkdir(exist_ok=True)  # the scratch took it away as its own path's
        long_ago = time.time() - LEFTOVER_SECONDS - 60
        os.utime(alive, (long_ago, long_ago))
        assert free(unnamed(old), "leftover") == {f"cache/{dead.name}"}
        (item,) = [item for item in unnamed(old) if item.kind == "leftover"]
        assert remove(item) == ""
        assert alive.is_dir() and not dead.exists()


@pytest.mark.parametrize("folder", [False, True])
def test_a_writer_that_locks_late_keeps_what_it_has_made(folder: bool, old: Plan) -> None:
    path = RESULTS / ".tmp-0123456789abcdef-index.html"
    path.mkdir() if folder else path.touch()
    (item,) = unnamed(old)
    with held_open(path):
        assert remove(item) == "another process uses it"
        assert path.exists()
    assert remove(item) == ""
    assert not path.exists() and remove(item) == ""


def test_what_its_writer_renames_meanwhile_is_no_leftover(
    old: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = RESULTS / ".tmp-0123456789abcdef-index.html"
    path.touch()
    monkeypatch.setattr(removal, "abandoned", lambda found: found.unlink())
    assert unnamed(old) == [] and not path.exists()


def test_ensembles_of_cells_and_selections_that_left_the_study(old: Plan) -> None:
    room = RESULTS / "small" / "ensemble"
    for name in (cell(old, "textures-drop0"), cell(old, "textures-drop1")):
        for selection in ("best", "last", "notes"):
            made.write(room / name / selection / "test.parquet", {})
    changed = made.plan(
        Path(),
        {
            "grid": [{**made.SMALL["grid"][0], "truncations": [0]}],
            "evaluation": {"selections": ["best"]},
        },
    )
    assert free(unnamed(changed), "ensemble") == {
        f"small/{cell(old, 'textures-drop1')}",
        f"small/{cell(old, 'textures-drop0')}/last",
    }


def test_weights_of_finished_cells_can_be_freed(old: Plan) -> None:
    items = finished_checkpoints(old)
    assert free(items, "checkpoints") == set(old.cells)
    for item in items:
        assert remove(item) == ""
    for name, state in cell_states(old).items():
        assert state.finished and state.freed
        left = {path.name for path in (CELLS / name).iterdir()}
        assert {"spec.json", "train.json", "card.json", "scores"} <= left
        assert "checkpoints" not in left
    assert finished_checkpoints(old) == []


def test_the_receipt_goes_before_the_weights(old: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    first = finished_checkpoints(old)[0]
    monkeypatch.setattr(removal.shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        remove(first)
    # Taken for freed, though the weights are still there: trained again if they are needed.
    assert [name for name, state in cell_states(old).items() if state.freed] == [first.name]


def test_weights_stay_while_an_unfinished_cell_starts_from_them(old: Plan) -> None:
    source, used = cell(old, "source"), cell(old, "textures-drop1")
    (CELLS / used / "train.json").unlink()
    items = {item.name: item for item in finished_checkpoints(old)}
    assert used not in items
    assert items[source].in_use == f"{used} starts from it and is not finished"


def test_weights_stay_for_cells_of_studies_that_were_not_given(old: Plan) -> None:
    used = cell(old, "textures-drop1")
    (CELLS / used / "receipts" / "evaluate.json").unlink()
    fewer = made.plan(Path(), {"grid": [{**made.SMALL["grid"][0], "truncations": [0]}]})
    assert cell(old, "source") not in free(finished_checkpoints(fewer), "checkpoints")


def test_diverged_and_unscored_cells_keep_their_weights(old: Plan) -> None:
    made.score(RESULTS, cell(old, "textures-drop1"), "diverged")
    (CELLS / cell(old, "random-drop1") / "receipts" / "evaluate.json").unlink()
    kept = {cell(old, "textures-drop1"), cell(old, "random-drop1")}
    assert free(finished_checkpoints(old), "checkpoints") == set(old.cells) - kept


def test_what_was_tuned_goes_with_the_study_that_named_it(old: Plan) -> None:
    tuned = made.plan(Path(), made.TUNED)
    made.finish(tuned, RESULTS)
    assert unnamed(tuned) != [] and not free(unnamed(tuned), "tuning")
    made.plan(Path())  # the study without tune again
    trials = {cell.name for cell in tuned.studies["small"].trials}
    assert free(unnamed(old), "tuning") == set(tuned.tunings)
    assert trials <= free(unnamed(old))
    # A cell at work that no study names any more reads its rate before it trains.
    used = cell(tuned, "random-drop0-finetune-seed1")
    run_job(used)
    assert free(unnamed(old), "tuning") == set(tuned.tunings) - {tuned.cells[used].tuning.id}  # type: ignore[union-attr]
    for item in unnamed(old):
        if item.kind == "tuning" and not item.in_use:
            assert remove(item) == ""
    assert [path.name for path in (RESULTS / "tuning").iterdir()] == [tuned.cells[used].tuning.id]  # type: ignore[union-attr]


def test_weights_of_trials_can_go_and_hold_none_back(old: Plan) -> None:
    tuned = made.plan(Path(), made.TUNED)
    made.finish(tuned, RESULTS)
    trials = {cell.name for cell in tuned.studies["small"].trials}
    assert trials < free(finished_checkpoints(tuned), "checkpoints")
    # Trials of a study that was not given are never scored, and need their sources no more.
    assert cell(old, "source") in free(finished_checkpoints(old), "checkpoints")


def test_the_record_of_images_goes_with_the_last_cell_of_them(old: Plan, new: Plan) -> None:
    ids = {cell.dataset_id for cell in old.cells.values()}
    for name in (*ids, "mine"):
        path = RESULTS / "origins" / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    assert free(unnamed(old), "origin") == set()
    shutil.rmtree(RESULTS / "cache")  # the record outlasts it
    assert free(unnamed(old), "origin") == set()
    gone = ids - {cell.dataset_id for cell in new.cells.values()}
    assert free(unnamed(new), "origin") == gone
    assert len(gone) == 1


def with_features(folder: Path, px: int = 64) -> Plan:
    """Return a plan whose cells are trained on features, which are there."""
    head = {"recipe": {"train_layers": "head"}, "datasets": {"films": {"image_px": px}}}
    planned = made.plan(folder, head)
    for name in planned.features:
        (RESULTS / "features" / name).mkdir(parents=True, exist_ok=True)
        (RESULTS / "features" / name / "receipt.json").write_text("{}")
    return planned


def test_features_that_no_study_names_can_go(old: Plan) -> None:
    planned = with_features(Path())
    assert planned.features
    assert not free(unnamed(planned), "features")
    assert free(unnamed(old), "features") == set(planned.features)
    other = with_features(Path(), px=80)
    assert free(unnamed(planned), "features") == set(other.features) - set(planned.features)


def test_activations_that_no_study_names_can_go(old: Plan) -> None:
    def with_activations(seed: int) -> Plan:
        planned = made.plan(Path(), {"similarity": {"seed": seed}})
        for name in planned.states:
            (RESULTS / "activations" / name).mkdir(parents=True, exist_ok=True)
        return planned

    now, other = with_activations(0), with_activations(1)
    assert now.states and not set(now.states) & set(other.states)
    assert free(unnamed(now), "activations") == set(other.states)
    assert free(unnamed(old), "activations") == set(now.states) | set(other.states)


def test_films_on_which_cells_are_tested_elsewhere_stay(old: Plan) -> None:
    other = {"kind": "phantom", "image_px": 32, "seed": 5}
    asked = {"datasets": {"other": other}, "external": [{"tested_on": ["other"]}]}
    now = made.plan(Path(), asked)
    (study,) = now.studies.values()
    cache = study.datasets["other"].id
    for place in (RESULTS / "cache" / cache, *(RESULTS / "weighings" / n for n in now.weighings)):
        place.mkdir(parents=True)
    assert not free(unnamed(now), "cache") | free(unnamed(now), "weighings")
    assert free(unnamed(old), "cache") == {cache}
    assert free(unnamed(old), "weighings") == set(now.weighings)


def test_features_of_finished_cells_can_be_freed(old: Plan) -> None:
    planned = with_features(Path())
    waiting = finished_features(planned)
    assert {item.name for item in waiting} == set(planned.features)
    assert all("is not finished" in item.in_use for item in waiting)
    made.finish(planned, RESULTS)
    items = finished_features(planned)
    assert free(items, "features") == set(planned.features)
    for item in items:
        assert remove(item) == "" and not item.paths[0].exists()
    assert not planned_jobs(planned).features


def test_removing_twice_is_no_error(old: Plan) -> None:
    item = finished_checkpoints(old)[0]
    assert remove(item) == "" and remove(item) == ""


def test_a_link_is_removed_and_not_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    remove_path(tmp_path / "link")
    assert (tmp_path / "kept").is_dir() and not (tmp_path / "link").is_symlink()


def test_sizes_are_bytes_of_files_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_bytes(b"x" * 500)
    (tmp_path / "big").write_bytes(b"x" * 9000)
    (tmp_path / "a" / "link").symlink_to(tmp_path / "big")
    assert 500 < size_of(tmp_path / "a") < 1000
    assert size_of(tmp_path / "none") == 0
