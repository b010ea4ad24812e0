"""The page of a whole study: its links, its words, its tables, and what is escaped in it."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest
from unit.reporting import fabricate
from unit.reporting.made_up_tables import claims_of
from unit.reporting.page.parsed import EVIL, Page

from transfergrid.planning import records as planning_records
from transfergrid.planning.paths import TEMPLATES
from transfergrid.reporting.page.claims import claims
from transfergrid.reporting.page.material import ReportInput, read_report
from transfergrid.reporting.page.page import anchor, breakable, render
from transfergrid.reporting.records import read_record


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
    assert "2.0 GPU-hours of training in 23 jobs" in words
    assert "prepare 2, 0 measured – – – – –" in words
    assert "NVIDIA H200 23, 20 measured 2.5 h 2.2 h 812 MB 2.0 h 2 048 MiB" in words
    assert "the loss was not finite by step 100 nan" in words
    assert "all networks SD between seeds 0.00412 0.003 to 0.009 12" in words
    assert "All quantities: REML; small." in words  # told once
    assert "power 31 % to find a difference of 0.01" in words
    assert "CheXtransfer: performance and parameter efficiency" in words


def test_energy_is_on_the_page_where_there_is_any(page: Page, report: ReportInput) -> None:
    assert "nergy" not in page.words
    table = report.tables["costs"].copy()
    table.loc[1, ["cpu_metered", "cpu_wh"]] = 23, 34.4
    words = Page(render(replace(report, tables={**report.tables, "costs": table}))).words
    assert "2 048 MiB 34 Wh –" in words and "GPU memory CPU energy GPU energy" in words
    assert "Energy was recorded of trainings and scorings: 34 Wh by processors in 23 jobs" in words


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
    assert len(links) == 13
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


def test_the_script_is_short() -> None:
    assert len((TEMPLATES / "page.js").read_text(encoding="utf-8").splitlines()) < 200


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
