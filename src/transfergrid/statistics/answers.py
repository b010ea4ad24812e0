"""A study's questions, from its cells' ensembles to tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from transfergrid.statistics.claims import CLAIM_COLUMNS, gather, judge
from transfergrid.statistics.comparisons import Basis, Compared, compare
from transfergrid.statistics.contrasts import CONTRAST_COLUMNS, adjust
from transfergrid.statistics.correlation import Correlation, decide
from transfergrid.statistics.efficiency import efficiency
from transfergrid.statistics.family import families
from transfergrid.statistics.findings import FINDING_COLUMNS, Finding, seed_noise
from transfergrid.statistics.published import published
from transfergrid.statistics.reader import Reader
from transfergrid.statistics.relations import Related, relate
from transfergrid.statistics.sensitivity import Sensitivity, sensitivity

CONTRAST_PLACE = (
    "axis",
    "architecture",
    "pretraining",
    "truncation",
    "protocol",
    "n_cells_asked",
)
"""Columns of contrasts.csv that say where in the grid a row stands; its data set has its own."""
CORRELATION_PLACE = ("dataset", "pretraining", "truncation", "protocol")
"""The same of correlations.csv."""


@dataclass(frozen=True)
class Answers:
    """What a study's questions come to, under its primary selection.

    Attributes:
        contrasts: Rows of tables/contrasts.csv.
        correlations: Rows of tables/correlations.csv.
        findings: Rows of tables/findings.csv.
        claims: Rows of tables/claims.csv.
        sensitivity: Rows of tables/sensitivity.csv.
        skipped: A sentence for whatever was left out.
    """

    contrasts: pd.DataFrame
    correlations: pd.DataFrame
    findings: pd.DataFrame
    claims: pd.DataFrame
    sensitivity: pd.DataFrame
    skipped: list[str]

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables by name, correlations last: it tells that all are there."""
        names = ("contrasts", "findings", "claims", "sensitivity", "correlations")
        return {name: getattr(self, name) for name in names}


def answer(study: Mapping[str, Any], cells: pd.DataFrame, results: Path) -> Answers:
    """Answer every question of a study under its primary selection, and judge its claims.

    Args:
        study: The study as its stamp holds it.
        cells: Rows of tables/cells.csv.
        results: The folder of all results.
    """
    alpha = 1 - study["evaluation"]["confidence"]
    reader = Reader(study, results)
    compared, skipped = _compared(study, reader, alpha)
    basis = Basis(study, cells, compared, reader, alpha)
    related = _related(basis)
    findings = list(_findings(basis))
    evidence = gather(compared, related, findings)
    claims = judge(study["claims"], evidence, reader, alpha)
    others = sensitivity(compared, related, reader, alpha)
    return Answers(
        contrasts=_table(
            ({**one.row.row(), **one.columns()} for one in compared),
            (*CONTRAST_COLUMNS, *CONTRAST_PLACE),
        ),
        correlations=_table(
            ({**asdict(one.row), **one.columns()} for one in related),
            (*_names(Correlation), *CORRELATION_PLACE),
        ),
        findings=_table((finding.row() for finding in findings), FINDING_COLUMNS),
        claims=_table(map(asdict, claims), CLAIM_COLUMNS),
        sensitivity=_table(map(asdict, others), _names(Sensitivity)),
        skipped=reader.lacking() + skipped,
    )


def _names(record: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(record))


def _table(rows: Any, columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(columns))


def _of_kind(study: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    return (question for question in study["questions"] if question["kind"] == kind)


def _compared(
    study: Mapping[str, Any], reader: Reader, alpha: float
) -> tuple[list[Compared], list[str]]:
    compared: list[Compared] = []
    skipped: list[str] = []
    for question in _of_kind(study, "contrast"):
        rows, left_out = compare(question, reader, alpha)
        compared += rows
        skipped += left_out
    adjusted = adjust([one.row for one in compared], alpha)
    rows = [replace(one, row=row) for one, row in zip(compared, adjusted, strict=True)]
    return rows, skipped


def _related(basis: Basis) -> list[Related]:
    related: list[Related] = []
    for question in _of_kind(basis.study, "correlation"):
        related += relate(question, basis)
    decided = decide([one.row for one in related], basis.alpha)
    return [replace(one, row=row) for one, row in zip(related, decided, strict=True)]


def _findings(basis: Basis) -> Iterator[Finding]:
    for kind, answered in (
        ("family", families),
        ("efficiency", efficiency),
        ("seed_noise", seed_noise),
    ):
        for question in _of_kind(basis.study, kind):
            yield from answered(question, basis)
    yield from published(basis.study, basis)
