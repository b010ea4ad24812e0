"""The site in a real browser: no fault by axe-core, nothing wider than its window."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from unit.project.test_site import ENVIRONMENT, SITE
from unit.reporting.page.test_browser import (
    AXE,
    browse,
    framed,
    needs_browser,
    title_of,
    with_scripts,
)

CHECK = """
addEventListener("load", () => axe.run(document, { resultTypes: ["violations"] }).then((found) => {
  const told = found.violations.flatMap((v) => v.nodes.map((n) => [v.id, n.html]));
  const page = document.documentElement;
  parent.postMessage(JSON.stringify([page.scrollWidth - page.clientWidth, told]), "*");
}));
"""

pytestmark = [
    needs_browser,
    pytest.mark.skipif(not AXE.exists(), reason="no axe-core: `make axe` fetches it, with npm"),
    pytest.mark.skipif(
        not (ENVIRONMENT / "installed").exists(), reason="no Sphinx: `make docs` installs it"
    ),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    subprocess.run([sys.executable, SITE / "stage.py", folder / "pages"], check=True)
    sphinx = [ENVIRONMENT / "bin" / "sphinx-build", "-q", "-W", "-c", SITE]
    subprocess.run([*sphinx, folder / "pages", folder / "site"], check=True)
    return folder / "site"


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("name", ["index", "tutorial", "keys", "systematic_small"])
def test_a_page_has_no_fault_and_fits_its_window(
    site: Path, tmp_path: Path, name: str, width: int
) -> None:
    tried = f"{width}_{name}.html"
    with_scripts(site / f"{name}.html", tried, AXE.read_text(encoding="utf-8"), CHECK)
    frame = framed(site / tried, tried, width)
    size = f"--window-size={width + 100},1000"
    done = browse(frame.as_uri(), tmp_path, "--virtual-time-budget=60000", size, "--dump-dom")
    assert json.loads(title_of(done)) == [0, []]
