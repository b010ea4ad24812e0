from __future__ import annotations

from typing import Any

from transfergrid.planning.grid import ALL
from transfergrid.statistics.runs import incomplete, run_name, runs_of


def cell(name: str, seed: int = 0, fold: str | None = None, **more: Any) -> dict[str, Any]:
    axes = {"dataset": "films", "architecture": "small", "pretraining": "random"}
    entry = {"cell": name, **axes, "truncation": 1, "protocol": "p", "seed": seed, **more}
    return entry if fold is None else {**entry, "fold": fold, "folds": ["0", "1", "2"]}


def test_without_folds_a_run_is_its_cell() -> None:
    entries = [cell("one"), cell("two", seed=1), cell("three", seed=2) | {"fold": ALL}]
    runs = runs_of(entries)
    assert list(runs) == ["one", "two", "three"]
    assert runs["one"].entry is entries[0] and runs["three"].entry is entries[2]
    assert runs["one"].cells == {ALL: "one"} and not runs["one"].crossed


def test_folds_are_one_run_with_a_name_of_its_own() -> None:
    entries = [cell(f"c{seed}{fold}", seed, fold) for fold in "102" for seed in (0, 1)]
    runs = runs_of(entries)
    names = [f"films-small-random-drop1-p-seed{seed}-pooled" for seed in (0, 1)]
    assert list(runs) == names and run_name(entries[0]) == names[0]
    run = runs[names[1]]
    assert list(run.cells.items()) == [("0", "c10"), ("1", "c11"), ("2", "c12")]
    assert run.crossed and not run.missing
    assert run.entry == {**cell(names[1], 1, "1"), "fold": ALL, "source_cell": None}


def test_a_source_of_the_same_folds_is_its_run_and_another_stays_a_cell() -> None:
    sources = [cell(f"s{fold}", 0, fold, pretraining="none") for fold in "012"]
    targets = [cell(f"t{fold}", 0, fold, source_cell=f"s{fold}") for fold in "012"]
    others = [cell(f"o{fold}", 1, fold, source_cell="elsewhere") for fold in "012"]
    runs = runs_of([*targets, *sources, *others])
    target, source, other = runs.values()
    assert target.entry["source_cell"] == source.name
    assert other.entry["source_cell"] == "elsewhere"


def test_a_run_that_lacks_a_fold_says_which() -> None:
    runs = runs_of([cell("c1", 0, "1"), cell("whole")])
    first = next(iter(runs.values()))
    assert first.missing == ("0", "2")
    (sentence,) = incomplete(runs.values())
    assert sentence == (
        "films-small-random-drop1-p-seed0-pooled has no result yet: it lacks folds 0, 2 of 3."
    )
