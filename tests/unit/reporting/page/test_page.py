from __future__ import annotations

import base64
import io
import re
from collections import Counter
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest
from unit.reporting import fabricate
from unit.reporting.made_up_tables import claims_of

from transfergrid.planning import records as planning_records
from transfergrid.planning.paths import TEMPLATES
from transfergrid.reporting.page import downloads
from transfergrid.reporting.page import page as page_module
from transfergrid.reporting.page.claims import claims
from transfergrid.reporting.page.extent import with_section
from transfergrid.reporting.page.material import ReportInput, read_report
from transfergrid.reporting.page.notes import Failed, Snapshot, summary
from transfergrid.reporting.page.page import anchor, breakable, render
from transfergrid.reporting.records import read_contents, read_record
from transfergrid.reporting.tables.files import csv_text
from transfergrid.runtime.atomic import write_json
from transfergrid.runtime.errors import UserError

EVIL = "<script>alert('x')</script>"
VOID = {"meta", "input", "br", "wbr", "link", "img"}


class Page(HTMLParser):
    """What a page holds; raises on tags that do not close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.ids: Counter[str] = Counter()
        self.links: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for key, value in attrs:
            assert not key.startswith("on"), f"an event handler {key} in <{tag}>"
            if key == "id":
                self.ids[value or ""] += 1
            if key in ("href", "src"):
                self.links.append((tag, value or ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def report(drawn_tree: fabricate.Tree) -> ReportInput:
    return read_report(drawn_tree.study, drawn_tree.results, [])


@pytest.fixture(scope="module")
def html(report: ReportInput) -> str:
    return render(report)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_page_asks_nobody_for_anything(html: str, page: Page) -> None:
    for tag, link in page.links:
        assert link.startswith("#" if tag != "a" else ("#", "data:text/csv")), (tag, link)
    assert page.tags["script"] == 1
    assert page.tags["link"] == page.tags["img"] == page.tags["iframe"] == 0
    assert not re.search(r"@import|url\((?!#)|https?://(?!www\.w3\.org)", html)
    assert "default-src 'none'" in html


def test_every_link_inside_the_page_has_its_target(page: Page) -> None:
    assert max(page.ids.values()) == 1
    targets = [link[1:] for _, link in page.links if link.startswith("#")]
    assert len(targets) > 24
    assert {target for target in targets if target not in page.ids} == set()


def test_headings_answers_and_numbers(page: Page, report: ReportInput) -> None:
    words = page.words
    assert "Phantom data. The test images of phantom are drawn" in words
    assert "no medical claim" in words
    assert "22 of 24" in words
    row = report.primary_cells.iloc[0]
    low, high = row["score_low"], row["score_high"]
    assert f"{row['score']:.3f} ({low:.3f}–{high:.3f})" in words
    assert "Mean of 4 networks" in words
    assert "the loss was not finite by step 100" in words
    assert "micro-batch 16" in words
    assert "83.0 % 12.5 % 0.970 200" in words
    assert "adamw, learning rate 0.003 (one cycle, warm-up over 20 % of the steps)" in words
    assert "Macro AUROC of phantom: unweighted mean over Atelectasis" in words
    assert "118 tensors matched" in words
    assert "learning_rate: 0.003" in words


def test_verdicts_come_first_and_drawn_images_prove_nothing(
    page: Page, html: str, report: ReportInput
) -> None:
    assert html.index('id="claims"') < html.index('id="answers"') < html.index('id="board"')
    words = page.words
    drawn = "(drawn data, no evidence)"
    assert (
        f"6 claims, 5 of them judged by 4 numbers: 2 reproduced {drawn}, 1 not reproduced {drawn}, "
        f"1 undecided {drawn} and 1 claim not tested."
    ) in words
    assert f"3.25 2.4 (1.9 to 3.1) reproduced {drawn}" in words
    assert words.count(drawn) == 3 + 5
    assert "published: abstract; n=16" in words  # grade, source and what else is known
    # A claim that several numbers judge states its rule once.
    assert words.count("Rule: the interval holds it") == 4
    assert words.count("The same rule, judged by: row 3") == 1
    claims = report.tables["claims"]
    # A table that says "reproduced" alone is printed with the stamp all the same.
    bare = claims.assign(verdict=claims["verdict"].str.removesuffix(f" {drawn}"))
    stamped = Page(render(replace(report, tables={**report.tables, "claims": bare}))).words
    assert stamped.count(drawn) == 3 + 5
    real = {**report.tables, "claims": bare.assign(data="chexpert")}
    assert " no evidence" not in Page(render(replace(report, tables=real))).words
    without = {**report.tables, "claims": claims.iloc[:0]}
    assert "claims" not in Page(render(replace(report, tables=without))).ids
    none = {**report.tables, "claims": claims.assign(verdict="not tested")}
    assert "This study tests none of them" in Page(render(replace(report, tables=none))).words


def test_a_cell_tells_its_trials_its_gain_and_what_it_cost(page: Page) -> None:
    words = page.words
    assert "0.0003 0.700 0.003 taken 0.703" in words
    assert "0.003, the best of 2 on held-out training patients; it lies at an end" in words
    assert "top3 primary" in words
    assert "best sensitivity" in words
    # Four trials of 36 s on a GPU; 23 cells and 4 sources of 61.25 s on a CPU.
    assert "0.04 GPU-hours and 0.46 CPU-hours of training in 31 jobs" in words
    assert "learning-rate trials NVIDIA H200 4 0.04 h 900 MiB" in words
    assert "the loss was not finite by step 100 nan" in words
    assert "all networks SD between seeds 0.00412 0.003 to 0.009 12 REML; small" in words
    assert "power 31 % to find a difference of 0.01" in words
    assert "CheXtransfer: performance and parameter efficiency" in words


def test_speeds_stand_beside_a_benchmark_if_there_is_one(report: ReportInput, page: Page) -> None:
    assert "beside the benchmark" not in page.words
    train = next(r.train for r in report.records.values() if r.spec and r.train)
    row = [train["device"], "resnet18", "64", train["precision"], "channels_last", "eager"]
    study = {**report.study, "benchmark": [[*row, "4321.0", "", "2.6", "2026-01-01", "16"]]}
    shown = Page(render(replace(report, study=study))).words
    assert "Speed beside the benchmark of the device" in shown
    assert "4.32 k (batch 16, 2026-01-01)" in shown


def test_choices_of_learning_rates_are_counted_and_the_edge_is_warned_of(
    page: Page, report: ReportInput
) -> None:
    assert "1 rate chosen from 2 trials; 1 not chosen yet" in page.words
    assert "1 of 1 chosen rates lies at an end of what was tried" in page.words
    tuning = report.tables["tuning"]
    untuned = replace(report, tables={**report.tables, "tuning": tuning.iloc[:0]})
    words = Page(render(untuned)).words
    assert "Rates at the edge" not in words
    assert "tuning.csv" not in words


def test_a_large_study_is_read_by_network(report: ReportInput) -> None:
    cells = report.tables["cells"]
    copies = [cells.assign(cell=cells["cell"] + f"-{i}") for i in range(2)]
    tables = {**report.tables, "cells": pd.concat(copies, ignore_index=True)}
    html = render(replace(report, tables=tables))
    summaries = re.findall(r'<details class="network"><summary>(\S+) <span>(\d+) cells', html)
    counts = cells.drop_duplicates("cell")["architecture"].value_counts(sort=False)
    assert {name: int(number) for name, number in summaries} == dict(counts * 2)


def test_what_users_name_is_escaped_everywhere(drawn_tree: fabricate.Tree) -> None:
    study = fabricate.study_json(title=f"{EVIL} & more")
    study["description"] = study["resolved"]["description"] = EVIL
    study["name"] = EVIL
    report = read_report({**study, "name": "demo"}, drawn_tree.results, [])
    cells = report.tables["cells"].copy()
    victim = cells["cell"][0]
    cells["cell"] = cells["cell"].replace({victim: EVIL})
    cells["pretraining"] = cells["pretraining"].replace({"shapes": EVIL})
    cells = cells.rename(columns=lambda name: name.replace("Edema", EVIL))
    tables = {**report.tables, "cells": cells}
    tables["contrasts"] = tables["contrasts"].assign(
        a=EVIL, axis="pretraining", architecture=EVIL, contrast=EVIL, question=EVIL
    )
    tables["claims"] = tables["claims"].assign(claim=EVIL, statement=EVIL, rule=EVIL)
    tables["claims"]["published"] = EVIL
    tables["findings"] = tables["findings"].assign(quantity=EVIL, note=EVIL, value=EVIL)
    tables["correlations"] = tables["correlations"].assign(method=EVIL, x=EVIL)
    tables["sources"] = tables["sources"].assign(cell=EVIL, status=EVIL, architecture=EVIL)
    evil = {**report.records[victim].train, "reason": EVIL, "device": EVIL}
    records = {**report.records, EVIL: replace(report.records[victim], train=evil, log=EVIL)}
    cards = {"phantom": {**report.cards["phantom"], "notes": [EVIL], "tasks": [EVIL]}}
    html = render(
        replace(
            report,
            study=study,
            tables=tables,
            records=records,
            cards=cards,
            version=EVIL,
            environment={EVIL: EVIL, "packages": {EVIL: EVIL}},
        )
    )
    page = Page(html)
    assert page.tags["script"] == 1
    assert EVIL not in html
    assert page.words.count(EVIL) > 20
    targets = {link[1:] for _, link in page.links if link.startswith("#")}
    assert anchor(EVIL) in targets & set(page.ids)
    assert unquote(anchor(EVIL)) == f"cell-{EVIL}"


def test_tables_can_be_taken_home(page: Page, report: ReportInput) -> None:
    links = [link for _, link in page.links if link.startswith("data:")]
    assert len(links) == 12
    full = [table for table in report.tables.values() if not table.empty]
    for link, table in zip(links, full, strict=True):
        text = base64.b64decode(link.partition("base64,")[2]).decode("utf-8")
        pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(text)), table, check_dtype=False)


def test_the_leaderboard_ranks_by_auroc_and_has_no_row_of_dashes(html: str) -> None:
    body = html[html.index('id="leaderboard"') : html.index('id="figures"')]
    values = re.findall(r'<td class="n points" data-value="([^"]*)">', body)
    assert len(values) == 22
    known = [float(value) for value in values]
    assert known == sorted(known, reverse=True)
    assert '2 cells have no result: <a href="#failed">' in html
    tables = re.findall(r"<tbody[^>]*>(.*?)</tbody>", html, re.DOTALL)
    rows = [row for table in tables for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL)]
    numbers = [re.findall(r'<td[^>]*class="n[^"]*"[^>]*>(.*?)</td>', row) for row in rows]
    assert len(rows) > 60
    assert not [row for row in numbers if len(row) > 1 and set(row) == {"–"}]


def test_a_snapshot_and_unknown_patients_say_so(report: ReportInput) -> None:
    missing = report.primary_cells.loc[report.primary_cells["status"] == "missing", "cell"].item()
    states = {
        missing: Failed(missing, "failed", f"OSError: {EVIL}"),
        "shapes-x": Failed("shapes-x", "running", "a source is no cell of the grid"),
    }
    cards = {"phantom": {**report.cards["phantom"], "patients": "unknown", "synthetic": False}}
    snapshot = Snapshot("2026-11-22 14:03 UTC", states)
    contrasts = report.tables["contrasts"]
    tables = {
        **report.tables,
        "contrasts": contrasts[contrasts["question"] != "truncation_cost"],
    }
    words = Page(
        render(replace(report, cards=cards, tables=tables, snapshot=snapshot, figures={}))
    ).words
    assert "Patients unknown. phantom does not say" in words
    assert "Phantom data" not in words
    assert "TransferGrid snapshot" in words
    assert (
        "Snapshot. Taken on 2026-11-22 14:03 UTC: 23 of 24 cells have results. The others are "
        "listed below: 1 failed; every answer is preliminary"
    ) in words
    assert f"{missing} failed OSError: {EVIL}" in words
    assert "No answer yet" in words
    assert "No figure has been drawn" in words


def test_a_slice_says_what_it_leaves_out(report: ReportInput, page: Page) -> None:
    assert "slice of the study" not in page.words
    part = {"whole": 48, "kept": 24, "questions": ["size"]}
    part |= {"left_out": {"architectures": ["vgg16"], "seeds": [2, 3]}}
    words = Page(render(replace(report, study={**report.study, "slice": part}))).words
    assert "TransferGrid report of a slice" in words
    assert (
        "A slice of the study. This page holds 24 of the study's 48 cells, those that the option "
        "`only` asked for. Left out: architectures vgg16; seeds 2 and 3. Without them there is no "
        "answer to: size."
    ) in words


def test_data_that_changed_between_cells_are_told_of(report: ReportInput, page: Page) -> None:
    assert "Data that changed" not in page.words
    words = Page(render(replace(report, contents={"phantom": {"a": 20, "b": 4}}))).words
    assert (
        "Data that changed. 20 cells and 4 cells of phantom were trained on 2 different contents "
        "of it: images, labels or their decoding changed in between"
    ) in words
    alike = Page(render(replace(report, contents={"phantom": {"a": 24}}))).words
    assert "Data that changed" not in alike


def test_contents_are_those_that_the_cells_were_trained_on(tmp_path: Path) -> None:
    study = {"cells": [{"cell": name, "dataset": "films"} for name in ("x", "y", "z", "none")]}
    for name, content in (("x", "a"), ("y", "b"), ("z", "a")):
        write_json(tmp_path / "cells" / name / "card.json", {"content_sha256": content})
    assert read_contents(study, tmp_path) == {"films": {"a": 2, "b": 1}}


def test_a_page_names_only_what_varies_and_shows_nothing_empty(report: ReportInput) -> None:
    cells = report.tables["cells"]
    plain = cells[(cells["truncation"] == 0) & (cells["status"] == "finished")]
    tables = {**report.tables, "cells": plain, "findings": report.tables["findings"].iloc[:0]}
    study = {**report.study, "title": "", "description": ""}
    own = ["No image of valid is positive for a, b.", "No image of test is positive for c."]
    card = {**report.cards["phantom"], "notes": own, "patients": "unknown"}
    assert card["studies"] == "known"
    assert ("160", "test studies, phantom") in summary(plain, {"phantom": card})
    card["studies"] = "unknown"
    told = replace(report, study=study, tables=tables, cards={"phantom": card})
    html = render(replace(told, records={}))  # micro-batches are remarks
    page = Page(html)
    assert "<h1>demo</h1>" in html
    assert 'class="lede"' not in html
    assert " ".join(own) in page.words
    assert "160 test images, phantom" in page.words or "test images, phantom 160" in page.words
    for absent in (
        "protocol 1",
        "truncation 1",
        "Removed",
        "Remarks",
        "findings.csv",
        "blocks rem",
    ):
        assert absent not in page.words.partition(" Methods ")[0], absent
    summaries = re.findall(r'<span class="name">(\S+) <span>(.*?)</span>', html)
    assert {words for _, words in summaries} == {
        f"{pretraining}, seed {seed}" for pretraining in ("random", "shapes") for seed in (0, 1)
    }


def test_a_study_without_questions_sources_or_failures(report: ReportInput) -> None:
    cells = report.tables["cells"]
    empty = {
        name: table if name == "cells" else table.iloc[:0] for name, table in report.tables.items()
    }
    empty["cells"] = cells[cells["status"] == "finished"]
    study = {**report.study, "questions": []}
    page = Page(render(replace(report, study=study, tables=empty, cards={}, records={})))
    assert "This study asks no question" in page.words
    part = {"whole": 48, "kept": 24, "questions": ["size"], "left_out": {}}
    sliced = replace(report, study={**study, "slice": part}, tables=empty, cards={}, records={})
    assert "This slice answers no question" in Page(render(sliced)).words
    assert "sources" not in page.ids
    assert "failed" not in page.ids


def test_two_hundred_cells_stay_below_fifteen_megabytes(
    report: ReportInput, html: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tree = fabricate.fabricate(tmp_path_factory.mktemp("more"), copies=2, tables_only=True)
    more = read_report(tree.study, tree.results, [])
    records = dict(zip(more.records, [*report.records.values()] * 2, strict=False))
    grown = render(replace(more, records=records, figures=report.figures))
    extra = len(more.primary_cells) - len(report.primary_cells)
    assert len(html) + (len(grown) - len(html)) / extra * 200 < 5_000_000


def test_a_page_with_some_sections_says_so_and_links_to_no_other(
    report: ReportInput, html: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "others stand in" not in html
    monkeypatch.setattr(page_module, "with_section", partial(with_section, most=7))
    shortened = Page(render(report))
    cells = [name for name in shortened.ids if name.startswith("cell-")]
    left = len(report.primary_cells) - 7
    assert len(cells) == 7 and "7 of them have a page here" in shortened.words
    assert f"The {left} others stand in the tables" in shortened.words
    assert shortened.tags["tr"] > html.count("<tr data-network") > 7  # every cell keeps its row
    targets = {unquote(link[1:]) for _, link in shortened.links if link.startswith("#cell-")}
    assert targets <= {unquote(name) for name in cells}


def test_the_script_is_short() -> None:
    assert len((TEMPLATES / "page.js").read_text(encoding="utf-8").splitlines()) < 200


def test_a_missing_table_is_a_sentence(drawn_tree: fabricate.Tree, tmp_path: object) -> None:
    study = {**drawn_tree.study, "name": "absent"}
    with pytest.raises(UserError, match=r"no stage has made .*cells\.csv; run snakemake"):
        read_report(study, drawn_tree.results, [])


def test_a_claim_tells_the_grade_and_the_source_of_its_value() -> None:
    table = claims_of().assign(source="secondary: a review, figure captions")
    assert claims(table)[0].origin == "published, as quoted by a review, figure captions"
    assert claims(claims_of())[0].origin == "published: abstract"


def test_the_record_of_a_training_is_read_once(
    drawn_tree: fabricate.Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    whole = planning_records.read_sealed

    def counted(path: Path, *more: object) -> dict[str, object]:
        read.append(path)
        return whole(path, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(planning_records, "read_sealed", counted)
    cell = next(
        entry["cell"]
        for entry in drawn_tree.study["cells"]
        if (drawn_tree.results / "cells" / entry["cell"] / "train.json").exists()
    )
    read_record(cell, drawn_tree.results)
    assert [path.name for path in read].count("train.json") == 1


def test_a_long_name_breaks_at_its_marks(html: str) -> None:
    assert ">tf_<wbr>efficientnet_<wbr>lite0</a>" in html
    assert breakable(EVIL) == "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"


def test_a_table_too_large_for_the_page_is_named(
    report: ReportInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "LARGEST", 5_000)
    page = Page(render(report))
    links = [link for _, link in page.links if link.startswith("data:")]
    sizes = [len(csv_text(table).encode()) for table in report.tables.values() if len(table)]
    assert 0 < len(links) == sum(size <= 5_000 for size in sizes) < len(sizes)
    assert "cells.csv 72 rows, in the folder tables beside this page" in page.words
