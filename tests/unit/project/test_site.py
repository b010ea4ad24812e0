"""The documentation becomes a site in which every link leads somewhere."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from transfergrid.planning.paths import PROJECT

SITE = PROJECT / "docs" / "site"
ENVIRONMENT = PROJECT / "build" / "docs-env"


def program() -> ModuleType:
    """Load the program that lays out the pages."""
    found = importlib.util.spec_from_file_location("stage", SITE / "stage.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


STAGE = program()


@pytest.mark.parametrize(
    ("place", "link", "moved"),
    [
        ("README.md", "docs/data.md#folds", "data.md#folds"),
        ("docs/data.md", "../README.md", "index.md"),
        ("docs/data.md", "../findings/README.md", "project/findings.md"),
        ("docs/data.md", "../studies/x.yaml", "files/studies/x.yaml.md"),
        ("findings/README.md", "../docs/data.md#dicom", "../data.md#dicom"),
        ("docs/data.md", "https://example.org/a.md", "https://example.org/a.md"),
        ("docs/data.md", "#folds", "#folds"),
    ],
)
def test_a_link_leads_to_where_its_file_is_in_the_site(place: str, link: str, moved: str) -> None:
    uri = STAGE.uri_of(place)
    text = f"see [this]({link})\n```\nnot [this]({link})\n```\n"
    expected = f"see [this]({moved})\n```\nnot [this]({link})\n```\n"
    assert STAGE.moved(text, place, uri) == expected


def test_a_file_is_shown_whole_whatever_fences_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes.txt").write_text("one\n````\ntwo\n```\n")
    monkeypatch.setattr(STAGE, "ROOT", tmp_path)
    assert STAGE.shown("notes.txt").endswith("`````text\none\n````\ntwo\n```\n`````\n")


@pytest.mark.slow
@pytest.mark.skipif(
    not (ENVIRONMENT / "installed").exists(), reason="no Sphinx: `make docs` installs it"
)
def test_the_site_is_made_with_no_warning_but_that_of_a_broken_link(tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    subprocess.run([sys.executable, SITE / "stage.py", pages], check=True)
    with (pages / "gpus.md").open("a", encoding="utf-8") as page:
        page.write("\n[broken](data.md#no-such-heading)\n")
    sphinx = [ENVIRONMENT / "bin" / "sphinx-build", "-q", "-W", "--keep-going", "-c", SITE]
    done = subprocess.run([*sphinx, pages, tmp_path / "site"], capture_output=True, text=True)
    assert done.returncode != 0
    (warning,) = (line for line in done.stderr.splitlines() if "WARNING" in line)
    assert "gpus.md" in warning and "no-such-heading" in warning
