"""The page in a real browser, without a network."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from unit.reporting import fabricate
from unit.reporting.figures.test_cams import record
from unit.reporting.made_up_alike import SETTINGS, agreement_of, cells_of, similarity_of
from unit.reporting.made_up_groups import gaps, shortcuts, subgroups
from unit.reporting.page.test_elsewhere_rows import made as scored_elsewhere
from unit.reporting.tables.test_curves import asking

from transfergrid.evaluation.cam_record import write_record
from transfergrid.planning.metrics import built_in
from transfergrid.planning.paths import PROJECT
from transfergrid.reporting.figures.data import read_figure_data
from transfergrid.reporting.figures.drawing import draw_all
from transfergrid.reporting.figures.files import write_drawn
from transfergrid.reporting.page.index import IndexedStudy, render_index
from transfergrid.reporting.page.material import read_report
from transfergrid.reporting.page.page import anchor, render
from transfergrid.reporting.page.told import FirstAnswer
from transfergrid.reporting.tables.curves import analyse as curved
from transfergrid.reporting.tables.files import write_table
from transfergrid.reporting.tables.pointing import pointing
from transfergrid.reporting.tables.stage_files import seal_stage

CHROMIUM = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (found := shutil.which(name))
    ),
    None,
)


def test_ci_has_a_browser() -> None:
    assert CHROMIUM or not os.environ.get("CI"), "install chromium: these tests may not be skipped"


needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


def browse(url: str, profile: Path, *options: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        f"--user-data-dir={profile}",
        *options,
        url,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.fixture(scope="module")
def page_file(drawn_tree: fabricate.Tree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with all that a page may have: claims, figures, trials, and activation maps."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(drawn_tree.results, folder / "results")
    study = drawn_tree.study
    mapped = [
        entry["cell"]
        for entry in study["cells"]
        if (entry["architecture"], entry["seed"], entry["role"]) == ("resnet18", 0, "target")
    ]
    for number, cell in enumerate(mapped):
        place = folder / "results" / "demo" / "cams" / f"{cell}.npz"
        write_record(place, record(4 - number % 2, seed=number))
    with_maps = {**study, "cams": mapped}
    demo = folder / "results" / "demo"
    write_table(pointing(with_maps, folder / "results", 1)["cams"], demo / "tables" / "cams.csv")
    seal_stage(demo, "pointing", ["tables/cams.csv"])
    networks = cells_of(["phantom"], ["resnet18"], ["random", "shapes"], ["finetune"], seeds=2)
    for stage, table in (
        ("similarity", similarity_of(networks)),
        ("agreement", agreement_of(networks)),
    ):
        write_table(table, demo / "tables" / f"{stage}.csv")
        seal_stage(demo, stage, [f"tables/{stage}.csv"])
    drawn = draw_all(read_figure_data({**with_maps, "similarity": SETTINGS}, folder / "results"))
    write_drawn(demo, drawn)
    resolved = {**study["resolved"], "cams": {"films": 2}, "similarity": SETTINGS}
    report = read_report({**study, "resolved": resolved}, folder / "results", [])
    report.tables.update(curved(asking(study), folder / "results", 1))  # type: ignore[attr-defined]
    report.tables["external"] = scored_elsewhere(report.primary_cells)  # type: ignore[index]
    groups = {"subgroups": subgroups(), "subgroup_gaps": gaps(), "shortcuts": shortcuts()}
    report.tables.update(groups)  # type: ignore[attr-defined]
    page = render(report)
    maps = ("What the networks look at", "Rates at the edge", "Where its activation maps")
    alike = ("How alike the layers are", "Agreement of predictions")
    for part in (*maps, *alike, "Operating points", "On films of other hospitals", "Gaps"):
        assert part in page
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def index_file(page_file: Path) -> Path:
    """The index of a folder with that page, and with studies whose texts are long."""
    long = "An_answer_of_a_network_whose_name_has_no_blank_and_does_not_end_" * 3
    answer = FirstAnswer(f"Is {long} better?", long, f"Yes, {long} is.", ["Drawn images."])
    tables = [f"demo/tables/{name}.csv" for name in ("cells", "scores", "a_long_name" * 12)]
    states = {"finished": 1200, "diverged": 3, "failed": 1}
    studies = [
        IndexedStudy("demo", long, long, states, "today", answer, "report.html", "b", tables),
        IndexedStudy("planned"),
    ]
    path = page_file.with_name("index.html")
    path.write_text(render_index(studies, "2026-11-29 04:30", "1.0"), encoding="utf-8")
    return path


@pytest.fixture(params=["page", "index"])
def shown_file(request: pytest.FixtureRequest, page_file: Path, index_file: Path) -> Path:
    """A study's page, or the index of studies."""
    return {"page": page_file, "index": index_file}[request.param]


def with_scripts(page_file: Path, name: str, *scripts: str) -> Path:
    """Write the page without its policy, which would allow neither more scripts nor requests."""
    text = page_file.read_text(encoding="utf-8")
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    more = "".join(f"<script>{script}</script>" for script in scripts)
    path = page_file.with_name(name)
    path.write_text(text.replace("</body>", f"{more}</body>"), encoding="utf-8")
    return path


def title_of(done: subprocess.CompletedProcess[str]) -> str:
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title is not None
    return html.unescape(title[1])


@needs_browser
def test_the_script_runs_under_the_pages_own_policy(
    page_file: Path, drawn_tree: fabricate.Tree, tmp_path: Path
) -> None:
    cell = next(e["cell"] for e in drawn_tree.study["cells"] if e["role"] == "target")
    done = browse(f"{page_file.as_uri()}#{anchor(cell)}", tmp_path, "--dump-dom")
    assert "CONSOLE" not in done.stderr
    assert '<output id="shown" aria-live="polite">22 cells</output>' in done.stdout
    opened = re.findall(r'<details class="cell" id="([^"]*)" open="">', done.stdout)
    assert opened == [anchor(cell)]


CLICKS = r"""
const log = [];
const column = (name) => headers.findIndex((h) => h.textContent.includes(name));
const names = () => [...body.rows].map((r) => r.cells[0].querySelector("a")?.textContent);
headers[column("Parameters")].querySelector("button").click();
log.push(headers[column("Parameters")].getAttribute("aria-sort"), names()[0]);
headers[column("Parameters")].querySelector("button").click();
log.push(headers[column("Parameters")].getAttribute("aria-sort"), names()[0]);
log.push(headers.filter((h) => h.hasAttribute("aria-sort")).length);
headers[column("AUROC")].querySelector("button").click();
headers[column("AUROC")].querySelector("button").click();
log.push(body.rows[21].cells[column("AUROC")].textContent);
find.value = "RESNET seed1"; find.dispatchEvent(new Event("input", { bubbles: true }));
log.push(shown.textContent);
find.value = ""; group.value = "pretraining";
group.dispatchEvent(new Event("input", { bubbles: true }));
log.push(body.querySelectorAll(".group").length, shown.textContent);
const text = (row) => row.textContent.replace(/\s+/g, " ").trim();
log.push([...body.querySelectorAll(".group")].map(text).join(";"));
const net = [...body.rows].find((r) => /^resnet18 random, one block removed/.test(text(r)));
log.push(net.cells[column("AUROC")].textContent, net.querySelectorAll(".seed a").length);
means.value = ""; means.dispatchEvent(new Event("input", { bubbles: true }));
log.push(body.rows.length);
document.title = log.join("|");
"""


@needs_browser
def test_sorting_filtering_and_grouping(
    page_file: Path, drawn_tree: fabricate.Tree, tmp_path: Path
) -> None:
    clicked = with_scripts(page_file, "clicked.html", CLICKS)
    log = title_of(browse(clicked.as_uri(), tmp_path, "--dump-dom")).split("|")
    cells = read_report(drawn_tree.study, drawn_tree.results, []).primary_cells
    assert log[:2] == ["descending", "resnet18"]
    assert log[2:4] == ["ascending", "lcnet_050"]
    assert log[4] == "1"
    assert float(log[5][:5]) == pytest.approx(cells["score"].max(), abs=5.1e-4)
    assert log[6] == "4 of 22 cells"
    assert log[7] == "2"
    assert log[8] == "22 cells, 12 networks"
    networks = cells.groupby(["pretraining", "architecture", "truncation"])["score"].mean()
    for name in ("shapes", "random"):
        middle, sd = networks[name].mean(), networks[name].std()
        assert f"pretraining {name} 6 networks, mean {middle:.3f}, SD {sd:.3f}" in log[9].split(";")
    key = ("random", "resnet18", 1)
    spread = cells.groupby(["pretraining", "architecture", "truncation"])["score"].std()[key]
    assert log[10] == f"{networks[key]:.3f} (SD {spread:.3f}, 2 seeds)"
    assert log[11] == "2"
    assert log[12] == "24"


MEANS = r"""
means.value = "means"; means.dispatchEvent(new Event("input", { bubbles: true }));
document.title = [...body.rows].map((r) => r.cells[score].textContent).join("|");
"""


@needs_browser
def test_a_mean_over_seeds_says_which_metric_it_is_of(
    drawn_tree: fabricate.Tree, tmp_path: Path
) -> None:
    metrics = {**drawn_tree.study["metrics"], "log_loss": built_in("log_loss")}
    report = read_report({**drawn_tree.study, "metrics": metrics}, drawn_tree.results, [])
    cells = report.tables["cells"]
    first = cells["architecture"] == "resnet18"
    mixed = pd.concat([cells[~first], cells[first].assign(dataset="other", metric="log_loss")])
    path = tmp_path / "mixed.html"
    path.write_text(render(replace(report, tables={**report.tables, "cells": mixed})))
    averaged = with_scripts(path, "averaged.html", MEANS)
    told = title_of(browse(averaged.as_uri(), tmp_path / "profile", "--dump-dom")).split("|")
    named = [
        re.match(r"(AUROC|Log loss) 0\.\d{3} \((SD 0\.\d{3}, 2 seeds|1 seed)\)", text)
        for text in told
    ]
    assert all(named) and {found[1] for found in named if found} == {"AUROC", "Log loss"}


@needs_browser
@pytest.mark.parametrize(("scheme", "dark"), [(1, False), (0, True)])
def test_light_and_dark_pages_fit_a_phone(
    shown_file: Path, tmp_path: Path, scheme: int, dark: bool
) -> None:
    # A headless window is never narrower than 500 pixels, a frame may be.
    frame = shown_file.with_name("frame.html")
    frame.write_text(
        f'<body style="margin:0"><iframe src="{shown_file.name}" '
        'style="width:400px;height:1200px;border:0"></iframe>'
    )
    shot = tmp_path / "shot.png"
    browse(
        frame.as_uri(),
        tmp_path / "profile",
        f"--blink-settings=preferredColorScheme={scheme}",
        "--window-size=500,1200",
        f"--screenshot={shot}",
    )
    pixels = np.asarray(Image.open(shot).convert("L"))[:, :400]
    assert (np.median(pixels) < 60) == dark
    # Text never touches the right edge: nothing is cut off there.
    edge = pixels[:400, -8:]
    assert np.abs(edge.astype(int) - int(np.median(edge))).max() < 40


FITS = """
for (const box of document.querySelectorAll("details")) box.open = true;
const asked = performance.getEntriesByType("resource").map((entry) => entry.name);
const size = [document.documentElement.scrollWidth, innerWidth, asked.length];
parent.postMessage(size.join(), "*");
"""


def framed(page_file: Path, name: str, width: int) -> Path:
    """Write a page that shows another in a frame, and has for a title what that one posts.

    A headless window is never narrower than 500 pixels, a frame may be.
    """
    path = page_file.with_name(f"frame_{width}_{name}")
    path.write_text(
        "<title></title><script>onmessage = (e) => { document.title = e.data; };</script>"
        f'<iframe src="{name}" style="width:{width}px;height:900px;border:0"></iframe>'
    )
    return path


@needs_browser
@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_is_loaded_and_nothing_scrolls_sideways(
    shown_file: Path, tmp_path: Path, width: int
) -> None:
    with_scripts(shown_file, "fits.html", FITS)
    frame = framed(shown_file, "fits.html", width)
    done = browse(frame.as_uri(), tmp_path, f"--window-size={width + 100},1000", "--dump-dom")
    assert title_of(done) == f"{width},{width},0"


SCORES = """
const names = document.querySelectorAll("#leaderboard tbody th a");
names.forEach((a) => { a.textContent = "tf_efficientnetv2_xl.in21k_ft_in1k_and_a_tail"; });
const boxes = [...document.querySelectorAll("#leaderboard tbody td.points")]
  .map((cell) => cell.getBoundingClientRect());
const left = Math.min(...boxes.map((b) => b.left));
const right = Math.max(...boxes.map((b) => b.right));
parent.postMessage(`${boxes.length},${left > 100},${right <= innerWidth}`, "*");
"""


@needs_browser
def test_the_score_is_seen_on_a_phone_without_scrolling(page_file: Path, tmp_path: Path) -> None:
    with_scripts(page_file, "scores.html", SCORES)
    frame = framed(page_file, "scores.html", 400)
    assert title_of(browse(frame.as_uri(), tmp_path, "--dump-dom")) == "22,true,true"


AXE = Path(os.environ.get("AXE", PROJECT / "build" / "axe" / "package" / "axe.min.js"))
CHECK = """
for (const box of document.querySelectorAll("details")) box.open = true;
axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => {
  parent.postMessage(JSON.stringify(violations.flatMap((v) =>
    ["serious", "critical"].includes(v.impact) ? v.nodes.map((n) => [v.id, n.html]) : [])), "*");
});
"""


@needs_browser
@pytest.mark.skipif(not AXE.exists(), reason="no axe-core: `make axe` fetches it, with npm")
@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("scheme", [1, 0])
def test_axe_finds_no_serious_fault(
    shown_file: Path, tmp_path: Path, scheme: int, width: int
) -> None:
    with_scripts(shown_file, "axe.html", AXE.read_text(encoding="utf-8"), CHECK)
    frame = framed(shown_file, "axe.html", width)
    done = browse(
        frame.as_uri(),
        tmp_path,
        f"--blink-settings=preferredColorScheme={scheme}",
        "--virtual-time-budget=60000",
        f"--window-size={width + 100},1000",
        "--dump-dom",
    )
    assert json.loads(title_of(done)) == []


@needs_browser
def test_it_prints_without_complaint(page_file: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.pdf"
    done = browse(page_file.as_uri(), tmp_path / "profile", f"--print-to-pdf={sheet}")
    assert "CONSOLE" not in done.stderr
    assert sheet.read_bytes().startswith(b"%PDF")


@needs_browser
def test_a_sheet_of_paper_is_wide_enough(page_file: Path, tmp_path: Path) -> None:
    path = with_scripts(page_file, "sheet.html", FITS)
    path.write_text(path.read_text(encoding="utf-8").replace("@media print", "@media all"))
    width = 718  # A4 within margins of 1 cm
    done = browse(framed(page_file, "sheet.html", width).as_uri(), tmp_path, "--dump-dom")
    assert title_of(done) == f"{width},{width},0"
