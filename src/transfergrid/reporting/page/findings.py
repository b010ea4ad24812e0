"""Answers that are quantities and not comparisons: rows of findings.csv under their question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from transfergrid.reporting.words import NOTHING, count, known, number, plural, range_of

NAMES = {
    "between_family_sd": "SD between families",
    "within_family_sd": "SD within families",
    "family_share": "share of variance between families",
    "family_share_disattenuated": "share between families, freed of patients' and seeds' noise",
    "size_share": "share of variance that size explains",
    "size_share_within": "the same within families",
    "seed_sd": "SD between seeds",
    "network_sd": "SD between networks",
    "noise_to_signal": "SD between seeds / SD between networks",
    "blocks": "blocks removed",
    "params_ratio": "parameters, whole / cut",
    "macs_ratio": "multiply-accumulates, whole / cut",
    "speed_ratio": "images/s, cut / whole",
    "auroc_change": "change of AUROC",
    "rank_correlation": "Spearman's ρ of ours and the figure's",
    "mean_difference": "mean of ours minus the figure's",
    "difference": "ours minus the figure's",
}
CUTS = {
    "_non_inferior": "largest cut shown to lose less than the margin",
    "_no_loss_found": "largest cut before a loss is found, which depends on the test set's size",
}


@dataclass(frozen=True)
class Finding:
    """One row of findings.csv, ready to print.

    Attributes:
        subject: What it is about.
        quantity: What was estimated.
        value: The estimate.
        interval: Its bounds, or empty.
        n: Networks that it was estimated from, and their families, or empty.
        note: Method and remarks.
    """

    subject: str
    quantity: str
    value: str
    interval: str
    n: str
    note: str


def findings(table: pd.DataFrame) -> dict[str, list[Finding]]:
    """Return the rows of findings.csv by question: means over networks first, blanks last."""
    found: dict[str, list[Finding]] = {}
    for row in table.to_dict("records"):
        found.setdefault(str(row["question"]), []).append(_finding(row))
    return {
        name: sorted(
            rows, key=lambda row: (row.value == NOTHING, not row.subject.startswith("mean"))
        )
        for name, rows in found.items()
    }


def quantity_words(name: str) -> str:
    """Put a quantity of findings.csv into words."""
    for ending, words in CUTS.items():
        if name.endswith(ending):
            return f"{quantity_words(name.removesuffix(ending))}, {words}"
    return NAMES.get(name, name.replace("_", " "))


def _finding(row: Mapping[Any, Any]) -> Finding:
    notes = [str(row[key]) for key in ("method", "note") if known(row.get(key))]
    n = row.get("n")
    families: Any = row.get("n_families")
    kin = f" in {plural(families, 'family', 'families')}" if known(families) and families else ""
    return Finding(
        subject=str(row["subject"]) if known(row["subject"]) else "",
        quantity=quantity_words(str(row["quantity"])),
        value=number(row["value"]),
        interval=range_of(row.get("low"), row.get("high")),
        n=f"{count(n)}{kin}" if isinstance(n, int | float) and known(n) else "",
        note="; ".join(notes),
    )
