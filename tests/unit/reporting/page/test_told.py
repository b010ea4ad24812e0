from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from unit.reporting import fabricate

from transfergrid.reporting.page.answer import Manner
from transfergrid.reporting.page.answers import questions
from transfergrid.reporting.page.material import read_report
from transfergrid.reporting.page.notes import notes
from transfergrid.reporting.page.page import render
from transfergrid.reporting.page.told import FirstAnswer, first_answer


def flat(text: str) -> str:
    return " ".join(text.split())


def test_the_first_answer_is_that_of_the_page(drawn_tree: fabricate.Tree, tmp_path: Path) -> None:
    report = read_report(drawn_tree.study, drawn_tree.results, [])
    (tmp_path / "report.html").write_text(render(report), encoding="utf-8")
    found = first_answer(tmp_path / "report.html")
    asked = questions(report.study["questions"], report.tables, Manner.of(report.study))
    question = next(one for one in asked if one.answers)
    assert found.question == question.text
    assert found.subject == question.answers[0].subject
    assert found.sentence == flat(question.answers[0].sentence)
    banners = notes(report.study, report.tables, report.cards)
    shown = [f"{note.title}." for note in banners if note.kind == "warning"]
    assert found.warnings == shown != []


PAGE = """<main><p class="note warning"><strong>Drawn images.</strong> More.</p>
<section id="answers"><article class="question"><h3>Which?</h3><p class="quiet">No answer.</p>
</article><article class="question"><h3>Is A &lt; B?</h3><div class="answer">
<p class="subject">x &amp; y</p><p class="finding">A beats <b>+0.01</b>, {more} <span
class="verdict told">higher</span></p></div></article></section>
<section id="board"><p class="finding">Not this.</p></section></main>"""


@pytest.mark.parametrize("more", ["clearly.", "x" * 70_000, "&lt;script&gt; &amp;amp;"])
def test_a_page_is_read_in_pieces_and_texts_as_they_were_meant(tmp_path: Path, more: str) -> None:
    (tmp_path / "a.html").write_text(PAGE.replace("{more}", more))
    sentence = f"A beats +0.01, {html.unescape(more)}"
    told = FirstAnswer("Is A < B?", "x & y", sentence, ["Drawn images."])
    assert first_answer(tmp_path / "a.html") == told


def test_a_page_without_an_answer_has_none(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(re.sub(r'<div class="answer">.*?</div>', "", PAGE, flags=re.S))
    assert first_answer(tmp_path / "a.html").sentence == ""
