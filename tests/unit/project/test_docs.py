"""The documentation names what there is."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets.chexpert.make import make

from transfergrid.catalog.kinds import DATASET_KINDS
from transfergrid.catalog.questions import QUESTION_KINDS
from transfergrid.catalog.tables import TABLES
from transfergrid.commands.main import COMMANDS, command_line
from transfergrid.planning.paths import PROJECT
from transfergrid.planning.plan import plan_run
from transfergrid.planning.schema import study_schema
from transfergrid.statistics.claims import CLAIM_COLUMNS
from transfergrid.statistics.sensitivity import Sensitivity

DOCS = sorted([*(PROJECT / "docs").rglob("*.md"), *PROJECT.glob("S*.md")])
COLUMNS = {
    "claims": list(CLAIM_COLUMNS),
    "sensitivity": list(Sensitivity.__dataclass_fields__),
}


def test_the_readme_shows_a_whole_study(tmp_path) -> None:
    _, block = re.findall(r"```yaml\n(.*?)```", (PROJECT / "README.md").read_text(), re.DOTALL)
    make(tmp_path / "films", np.random.default_rng(0))
    path = tmp_path / "my_study.yaml"
    assert "root: /data/CheXpert-v1.0-small" in block
    path.write_text(block.replace("/data/CheXpert-v1.0-small", str(tmp_path / "films")))
    plan = plan_run([path], {})
    assert len(plan.studies["chest"].targets) == 12
    assert not plan.warnings
    # Nothing in it keeps a user off the GPU.
    assert plan.studies["chest"].study.config["device"] == "auto"


@pytest.mark.parametrize("table", COLUMNS)
def test_every_column_of_every_table_is_declared_in_its_place(table: str) -> None:
    (declared,) = (each for each in TABLES if each.name == table)
    assert declared.header == tuple(COLUMNS[table])


@pytest.mark.parametrize("page", ["columns", "keys", "options", "questions"])
def test_a_page_of_declarations_is_what_these_say(page: str) -> None:
    done = subprocess.run(
        [sys.executable, PROJECT / "docs" / f"{page}.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_every_key_of_the_schema_has_a_line() -> None:
    rows = re.findall(r"^\| `([^`]+)` \|", (PROJECT / "docs" / "keys.md").read_text(), re.MULTILINE)
    lines = {key.rpartition(".")[2] for key in rows}
    assert {key for part in parts(study_schema()) for key in part} <= lines | {"kind"}


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield the keys of every mapping that a schema describes, wherever it lies."""
    inner = schema.values() if isinstance(schema, dict) else schema
    if isinstance(schema, dict) and schema.get("type") == "object" and "properties" in schema:
        yield schema["properties"]
    for part in inner if isinstance(schema, dict | list) else ():
        yield from parts(part)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_has_a_line(command: str) -> None:
    _, parsers = command_line([command])
    options = set(re.findall(r"--[a-z-]+", parsers[command].format_usage()))
    page = (PROJECT / "docs" / "options.md").read_text()
    own = section_of("options.md", command) + page.partition("\n## ")[0]
    assert {option for option in options if f"| `{option}` |" not in own} == set()


@pytest.mark.parametrize("page", [PROJECT / "README.md", *DOCS], ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert not [target for target in targets if not (page.parent / target).exists()]


def anchors(page: Path) -> set[str]:
    """Return the names that a page's headings have as targets of links."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [PROJECT / "README.md", *DOCS], ids=lambda page: page.name)
def test_links_to_sections_lead_to_headings(page: Path) -> None:
    for file, section in re.findall(r"\]\(([^)#:]*)#([^)]*)\)", page.read_text(encoding="utf-8")):
        target = page.parent / file if file else page
        if target.suffix == ".md":
            assert section in anchors(target), f"{file}#{section}"


def test_newcomers_find_every_kind_of_question_and_of_data() -> None:
    asked = section_of("extending.md", "A question")
    kinds = set(re.findall(r"^\| `(\w+)` \|", asked, re.MULTILINE))
    assert kinds == {kind.name for kind in QUESTION_KINDS if not kind.unasked}
    published = section_of("data.md", "Published data sets")
    others = {"chexpert", "csv", "medmnist", "phantom", "mask_table", "mask_npz", "mask_phantom"}
    found = set(re.findall(r"^\| `(\w+)`, ", published, re.MULTILINE))
    assert found == {kind.name for kind in DATASET_KINDS} - others


def test_every_kind_of_question_has_advice_on_its_design() -> None:
    advice = section_of("questions.md", "What is asked, and what it needs")
    told = set(re.findall(r"^\|[^|]*\| \[?`(\w+)`", advice, re.MULTILINE))
    assert told == {kind.name for kind in QUESTION_KINDS if not kind.unasked}


def section_of(page: str, heading: str) -> str:
    text = (PROJECT / "docs" / page).read_text(encoding="utf-8")
    (found,) = re.findall(rf"^#+ {heading}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    return str(found)
