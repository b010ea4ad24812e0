from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.common.configfile import load_configfile

from transfergrid.planning.imported import Handed, also_on, check_rules, plan_imported
from transfergrid.planning.paths import PROJECT, RULES
from transfergrid.planning.plan import plan_run
from transfergrid.runtime.errors import UserError

STUDY = PROJECT / "config" / "config.yaml"


def handed(config: Any, **given: Any) -> Handed:
    known: dict[str, Any] = {"files": [STUDY], "command_line": [], "overrides": {}, "whole": True}
    return Handed(config, **{**known, **given})


def test_a_study_that_snakemake_has_read_is_the_one_in_the_file() -> None:
    found, expected = plan_imported(handed(load_configfile(str(STUDY)))), plan_run([STUDY], {})
    assert found.cells.keys() == expected.cells.keys() and len(found.cells) > 20
    assert found.stamps == expected.stamps


def test_settings_of_the_command_line_are_numbers_again() -> None:
    overrides = {"recipe": {"epochs": "2"}, "only": {"seeds": ["0"]}}
    config = load_configfile(str(STUDY))
    config["recipe"]["epochs"] = "2"
    config["only"] = overrides["only"]
    found = plan_imported(handed(config, overrides=overrides))
    assert found.cells.keys() == plan_run([STUDY], overrides).cells.keys()
    # What it has not said stays as it is written.
    config["title"] = "12"
    (study,) = plan_imported(handed(config, overrides=overrides)).studies.values()
    assert study.study.config["title"] == "12"


def test_files_of_studies_may_be_named() -> None:
    demo = handed({"studies": [str(STUDY)], "name": "mine"})
    assert list(plan_imported(demo).studies) == ["mine"]
    config = {**load_configfile(str(STUDY)), "studies": str(STUDY)}
    told = handed(config, overrides={"studies": str(STUDY)})
    assert list(plan_imported(told).studies) == ["demo"]


def test_two_files_are_not_merged() -> None:
    config = load_configfile(str(STUDY))
    both = {"files": ["a.yaml", STUDY], "command_line": ["a.yaml"]}
    with pytest.raises(UserError, match=r"has merged .*a\.yaml and .*config\.yaml into one study"):
        plan_imported(handed(config, **both))
    # The same file twice, or a config of another origin, is no merger.
    assert plan_imported(handed(config, files=[STUDY, STUDY], command_line=[STUDY]))
    assert plan_imported(handed(config, **both, whole=False))


def test_rules_have_to_be_those_of_the_package() -> None:
    check_rules(lambda name: (RULES / name).read_text(encoding="utf-8"))
    with pytest.raises(UserError, match=r"activations\.smk of this workflow is not that of"):
        check_rules(lambda name: Path("/nowhere", name).read_text())


def test_handlers_of_the_importing_workflow_are_kept() -> None:
    told: list[str] = []
    workflow = SimpleNamespace(_onstart=lambda log: told.append(f"first {log}"))

    def register(handler: Any) -> None:
        workflow._onstart = handler

    workflow.onstart = register
    also_on(workflow, "onstart", lambda: told.append("ours"))
    also_on(workflow, "onstart", lambda: told.append("a second import's"))
    workflow._onstart("log")
    assert told == ["ours", "first log"]
    workflow.onstart(lambda log: told.append(f"theirs {log}"))
    told.clear()
    workflow._onstart("log")
    assert told == ["ours", "theirs log"]
