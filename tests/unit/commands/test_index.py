from __future__ import annotations

import json
import os
import re
import shutil
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from small_study import SMALL
from unit.commands.made_up_results import finish, plan

from transfergrid.commands import index
from transfergrid.commands.index import indexed, write_index
from transfergrid.commands.main import main
from transfergrid.reporting.page.index import IndexedStudy, render_index
from transfergrid.reporting.page.told import FirstAnswer, first_answer

HOSTILE = "</style><script>alert(1)</script>\" onload='x'"


class Links(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs) -> None:
        self.tags.append(tag)
        self.links += [unquote(value) for name, value in attrs if name in ("href", "src")]


def page(folder: Path, text: str = "A is better") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.html").write_text(
        f'<article class="question"><h3>Is it?</h3><p class="finding">{text} by <b>+0.1</b>.</p>'
    )


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A study of which one cell failed and the others but one are done, and one only planned."""
    planned = plan(tmp_path)
    (study,) = planned.studies.values()
    results = tmp_path / "results"
    done = [cell.name for cell in study.scored][:-2]
    finish(planned, results, done)
    failed = results / "cells" / study.scored[-2].name / "logs"
    failed.mkdir(parents=True)
    (failed / "train.log").write_text("error: no space left.\n")
    page(results / study.name)
    (results / study.name / "tables").mkdir()
    (results / study.name / "tables" / "cells.csv").write_text("cell\none\n")
    # A table without a row is no table to open.
    (results / study.name / "tables" / "trials.csv").write_text("question\n")
    other = plan(tmp_path, {"name": "other", "title": HOSTILE}, "other.yaml")
    for stamp, content in other.stamps.items():
        (results / "stamps" / stamp).write_text(json.dumps(content))
    return results


def test_states_answers_and_links_of_every_study(results: Path) -> None:
    first, second = indexed(results)
    assert (first.name, second.name) == ("small", "other")
    assert first.states is not None
    counted = {word: number for word, number in first.states.items() if number}
    assert counted == {"finished": first.cells - 2, "failed": 1, "missing": 1}
    assert first.answer and first.answer.sentence == "A is better by +0.1."
    assert (first.page, list(first.tables)) == ("small/report.html", ["small/tables/cells.csv"])
    assert (second.title, second.page, second.answer) == (HOSTILE, "", None)

    assert write_index(results) == 2
    text = (results / "index.html").read_text()
    links = Links(text)
    local = {link for link in links.links if not link.startswith("#")}
    assert local == {"small/report.html", "small/tables/cells.csv"}
    assert all((results / link).exists() for link in local)
    assert "script" not in links.tags
    assert f"{first.done} of {first.cells} done, 1 failed, 1 missing" in text
    assert "None yet: its page has not been written." in text


def test_every_text_is_escaped() -> None:
    answer = FirstAnswer(HOSTILE, HOSTILE, HOSTILE, [HOSTILE])
    study = IndexedStudy(
        "a", HOSTILE, HOSTILE, {HOSTILE: 1}, HOSTILE, answer, HOSTILE, HOSTILE, [HOSTILE]
    )
    text = render_index([study], HOSTILE, HOSTILE)
    links = Links(text)
    assert "script" not in links.tags
    assert links.tags.count("style") == 1
    assert not re.search(r"<[^>]*onload=[^>]*>", re.sub(r'"[^"]*"', '""', text))


def test_the_newest_page_comes_first_and_an_edited_plan_counts(results: Path, tmp_path) -> None:
    page(results / "other")
    os.utime(results / "small" / "report.html", (1, 1))
    assert [study.name for study in indexed(results)] == ["other", "small"]
    # A plan that replaces another: its stamp is newer.
    fewer = plan(tmp_path, {"grid": [{**SMALL["grid"][0], "truncations": [0]}]}, "fewer.yaml")
    (stamp,) = (name for name in fewer.stamps if ".gather." in name)
    for old in (results / "stamps").glob("small.gather.*"):
        os.utime(old, (1, 1))
    (results / "stamps" / stamp).write_text(json.dumps(fewer.stamps[stamp]))
    (small,) = (study for study in indexed(results) if study.name == "small")
    (planned,) = fewer.studies.values()
    assert small.cells == len(planned.scored) < 5


def test_stamps_that_a_run_is_writing_or_removing_are_left_out(results: Path) -> None:
    stamps = results / "stamps"
    (written,) = stamps.glob("other.gather.*")
    shutil.copy(written, stamps / f".tmp-0123456789abcdef-{written.name}")
    (stamps / "small.gather.00000000").symlink_to("removed since the folder was listed")
    assert [(study.name, study.cells) for study in indexed(results)] == [("small", 5), ("other", 5)]


def test_a_page_that_a_run_removes_meanwhile_has_no_answer(results: Path, monkeypatch) -> None:
    def removed(page: Path) -> FirstAnswer:
        page.unlink()
        return first_answer(page)

    monkeypatch.setattr(index, "first_answer", removed)
    assert [study.answer for study in indexed(results)] == [None, None]


def test_an_empty_folder_is_a_sentence(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["index"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
    assert "results does not exist; run snakemake first" in said
    Path("results").mkdir()
    assert main(["index"]) == 0
    assert capsys.readouterr().out == "results/index.html: 0 studies\n"
    assert "There is no study in this folder yet." in Path("results/index.html").read_text()


def test_of_two_that_end_at_once_the_later_one_has_both(results, monkeypatch) -> None:
    inside, go = threading.Event(), threading.Event()
    look = index.indexed

    def slow(folder: Path):
        found = look(folder)
        if not inside.is_set():
            inside.set()
            go.wait(120)
        return found

    monkeypatch.setattr(index, "indexed", slow)
    first = threading.Thread(target=write_index, args=(results,))
    first.start()
    assert inside.wait(120)
    page(results / "other", "B is better")
    second = threading.Thread(target=write_index, args=(results,))
    second.start()
    second.join(0.5)
    assert second.is_alive()  # it waits for the first, which has not seen the new page
    go.set()
    first.join(120)
    second.join(120)
    text = (results / "index.html").read_text()
    assert "A is better" in text and "B is better" in text
    assert sorted(path.name for path in results.glob("*index*")) == [".index.lock", "index.html"]
