"""A study's questions, from its cells' ensembles to tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from transfergrid.catalog.question_kind import QuestionKind
from transfergrid.catalog.questions import PLUGIN, QUESTION_KINDS, kind_of
from transfergrid.runtime.named import load
from transfergrid.statistics.basis import Basis, Question, Row
from transfergrid.statistics.claims import judge
from transfergrid.statistics.reader import Reader


@dataclass(frozen=True)
class Answers:
    """What a study's questions come to, under its primary selection.

    Attributes:
        tables: The tables by name; one without rows has no columns.
        skipped: A sentence for whatever was left out.
    """

    tables: Mapping[str, pd.DataFrame]
    skipped: list[str]


def answer(
    study: Mapping[str, Any],
    cells: pd.DataFrame,
    results: Path,
    compared: Mapping[str, pd.DataFrame] | None = None,
) -> Answers:
    """Answer every question of a study under its primary selection, and judge its claims.

    Args:
        study: The study as its stamp holds it.
        cells: Rows of tables/cells.csv.
        results: The folder of all results.
        compared: The tables of how alike networks are, where the study asks for them.
    """
    alpha = 1 - study["evaluation"]["confidence"]
    reader = Reader(study, results)
    basis = Basis(study, cells, reader, alpha, compared=compared or {})
    found: list[tuple[QuestionKind, Row]] = []
    skipped: list[str] = []
    rows: dict[str, list[Mapping[str, Any]]] = {kind.table: [] for kind in QUESTION_KINDS}
    rows |= {table: [] for kind in QUESTION_KINDS for table in kind.beside}
    for kind, question in asked(study):
        answered = load(kind.answer)(question, basis)
        found += [(kind, row) for row in answered.rows]
        skipped += answered.left_out
        for table, own in answered.beside.items():
            rows[table] += own
        basis = replace(basis, answered={**basis.answered, question["name"]: answered.rows})
    claims = judge(study["claims"], [row.evidence() for _, row in found], reader, alpha)
    others = [
        other
        for kind, row in found
        if kind.otherwise
        for other in load(kind.otherwise)(row, reader, alpha)
    ]
    for kind, row in found:
        rows[kind.table].append(row.columns())
    rows["claims"] = [asdict(claim) for claim in claims]
    rows["sensitivity"] = [asdict(other) for other in others]
    tables = {name: pd.DataFrame(own) for name, own in rows.items()}
    return Answers(tables, reader.lacking() + skipped)


def asked(study: Mapping[str, Any]) -> Iterator[tuple[QuestionKind, Question]]:
    """Yield what has to be answered, each thing after what it builds on."""
    for kind in (*QUESTION_KINDS, PLUGIN):
        if kind.unasked:
            yield kind, {"name": kind.unasked, "kind": kind.name}
        for question in study["questions"]:
            if kind_of(question) == kind:
                yield kind, question
