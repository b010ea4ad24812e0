"""Snakemake's own report of a finished study: every item, in its place, without a network."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from docutils.core import publish_parts
from small_study import SMALL
from tests.unit.reporting.page.test_browser import browse, needs_browser, title_of
from tests.workflow.conftest import Once, Workspace

from transfergrid.catalog.figures import FIGURES
from transfergrid.catalog.tables import TABLES

pytestmark = pytest.mark.slow

EVERYTHING: dict[str, Any] = {
    "protocols": {
        "finetune": {"tune": {"learning_rates": [5e-4, 2e-3], "epochs": 1, "holdout": 0.25}}
    },
    "questions": [
        *SMALL["questions"],
        {
            "name": "speed",
            "kind": "convergence",
            "axis": "truncation",
            "baseline": 0,
            "level": 0.52,
        },
    ],
    "cams": {"where": {"pretraining": "random"}},
    "similarity": {"where": {"truncation": 0}, "layers": ["pooled"], "permutations": 39},
    "weights": {"where": {"truncation": 0, "pretraining": "random"}, "reset": {"images": "valid"}},
    "evaluation": {"metrics": ["average_precision"]},
    "subgroups": [
        {"column": "sex"},
        {"column": "age", "bands": [50]},
        {"column": "projection"},
        {"column": "source"},
    ],
    "curves": {},
    "claims": {"about": "chextransfer", "stands_for": {"textures": "imagenet"}},
}
CAPTIONS = {
    "table": {table.name: table.caption for table in TABLES},
    "figure": {figure.name: figure.caption for figure in FIGURES},
}
SHOWN = {
    *("score", "tasks", "boosts", "truncation", "calibration", "precision_recall", "cams"),
    *("drift", "layer_reset", "filters", "convergence", "time_to_level", "curves"),
    *(figure.name for figure in FIGURES if figure.section != "figures"),
}
"""Figures that the study has something to show of."""
LACKING = {"observers", "external"}
"""Tables of masks, and of films of other hospitals, which this study has none of."""
ITEMS = {
    "1. Tables": {f"tables/{name}.csv" for name in CAPTIONS["table"] if name not in LACKING},
    "2. Figures": {f"figures/{name}.svg" for name in SHOWN},
    "3. Page": {"report.html"},
}


@pytest.fixture(scope="module")
def report(finished: Workspace, once: Once) -> Path:
    """The report of the small study with all that a study can ask for."""

    def make(workspace: Workspace) -> None:
        shutil.copytree(finished.folder, workspace.folder, symlinks=True)
        workspace.write(EVERYTHING)
        outcome = workspace.snakemake()
        assert outcome.status == 0, outcome.text[-6000:]
        outcome = workspace.snakemake("--report", workspace.folder / "report.zip")
        assert outcome.status == 0, outcome.text[-3000:]
        with zipfile.ZipFile(workspace.folder / "report.zip") as archive:
            archive.extractall(workspace.folder / "unpacked")

    (page,) = (once.run("report", make).folder / "unpacked").glob("*/report.html")
    return page


def variable(page: Path, name: str) -> dict[str, Any]:
    """Return what the report's script holds under a name."""
    text = page.read_text(encoding="utf-8")
    _, _, rest = text[text.index(f'<script id="{name}">') :].partition(f"var {name} = ")
    found, _ = json.JSONDecoder().raw_decode(rest)
    assert isinstance(found, dict)
    return found


def test_every_item_has_its_category_a_label_and_a_caption(report: Path) -> None:
    categories = variable(report, "categories")
    found = {name: set(parts["small"]) for name, parts in categories.items()}
    assert found == {
        name: {f"results/small/{item}" for item in items} for name, items in ITEMS.items()
    }
    for path, item in variable(report, "results").items():
        assert item["labels"] in [{kind: Path(path).stem} for kind in ("table", "figure", "page")]
        words = re.sub("<[^>]+>", "", item["caption"]).split()
        assert len(words) > 20, path
        ((kind, name),) = item["labels"].items()
        if kind != "page":
            told = publish_parts(CAPTIONS[kind][name], writer_name="html")["body"]
            assert " ".join(words).startswith(" ".join(re.sub("<[^>]+>", "", told).split())), path
        assert (report.parent / item["data_uri"]).is_file()


CLICKS = """
const said = [];
const wait = () => new Promise((done) => setTimeout(done, 300));
const press = (text) => {
  const found = [...document.querySelectorAll("a, button, li, div, span")]
    .filter((element) => element.textContent.trim() === text);
  found.at(-1)?.click();
};
(async () => {
  await wait();
  press(CATEGORY);
  await wait();
  press("small");
  await wait();
  const shown = [...document.querySelectorAll("td")].map((cell) => cell.textContent.trim());
  const asked = performance.getEntriesByType("resource").map((entry) => entry.name);
  document.title = JSON.stringify([shown.filter(Boolean), asked.filter((n) => /^https?:/.test(n))]);
})();
"""


@needs_browser
@pytest.mark.parametrize("category", list(ITEMS))
def test_items_are_listed_in_a_browser_without_a_network(
    report: Path, tmp_path: Path, category: str
) -> None:
    text = report.read_text(encoding="utf-8")
    end = text.rindex("</body>")
    script = f"<script>const CATEGORY = {json.dumps(category)};{CLICKS}</script>"
    page = report.with_name(f"clicked{category[0]}.html")
    page.write_text(text[:end] + script + text[end:], encoding="utf-8")
    done = browse(
        page.as_uri(),
        tmp_path,
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--virtual-time-budget=20000",
        "--window-size=1400,1000",
        "--dump-dom",
    )
    assert not re.search(r"(ERROR|WARNING):CONSOLE|Uncaught", done.stderr)
    shown, asked = json.loads(title_of(done))
    assert set(shown) == {Path(item).stem for item in ITEMS[category]}
    assert asked == []
