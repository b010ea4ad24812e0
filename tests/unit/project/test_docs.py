"""The documentation names what there is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from datasets.chexpert.make import make

from transfergrid.catalog.kinds import DATASET_KINDS
from transfergrid.catalog.questions import QUESTION_KINDS
from transfergrid.catalog.tables import TABLES
from transfergrid.planning.paths import PROJECT
from transfergrid.planning.plan import plan_run
from transfergrid.statistics.claims import CLAIM_COLUMNS
from transfergrid.statistics.sensitivity import Sensitivity

DOCS = sorted((PROJECT / "docs").glob("*.md"))
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


def test_the_page_of_columns_is_what_the_declarations_say() -> None:
    done = subprocess.run(
        [sys.executable, PROJECT / "docs" / "columns.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


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


def section_of(page: str, heading: str) -> str:
    text = (PROJECT / "docs" / page).read_text(encoding="utf-8")
    (found,) = re.findall(rf"^#+ {heading}\n(.*?)(?=^#)", text, re.MULTILINE | re.DOTALL)
    return str(found)
