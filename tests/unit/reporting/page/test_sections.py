"""What a page says of a study that lacks something, or has too much of it."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest
from unit.reporting import fabricate
from unit.reporting.page.parsed import EVIL, Page

from transfergrid.reporting.page import downloads
from transfergrid.reporting.page import page as page_module
from transfergrid.reporting.page.extent import with_section
from transfergrid.reporting.page.material import ReportInput, read_report
from transfergrid.reporting.page.notes import Failed, Snapshot, summary
from transfergrid.reporting.page.page import render
from transfergrid.reporting.records import read_contents
from transfergrid.reporting.tables.files import csv_text
from transfergrid.runtime.atomic import write_json
from transfergrid.runtime.errors import UserError


def test_a_large_study_is_read_by_network(report: ReportInput) -> None:
    cells = report.tables["cells"]
    copies = [cells.assign(cell=cells["cell"] + f"-{i}") for i in range(2)]
    tables = {**report.tables, "cells": pd.concat(copies, ignore_index=True)}
    html = render(replace(report, tables=tables))
    summaries = re.findall(r'<details class="network"><summary>(\S+) <span>(\d+) cells', html)
    counts = cells.drop_duplicates("cell")["architecture"].value_counts(sort=False)
    assert {name: int(number) for name, number in summaries} == dict(counts * 2)


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
        "'only' asked for. Left out: architectures vgg16; seeds 2 and 3. Without them there is no "
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
    masked = summary(plain, {"phantom": {**card, "masks": "exclusive"}})
    assert ("160", "test films, phantom") in masked
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


def test_a_missing_table_is_a_sentence(drawn_tree: fabricate.Tree, tmp_path: object) -> None:
    study = {**drawn_tree.study, "name": "absent"}
    with pytest.raises(UserError, match=r"no stage has made .*cells\.csv; run snakemake"):
        read_report(study, drawn_tree.results, [])


def test_a_table_too_large_for_the_page_is_named(
    report: ReportInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "LARGEST", 5_000)
    page = Page(render(report))
    links = [link for _, link in page.links if link.startswith("data:")]
    sizes = [len(csv_text(table).encode()) for table in report.tables.values() if len(table)]
    assert 0 < len(links) == sum(size <= 5_000 for size in sizes) < len(sizes)
    assert "cells.csv 72 rows, in the folder tables beside this page" in page.words
