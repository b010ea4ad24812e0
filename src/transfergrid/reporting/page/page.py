"""The report: one HTML file that holds everything and asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import pandas as pd
import yaml
from markupsafe import Markup, escape

from transfergrid import __version__
from transfergrid.catalog.tables import ANALYSES
from transfergrid.planning.fingerprint import code_files
from transfergrid.planning.paths import PROJECT, TEMPLATES
from transfergrid.reporting import words
from transfergrid.reporting.figures import style
from transfergrid.reporting.figures.files import Drawn, read_drawn
from transfergrid.reporting.figures.summaries import pretrainings_of, truncation_name
from transfergrid.reporting.folds import answered, trained
from transfergrid.reporting.metric_words import metric_words, ranked_by
from transfergrid.reporting.page import answers, claims, costs, methods, notes
from transfergrid.reporting.page.answer import Manner
from transfergrid.reporting.page.cell_scores import measures
from transfergrid.reporting.page.cell_sections import grouped, sections
from transfergrid.reporting.page.citations import citations
from transfergrid.reporting.page.inline_svg import inline_svg
from transfergrid.reporting.page.leaderboard import AXES, leaderboard
from transfergrid.reporting.page.map_tiles import MapTile, map_tiles
from transfergrid.reporting.page.rates import rates
from transfergrid.reporting.records import CellRecord, read_cards, read_contents, read_record
from transfergrid.reporting.tables.files import csv_text
from transfergrid.reporting.tables.stage_files import read_made_table
from transfergrid.runtime.environment import environment_record
from transfergrid.statistics.runs import runs_of

FILTERS = ("score", "score_interval", "signed", "count", "scaled", "hours", "percent")


@dataclass(frozen=True)
class ReportInput:
    """Everything that the page is made of, as plain values.

    Attributes:
        study: The study's JSON: name, title, description, cells, evaluation, questions, recipes by
            protocol, and ``resolved``, the whole configuration.
        tables: Those that every study has, as read from their CSV, and cams where it has maps.
        cards: Per dataset name its card.json, where known.
        contents: Per dataset name how many cells were trained on each content of it.
        records: Per cell what lies in its folder, where known.
        figures: Those that were drawn, with their captions, in order.
        environment: The record of what made the page.
        version: Version of TransferGrid.
        snapshot: What is known of the cells that have no result, if the page is a snapshot.
        maps: Per cell its activation maps, where the study asks for them.
    """

    study: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]
    cards: Mapping[str, Mapping[str, Any]]
    records: Mapping[str, CellRecord]
    figures: Sequence[Drawn]
    environment: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""
    snapshot: notes.Snapshot | None = None
    contents: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    maps: Mapping[str, tuple[MapTile, ...]] = field(default_factory=dict)

    @property
    def primary(self) -> str:
        """The selection that the page's scores come from."""
        return str(self.study["evaluation"]["primary"])

    @property
    def primary_cells(self) -> pd.DataFrame:
        """Rows of the cells' table under the primary selection, single folds left out."""
        cells = answered(self.tables["cells"])
        return cells[cells["selection"] == self.primary]

    @property
    def trained_cells(self) -> pd.DataFrame:
        """Rows of what was trained, under the primary selection; see `reporting.folds`."""
        cells = trained(self.tables["cells"])
        return cells[cells["selection"] == self.primary]

    @property
    def runs(self) -> dict[str, tuple[str, ...]]:
        """The cells of each run over folds, by its name."""
        runs = runs_of(self.study["cells"]).values()
        return {run.name: tuple(run.cells.values()) for run in runs if run.crossed}


def read_report(
    study: Mapping[str, Any], results: Path, snapshot: notes.Snapshot | None = None
) -> ReportInput:
    """Read everything that a study's page needs.

    Args:
        study: The study's JSON.
        results: Root of all outputs.
        snapshot: Given where the study is not finished.

    Returns:
        The page's input; a figure that has not been drawn is left out.

    Raises:
        UserError: A table is missing, or a file is broken.
    """
    folder = results / study["name"]
    names = [entry["cell"] for entry in study["cells"]]
    # Maps of a study that has stopped asking for them may still lie there.
    asked = study["resolved"].get("cams") is not None
    mapped = asked and (folder / "tables" / "cams.csv").is_file()
    made = [stage for stage in ANALYSES if mapped or stage.asked_by != "cams"]
    tables = [table.name for stage in made for table in stage.tables]
    return ReportInput(
        study=study,
        tables={name: read_made_table(folder, name) for name in tables},
        cards=read_cards(study, results),
        contents=read_contents(study, results),
        records={name: read_record(name, results) for name in names},
        figures=read_drawn(folder),
        environment=environment_record(_behind(study)),
        version=__version__,
        snapshot=snapshot,
        maps={name: map_tiles(folder / "cams" / f"{name}.npz") for name in names if asked},
    )


def _behind(study: Mapping[str, Any]) -> list[Path]:
    """Return the files that a change of would make the study's results other ones."""
    return [*code_files(), *([PROJECT / study["source"]] if study.get("source") else [])]


def render(report: ReportInput, templates: Path = TEMPLATES) -> str:
    """Return the page as HTML.

    Every text from the study, the data or the machine is escaped; the page's content security
    policy forbids all loading and every script but its own.

    Args:
        report: What to show.
        templates: Folder of page.html.j2, page.css and page.js.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(words, name) for name in FILTERS}
    environment.filters["anchor"] = anchor
    environment.filters["breakable"] = breakable
    environment.filters["cut"] = truncation_name
    environment.globals["plural"] = words.plural
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
    """Return a name, escaped, that a narrow column breaks after its marks and not in a word."""
    return Markup(re.sub(r"(?<=[_.-])(?=\w)", "<wbr>", str(escape(name))))


def context(report: ReportInput) -> dict[str, Any]:
    """Return what the template shows, ready but for escaping."""
    study, tables = report.study, report.tables
    cells, confidence = report.primary_cells, float(study["evaluation"]["confidence"])
    judged = claims.claims(tables["claims"])
    metrics = metric_words(study)
    measured = measures(tables["scores"], report.primary, metrics)
    spent = costs.costs(study["cells"], report.records)
    return {
        "study": study,
        "report": report,
        "kind": "snapshot" if report.snapshot else "report",
        "part": " of a slice" if study.get("slice") else "",
        "primary": report.primary,
        "level": words.level(confidence),
        "summary": [
            *notes.summary(cells, report.cards, report.trained_cells),
            *costs.totals(spent),
        ],
        "notes": notes.notes(study, tables, report.cards, report.snapshot, report.contents),
        "claims": judged,
        "tally": claims.tally(judged) if judged else "",
        "questions": answers.questions(study["questions"], tables, Manner.of(study)),
        "varied": {axis for axis in AXES if cells[axis].nunique() > 1},
        "board": leaderboard(
            cells, report.records, style.marks_of(pretrainings_of(cells)), metrics, measured
        ),
        "ranked": ranked_by(study),
        "figures": figures(report),
        "sections": grouped(
            sections(
                tables["cells"],
                measured,
                report.primary,
                report.records,
                metrics,
                tables.get("cams"),
                report.maps,
                report.runs,
            )
        ),
        "rates": rates(tables["tuning"]),
        "sources": tables["sources"][tables["sources"]["status"] == "finished"].to_dict("records"),
        "failed": notes.failed(
            report.trained_cells, tables["sources"], report.records, report.snapshot
        ),
        "costs": spent,
        "cost": costs.sentence(spent),
        "speeds": costs.against_benchmark(report.records.values(), study.get("benchmark", ())),
        "hardware": hardware(report.records),
        "methods": methods.paragraphs(study, report.cards, tables),
        "configuration": yaml.safe_dump(
            _plain(study["resolved"]), sort_keys=False, allow_unicode=True, width=88
        ),
        "environment": report.environment,
        "downloads": downloads(tables),
        "citations": citations(
            study, report.cards, report.version, report.environment.get("commit")
        ),
    }


def hardware(records: Mapping[str, CellRecord]) -> list[tuple[str, str]]:
    """Return (what, values) pairs of everything that the trainings ran on and with."""
    found: dict[str, Counter[str]] = {}
    for record in records.values():
        there = record.train.get("environment", {})
        packages = there.get("packages", {})
        values = {
            "Device": record.train.get("device"),
            "Processor": there.get("processor"),
            "System": there.get("system"),
            "Python": there.get("python"),
            "PyTorch": packages.get("torch"),
            "timm": packages.get("timm"),
            "Commit": (there.get("commit") or "")[:12],
        }
        for what, value in values.items():
            if value:
                found.setdefault(what, Counter())[str(value)] += 1
    return [(what, _counted(values)) for what, values in found.items()]


def _counted(values: Counter[str]) -> str:
    if len(values) == 1:
        return next(iter(values))
    return ", ".join(f"{value} ({number} cells)" for value, number in values.most_common())


@dataclass(frozen=True)
class ShownFigure:
    """A figure on the page: name, heading, caption and the drawing itself."""

    name: str
    title: str
    caption: str
    svg: Markup


def figures(report: ReportInput) -> list[ShownFigure]:
    """Return the figures that were drawn, in order."""
    return [
        ShownFigure(
            drawn.shown.name,
            drawn.shown.title,
            drawn.shown.caption,
            inline_svg(drawn.svg, drawn.shown.name, drawn.shown.title),
        )
        for drawn in report.figures
    ]


def downloads(tables: Mapping[str, pd.DataFrame]) -> list[tuple[str, int, str]]:
    """Return (file name, rows, data URI) of each table; the links work without script."""
    files = []
    for name, table in tables.items():
        if table.empty:
            continue  # such as the trials of a study that tunes nothing
        code = base64.b64encode(csv_text(table).encode("utf-8")).decode("ascii")
        files.append((f"{name}.csv", len(table), f"data:text/csv;charset=utf-8;base64,{code}"))
    return files


def _plain(value: Any) -> Any:
    """Return mappings and sequences as dict and list, which YAML writes without tags."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value
