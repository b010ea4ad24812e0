"""What Snakemake's catalogue of workflows and snakedeploy look for."""

from __future__ import annotations

import re
import subprocess
import sys

import yaml

from transfergrid.planning.paths import PROJECT
from transfergrid.planning.plan import plan_run
from transfergrid.planning.schema import study_schema

README = PROJECT / "config" / "README.md"


def test_a_deployed_config_is_the_roots() -> None:
    shipped = (PROJECT / "config" / "config.yaml").read_bytes()
    assert shipped == (PROJECT / "config.yaml").read_bytes()


def test_which_of_the_two_was_named_is_no_reason_to_write_a_page_again() -> None:
    stamps = [
        plan_run([PROJECT / name], {}).stamps for name in ("config.yaml", "config/config.yaml")
    ]
    assert stamps[0] == stamps[1]


def test_the_table_of_parameters_is_what_the_schema_says() -> None:
    program = PROJECT / "docs" / "parameters.py"
    done = subprocess.run([sys.executable, program, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_key_of_a_study_a_block_and_a_recipe_is_in_the_table() -> None:
    found = re.findall(r"^\| `([^`]+)` \|", README.read_text(encoding="utf-8"), re.MULTILINE)
    schema = study_schema()
    for part in (schema, schema["$defs"]["block"], schema["$defs"]["recipe"]):
        assert set(part["properties"]) <= set(found)
    assert {"evaluation.bootstrap.seed", "phases[].epochs", "tune.holdout"} <= set(found)
    assert all(row.count("|") - row.count("\\|") == 5 for row in rows())


def rows() -> list[str]:
    text = README.read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.startswith("| `")]


def test_the_catalogue_is_told_how_to_use_it() -> None:
    told = yaml.safe_load((PROJECT / ".snakemake-workflow-catalog.yml").read_text())
    assert set(told) == {"usage"}
    usage = told["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert set(usage["mandatory-flags"]) == {"desc", "flags"}
    assert set(usage["software-stack-deployment"]) == {"conda", "apptainer", "apptainer+conda"}
    assert (PROJECT / "workflow" / "Snakefile").is_file()


def test_the_study_for_trying_it_out_is_small() -> None:
    plan = plan_run([PROJECT / ".test" / "config" / "config.yaml"], {})
    assert len(plan.cells) == 3
