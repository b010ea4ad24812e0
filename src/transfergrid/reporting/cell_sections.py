"""A cell's own section: learning curve, AUROC of every task, weights, cost, specification."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from transfergrid.reporting.figure_data import truncation_name
from transfergrid.reporting.history import curve_of, sparkline
from transfergrid.reporting.records import CellRecord
from transfergrid.reporting.words import count, known, plural, scaled, seconds


@dataclass(frozen=True)
class Section:
    """A cell's section on the page.

    Attributes:
        cell: The row of cells.csv under the primary selection.
        curve: The learning curve as an SVG element, or empty.
        tasks: (task, AUROC, low, high, positives) of each task.
        selections: (selection, AUROC, low, high, checkpoints) of each selection.
        facts: (what, value) pairs: weights, network, cost.
        spec: The specification as indented JSON, or empty.
    """

    cell: Mapping[str, Any]
    curve: Markup
    tasks: tuple[tuple[str, Any, Any, Any, Any], ...]
    selections: tuple[tuple[str, Any, Any, Any, Any], ...]
    facts: tuple[tuple[str, str], ...]
    spec: str


def sections(cells: pd.DataFrame, primary: str, records: Mapping[str, CellRecord]) -> list[Section]:
    """Return the sections of all cells in the study's order.

    Args:
        cells: cells.csv with all selections.
        primary: The selection that the other figures of the page are under.
        records: Per cell what lies in its folder.
    """
    names = [str(c).removeprefix("n_pos_") for c in cells if str(c).startswith("n_pos_")]
    curves = {name: curve_of(record.history) for name, record in records.items()}
    heights = [score for points in curves.values() for _, score in points]
    low, high = (min(heights), max(heights)) if heights else (0.0, 1.0)
    found = []
    for name, rows in cells.groupby("cell", sort=False):
        by_selection = {row["selection"]: row for row in rows.to_dict("records")}
        row = {str(key): value for key, value in by_selection[primary].items()}
        record = records.get(str(name), CellRecord())
        found.append(
            Section(
                cell=row,
                curve=Markup(sparkline(curves.get(str(name), []), low, high)),
                tasks=_tasks(row, names),
                selections=tuple(
                    (s, r["auroc"], r["auroc_low"], r["auroc_high"], r["n_checkpoints"])
                    for s, r in by_selection.items()
                ),
                facts=tuple(_facts(row, record)),
                spec=json.dumps(record.spec, indent=2) if record.spec else "",
            )
        )
    return found


def _tasks(row: Mapping[str, Any], names: list[str]) -> tuple[tuple[str, Any, Any, Any, Any], ...]:
    return tuple(
        (
            task,
            row[f"auroc_{task}"],
            row[f"auroc_{task}_low"],
            row[f"auroc_{task}_high"],
            row[f"n_pos_{task}"],
        )
        for task in names
        # A task of another dataset has no count of positives here.
        if known(row[f"n_pos_{task}"]) or row["status"] == "missing"
    )


def _facts(row: Mapping[str, Any], record: CellRecord) -> list[tuple[str, str]]:
    facts = [("Initial weights", weights_sentence(record.proof))]
    timm = record.spec.get("architecture", {}).get("timm")
    if timm:
        facts.append(("Network", f"{timm}, {truncation_name(row['truncation'])}"))
    facts.append(
        ("Size", f"{count(row['params'])} parameters, {scaled(row['macs'])} multiply-accumulates")
    )
    tested = f"{count(row['n_images'])} images, {count(row['n_studies'])} studies, "
    facts.append(("Tested on", f"{tested}{count(row['n_patients'])} patients"))
    facts.append(("Training", _training(row, record)))
    if record.train.get("reason"):
        facts.append(("Reason", str(record.train["reason"])))
    return [(what, value) for what, value in facts if value]


def _training(row: Mapping[str, Any], record: CellRecord) -> str:
    if not known(row["train_seconds"]):
        return ""
    parts = [
        seconds(row["train_seconds"]),
        f"{scaled(row['images_per_second'])} images/s",
        f"micro-batches of {count(row['micro_batch'])}",
        f"peak memory {count(row['peak_memory_mb'])} MiB",
        f"on {row['device']}",
    ]
    torch = record.train.get("environment", {}).get("packages", {}).get("torch")
    if torch:
        parts.append(f"torch {torch}")
    return ", ".join(parts)


def weights_sentence(proof: Mapping[str, Any]) -> str:
    """Say what proof.json proves about a cell's initial weights."""
    if not proof:
        return ""
    if proof.get("source") == "random":
        return f"Drawn from seed {proof.get('seed')}; nothing was loaded."
    origin = [
        str(proof[key]) for key in ("source", "tag", "package", "cell", "file") if key in proof
    ]
    text = f"{', '.join(origin)}: {plural(proof.get('matched', 0), 'tensor')} matched"
    missing, unexpected = proof.get("missing", []), proof.get("unexpected", [])
    text += f"; missing: {_names(missing)}; unexpected: {_names(unexpected)}."
    if proof.get("sha256"):
        text += f" SHA-256 {proof['sha256']}."
    probe = proof.get("probe", {})
    if known(probe.get("relative_difference")):
        text += (
            f" A probe of {probe['images']} images gives features that differ by "
            f"{100 * probe['relative_difference']:.1f} % from those before loading."
        )
    return text


def _names(names: Sequence[str], most: int = 4) -> str:
    if not names:
        return "none"
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
