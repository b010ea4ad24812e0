"""The report: one HTML file that holds everything and needs nothing from the network."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from markupsafe import Markup, escape

from transfergrid.catalog.figures import FIGURES
from transfergrid.planning.paths import TEMPLATES
from transfergrid.reporting import words
from transfergrid.reporting.cases import masked_datasets
from transfergrid.reporting.figures import palette
from transfergrid.reporting.figures.summaries import pretrainings_of, truncation_name
from transfergrid.reporting.metric_words import ranked_by
from transfergrid.reporting.page import alike, answers, claims, costs, groups, methods, notes
from transfergrid.reporting.page.answer import Manner
from transfergrid.reporting.page.cell_scores import measures
from transfergrid.reporting.page.cell_sections import grouped, sections
from transfergrid.reporting.page.citations import citations
from transfergrid.reporting.page.downloads import downloads
from transfergrid.reporting.page.elsewhere_rows import elsewhere
from transfergrid.reporting.page.extent import with_section
from transfergrid.reporting.page.inline_svg import inline_svg
from transfergrid.reporting.page.leaderboard import NAMED, leaderboard
from transfergrid.reporting.page.machines import hardware
from transfergrid.reporting.page.mask_state_rows import TITLE, mask_states, states_by_cell
from transfergrid.reporting.page.material import ReportInput
from transfergrid.reporting.page.observer_rows import observer_rows
from transfergrid.reporting.page.operating_rows import operating_points
from transfergrid.reporting.page.rates import rates
from transfergrid.reporting.page.shown_films import shown_films
from transfergrid.reporting.page.shown_mistakes import other_of, place_of, shown_mistakes
from transfergrid.reporting.page.templates import template_environment
from transfergrid.reporting.pictures.colours import BOTH, PREDICTED, TRUE

MAIN = "figures"
"""The section of figures that have none of their own."""
SECTION = {figure.name: figure.section for figure in FIGURES}


def render(report: ReportInput, templates: Path = TEMPLATES) -> str:
    """Return the page as HTML.

    Every text from the study, the data or the machine is escaped; the page's content security
    policy forbids all loading and every script but its own.

    Args:
        report: What to show.
        templates: Folder of page.html.j2, page.css and page.js.
    """
    environment = template_environment(templates)
    environment.filters["anchor"] = anchor
    environment.filters["breakable"] = breakable
    environment.filters["cut"] = truncation_name
    script = (templates / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return environment.get_template("page.html.j2").render(
        css=Markup((templates / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=digest,
        **context(report),
    )


def anchor(cell: str) -> str:
    """Return the identifier of a cell's section; spaces are not allowed in one."""
    return "cell-" + quote(cell, safe="")


def breakable(name: Any) -> Markup:
    """Return a name, escaped, that a narrow column breaks after punctuation, not in a word."""
    return Markup(re.sub(r"(?<=[_.-])(?=\w)", "<wbr>", str(escape(name))))


def context(report: ReportInput) -> dict[str, Any]:
    """Return what the template shows, complete except for escaping."""
    study, tables = report.study, report.tables
    spent = costs.costs(tables["costs"])
    finished = tables["sources"][tables["sources"]["status"] == "finished"]
    specs = [record.spec for record in report.records.values()]
    stored = {spec["cell"]["protocol"] for spec in specs if spec.get("features")}
    drawn = figures(report)
    return {
        "study": study,
        "report": report,
        "kind": "snapshot" if report.snapshot else "report",
        "part": " of a slice" if study.get("slice") else "",
        "primary": report.primary,
        "level": words.level(float(study["evaluation"]["confidence"])),
        "summary": [
            *notes.summary(report.primary_cells, report.cards, report.trained_cells),
            *costs.totals(spent),
        ],
        "notes": notes.notes(study, tables, report.cards, report.snapshot, report.contents),
        **_answers(report),
        **_cells(report),
        "figures": [figure for figure in drawn if figure.section == MAIN],
        "elsewhere": elsewhere(tables.get("external"), report.primary_cells, report.metrics),
        "operating": operating_points(tables, report.primary_cells),
        "alike": [
            (section, [figure for figure in drawn if figure.section == section.name])
            for section in (
                *groups.sections(study, tables, report.metrics),
                *alike.sections(study, tables, report.cards),
            )
        ],
        "films": shown_films(report.primary_cells, report.pictures, report.metrics),
        "mistakes": shown_mistakes(report.primary_cells, report.mistakes),
        "place_of": place_of,
        "other_of": other_of,
        "outline_colours": (TRUE, PREDICTED, BOTH),
        "rates": rates(tables["tuning"]),
        "sources": finished.to_dict("records"),
        "failed": notes.failed(
            report.trained_cells, tables["sources"], report.records, report.snapshot
        ),
        "costs": costs.cost_rows(tables["costs"]),
        "cost": costs.sentence(spent, bool(stored)),
        "energy": costs.energy_sentence(tables["costs"]),
        "speeds": costs.against_benchmark(report.records.values(), study.get("benchmark", ())),
        "hardware": hardware(report.records),
        "methods": methods.paragraphs(study, report.cards, tables, stored),
        "configuration": yaml.safe_dump(
            _plain(study["resolved"]), sort_keys=False, allow_unicode=True, width=88
        ),
        "environment": report.environment,
        "downloads": downloads(tables),
        "citations": citations(
            study, report.cards, report.version, report.environment.get("commit")
        ),
    }


def _answers(report: ReportInput) -> dict[str, Any]:
    """Return the verdicts on claims, and the answers to questions."""
    study, tables = report.study, report.tables
    judged = claims.claims(tables["claims"])
    return {
        "claims": judged,
        "tally": claims.tally(judged) if judged else "",
        "questions": answers.questions(study["questions"], tables, Manner.of(study, report.cards)),
    }


def _cells(report: ReportInput) -> dict[str, Any]:
    """Return the leaderboard, and the sections of its cells."""
    cells, tables, metrics = report.primary_cells, report.tables, report.metrics
    measured = measures(tables["scores"], report.primary, metrics)
    marks = palette.marks_of(pretrainings_of(cells))
    board = leaderboard(cells, report.records, marks, metrics, measured)
    shown = with_section(cells, [row.cell["cell"] for row in board.rows], report.runs)
    found = sections(
        tables["cells"],
        measured,
        report.primary,
        report.records,
        metrics,
        tables.get("cams"),
        report.maps,
        report.runs,
        shown,
        states_by_cell(tables.get("mask_states"), report.primary),
        masked_datasets(report.cards),
    )
    return {
        "unit": "run" if report.runs else "cell",
        "varied": {axis for axis in NAMED if cells[axis].nunique() > 1},
        "board": board,
        "shown": shown,
        "hidden": len(cells) - len(shown),
        "observers": observer_rows(tables.get("observers"), metrics),
        "states_title": TITLE,
        "states": mask_states(tables.get("mask_states"), cells, report.study, metrics),
        "ranked": ranked_by(report.study, report.cards),
        "sections": grouped(found),
    }


@dataclass(frozen=True)
class ShownFigure:
    """A figure on the page: name, heading, caption, the drawing itself, and its section."""

    name: str
    title: str
    caption: str
    svg: Markup
    section: str = MAIN


def figures(report: ReportInput) -> list[ShownFigure]:
    """Return the figures that were drawn, in order."""
    return [
        ShownFigure(
            drawn.shown.name,
            drawn.shown.title,
            drawn.shown.caption,
            inline_svg(drawn.svg, drawn.shown.name, drawn.shown.title),
            SECTION.get(drawn.shown.name, MAIN),
        )
        for drawn in report.figures
    ]


def _plain(value: Any) -> Any:
    """Return mappings and sequences as dict and list, which YAML writes without tags."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value
