from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from unit.commands import made_up_results as made

from transfergrid.commands.reasons import Reasons, setting_phrases
from transfergrid.commands.state import cell_states
from transfergrid.planning import cells
from transfergrid.planning.fingerprint import cell_modules
from transfergrid.planning.naming import cell_name
from transfergrid.planning.plan import Plan

RESULTS = Path("results")


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def why(changes: Mapping[str, Any], part: str = "textures-drop1") -> tuple[str, ...]:
    """Finish the study, change it, and ask for the reasons of one cell."""
    made.finish(made.plan(Path()), RESULTS)
    return reason(made.plan(Path(), changes), part)


def reason(changed: Plan, part: str) -> tuple[str, ...]:
    name = next(name for name in changed.cells if part in name)
    return Reasons(changed).of(changed.cells[name], cell_states(changed)[name].predecessors)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"protocols": {"finetune": {"learning_rate": 3e-4}}}, ("learning rate 1e-3 → 3e-4",)),
        ({"protocols": {"finetune": {"train_count": 40}}}, ("train count none → 40",)),
        ({"protocols": {"finetune": {"train_patients": 40}}}, ("train patients none → 40",)),
        (
            {"protocols": {"finetune": {"augmentation": {"flip_probability": 0.5}}}},
            ("augmentation flip probability 0 → 0.5",),
        ),
        (
            {"datasets": {"films": {"image_px": 96}}},
            ("data set films: image px 32 → 96",),
        ),
        (
            {
                "datasets": {"films": {"uncertain": "ones"}},
                "protocols": {"finetune": {"epochs": 3}},
            },
            ("data set films: uncertain ignore → ones", "epochs 1 → 3"),
        ),
        ({"protocols": {"source": {"epochs": 5}}}, ("source: epochs 2 → 5",)),
        (
            {"recipe": {"batch_size": 8}},  # told once, though the source has it too
            ("batch size 16 → 8",),
        ),
    ],
)
def test_a_changed_setting_is_named(changes: Mapping[str, Any], expected: tuple[str, ...]) -> None:
    assert sorted(why(changes)) == sorted(expected)


def test_an_earlier_cell_that_is_removed_meanwhile_has_its_reason_still() -> None:
    made.finish(made.plan(Path()), RESULTS)
    changed = made.plan(Path(), {"recipe": {"batch_size": 8}})
    name = next(name for name in changed.cells if "textures-drop1" in name)
    earlier = cell_states(changed)[name].predecessors
    for one in earlier:
        (RESULTS / "cells" / one / "train.json").unlink()
    assert Reasons(changed).of(changed.cells[name], earlier) == ("batch size 16 → 8",)


HEAD = {"train_layers": "head", "epochs": 1}
ALL = {"train_layers": "all", "epochs": 2}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"phases": [HEAD, ALL]}, ("phases 1 → 2",)),
        ({"phases": [HEAD, ALL]}, {"phases": [HEAD]}, ("phases 2 → 1",)),
        (
            {"phases": [HEAD, ALL]},
            {"phases": [{**HEAD, "norms": "frozen"}, {**ALL, "learning_rate": 3e-4}]},
            ("phase 1 norms train → frozen", "phase 2 learning rate 1e-3 → 3e-4"),
        ),
        ({}, {"norms": "frozen"}, ("norms train → frozen",)),
    ],
)
def test_a_changed_phase_is_named(
    before: dict[str, Any], after: dict[str, Any], expected: tuple[str, ...]
) -> None:
    made.finish(made.plan(Path(), {"protocols": {"finetune": before}}), RESULTS)
    changed = made.plan(Path(), {"protocols": {"finetune": after}})
    assert sorted(reason(changed, "random-drop0-finetune-")) == sorted(expected)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"tune": made.TUNE}, "learning rate tuned over 1e-4, 1e-3"),
        ({"tune": made.TUNE}, {}, "learning rate given, not tuned over 1e-4, 1e-3"),
        (
            {"tune": made.TUNE},
            {"tune": {**made.TUNE, "learning_rates": [1e-4, 3e-4]}},
            "tune learning rates 1e-4, 1e-3 → 1e-4, 3e-4",
        ),
        ({"tune": made.TUNE}, {"tune": {**made.TUNE, "epochs": 2}}, "tune epochs 0.5 → 2"),
        ({"tune": made.TUNE}, {"tune": made.TUNE, "batch_size": 8}, "batch size 16 → 8"),
    ],
)
def test_a_changed_tuning_is_named(
    before: dict[str, Any], after: dict[str, Any], expected: str
) -> None:
    made.finish(made.plan(Path(), {"protocols": {"finetune": before}}), RESULTS)
    changed = made.plan(Path(), {"protocols": {"finetune": after}})
    assert reason(changed, "random-drop0-finetune-") == (expected,)


def spec_of(planned: Plan, part: str) -> tuple[str, dict[str, Any]]:
    name = next(name for name in planned.cells if part in name)
    return name, json.loads(planned.cells[name].spec)


def with_phase(spec: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a specification whose recipe has other settings in its only phase."""
    (only,) = spec["recipe"]["phases"]
    return {**spec, "recipe": {**spec["recipe"], "phases": [{**only, **changes}]}}


def put_on_disk(spec: dict[str, Any], record: Mapping[str, Any], seconds: float = 1e9) -> None:
    """Write a trained cell of any specification."""
    folder = RESULTS / "cells" / cell_name(spec)
    folder.mkdir(parents=True)
    made.write(folder / "spec.json", spec)
    made.write(folder / "train.json", {**made.RECORD, **record})
    os.utime(folder / "train.json", (seconds, seconds))


def test_settings_that_an_earlier_format_lacked_have_their_defaults() -> None:
    planned = made.plan(Path())
    name, spec = spec_of(planned, "random-drop0-finetune")
    old = json.loads(json.dumps(spec))
    (only,) = old["recipe"].pop("phases")  # as recipes were before they had phases
    old["recipe"] |= {key: only[key] for key in ("train_layers", "learning_rate", "epochs")}
    for key in ("holdout", "deterministic", "tune"):
        del old["recipe"][key]
    del old["recipe"]["augmentation"]["noise"]
    del old["dataset"]["uncertain"], old["dataset"]["aggregate"]
    assert list(setting_phrases(old, spec)) == []
    old["code"]["train"] = "0" * 16
    put_on_disk(old, {})
    predecessors = (cell_name(old),)
    (told,) = Reasons(planned).of(planned.cells[name], predecessors)
    assert told.startswith("training code changed")
    # Where the missing setting is not the default, that is told.
    held = with_phase(spec, patience=4)
    held["recipe"]["holdout"] = 0.2
    assert set(setting_phrases(old, held)) == {"holdout 0 → 0.2", "patience none → 4"}


def test_the_nearest_predecessor_is_compared_then_the_newest() -> None:
    planned = made.plan(Path())
    _, spec = spec_of(planned, "random-drop0-finetune")
    for seconds, changes in (
        (3e8, {"learning_rate": 2e-3, "epochs": 9}),
        (1e8, {"learning_rate": 4e-3}),
        (2e8, {"learning_rate": 5e-3}),
    ):
        put_on_disk(with_phase(spec, **changes), {}, seconds)
    assert reason(planned, "random-drop0-finetune") == ("learning rate 5e-3 → 1e-3",)


def test_changed_modules_are_named_where_they_were_recorded() -> None:
    planned = made.plan(Path())
    _, spec = spec_of(planned, "random-drop0-finetune")
    modules = cell_modules("phantom")
    modules["train"]["training.loop"] = "0" * 8
    del modules["train"]["training.freezing"]
    modules["train"]["training.gone"] = "1" * 8
    modules["prepare"]["command"] = "2" * 8
    modules["prepare"]["workflow/scripts/prepare.py"] = "2" * 8
    code = {**spec["code"], "train": "3" * 16, "prepare": "4" * 16}
    put_on_disk({**spec, "code": code}, {"environment": {"modules": modules}})
    assert reason(planned, "random-drop0-finetune") == (
        "data code changed: the rule's command, workflow/scripts/prepare.py",
        "training code changed: training/freezing.py, training/gone.py, training/loop.py",
    )


@pytest.mark.parametrize(
    ("metric", "code", "expected"),
    [
        ({"name": "brier"}, "0" * 16, ("metric brier → auroc",)),
        ({"estimate": "mine:auroc"}, "0" * 16, ("metric auroc is another one now",)),
        ({"settings": {"clip": 0.1}}, "0" * 16, ("metric auroc is another one now",)),
        ({}, "0" * 16, ("code of its metric changed",)),
        (None, "", ("seed 9 → 0",)),
    ],
)
def test_a_changed_metric_is_told(
    metric: Mapping[str, Any] | None, code: str, expected: tuple[str, ...]
) -> None:
    planned = made.plan(Path())
    _, spec = spec_of(planned, "random-drop0-finetune")
    old = {**spec, "code": {**spec["code"], "metric": code}}
    if metric is None:  # as an earlier version wrote it
        del old["metric"], old["code"]["task"], old["code"]["metric"]
        old["seed"] = 9
    else:
        old["metric"] = {**spec["metric"], **metric}
    put_on_disk(old, {})
    assert reason(planned, "random-drop0-finetune") == expected


@pytest.mark.parametrize("record", [{}, {"environment": None}, {"environment": {"modules": {}}}])
def test_an_old_record_names_no_modules(record: Mapping[str, Any]) -> None:
    planned = made.plan(Path())
    _, spec = spec_of(planned, "random-drop0-finetune")
    put_on_disk({**spec, "code": {**spec["code"], "train": "3" * 16}}, record)
    assert reason(planned, "random-drop0-finetune") == ("training code changed",)


def test_another_way_to_choose_a_rate_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {"tune": {"learning_rates": [1e-3, 1e-2], "epochs": 1, "holdout": 0.3}}
    changes = {"protocols": {"finetune": rates}}
    made.finish(made.plan(Path(), changes), RESULTS)
    real = cells.tuning_hash
    monkeypatch.setattr(cells, "tuning_hash", lambda trials: real(trials)[::-1])
    told = reason(made.plan(Path(), changes), "random-drop0-finetune")
    assert told == ("the code that chooses a learning rate changed",)


@pytest.mark.parametrize("damaged", ["{", "[1]", '{"a": 1}', '{"code": 5}', "5"])
def test_a_specification_that_cannot_be_read_says_so(damaged: str) -> None:
    planned = made.plan(Path())
    _, spec = spec_of(planned, "random-drop0-finetune")
    put_on_disk({**spec, "seed": 7}, {})
    next(RESULTS.glob("cells/*/spec.json")).write_text(damaged)
    assert reason(planned, "random-drop0-finetune") == ("its earlier spec.json cannot be read",)


def test_a_source_that_is_gone_is_told() -> None:
    planned = made.plan(Path())
    _, spec = spec_of(planned, "textures-drop0")
    spec["weights"]["source_cell"] = "textures-lcnet_050-random-drop0-source-seed0-00000000"
    put_on_disk(spec, {})
    assert reason(planned, "textures-drop0") == ("the cell that it starts from changed",)
