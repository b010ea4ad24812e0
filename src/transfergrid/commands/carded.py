"""The card of a data set in words and tables: what it holds, part by part, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from transfergrid.data.counts import counts_by_part

if TYPE_CHECKING:
    from transfergrid.data.manifest import Manifest


def card_of(name: str, manifest: Manifest) -> str:
    """Return the card as Markdown: counts, prevalence and blanks by part, patients, notes."""
    return "\n".join(_lines(name, manifest)) + "\n"


def _lines(name: str, manifest: Manifest) -> Iterator[str]:
    table = manifest.table
    people = table["patient_id"].nunique()
    whose = f"of {people} patients" if manifest.patients_known else "whose patients are not known"
    yield f"# {name}"
    yield ""
    tasks = f"{len(manifest.tasks)} task{'' if len(manifest.tasks) == 1 else 's'}"
    yield f"{len(table)} images {whose}; {manifest.task_kind}, {tasks}."
    if manifest.patients_known:
        most = table.groupby("patient_id").size()
        yield f"Images of a patient: {most.median():g} (median), {most.max()} (most)."
    views = table.loc[table["view"] != "", "view"].value_counts()
    if len(views) > 1:
        yield (
            "Views: " + ", ".join(f"{view} {count}" for view, count in views.head(8).items()) + "."
        )
    yield ""
    parts = counts_by_part(manifest)
    yield from _rows(["", *parts], [*_sizes(manifest, parts), *_prevalence(parts, manifest.tasks)])
    for note in manifest.notes:
        yield ""
        yield f"- {note}"


def _sizes(manifest: Manifest, parts: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield a row for what is known; where studies are not, each image would count as one."""
    known = {
        "images": True,
        "studies": manifest.studies_known,
        "patients": manifest.patients_known,
    }
    for what in (name for name, told in known.items() if told):
        yield [what, *(str(part[what]) for part in parts.values())]


def _prevalence(parts: Mapping[str, Any], tasks: Sequence[str]) -> Iterator[list[str]]:
    for task in tasks:
        yield [task, *(_share(part, task) for part in parts.values())]


def _share(part: Mapping[str, Any], task: str) -> str:
    positive, negative = part["positives"][task], part["negatives"][task]
    blank = part["unknown"][task]
    known = positive + negative
    told = f"{positive} ({positive / known:.1%})" if known else "none known"
    return told + (f", {blank} blank" if blank else "")


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield a Markdown table whose columns are as wide as what stands in them."""
    every = [list(head), *(list(row) for row in rows)]
    widths = [max(len(row[place]) for row in every) for place in range(len(head))]
    for number, row in enumerate(every):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield f"| {' | '.join(cells)} |"
        if number == 0:
            yield f"|{'|'.join('-' * (width + 2) for width in widths)}|"
