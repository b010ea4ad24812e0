"""Labels from a table's columns: numbers, words with a meaning, classes, several in a cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from transfergrid.data.manifest import identifiers
from transfergrid.data.tablefile import Table, canonical, is_text
from transfergrid.runtime.errors import UserError, listed, printable, suggest

Labels = npt.NDArray[np.float32]

DIVIDERS = ("|", ";", ",")
"""What usually separates several labels in one cell."""

_SHOWN = 5


def numbers(
    table: Table,
    name: str,
    allowed: Callable[[Labels], npt.NDArray[np.bool_]],
    words: str,
    values: Mapping[str, float | None] | None = None,
) -> Labels:
    """Return a column of labels, (N,) float32 with NaN for unknown.

    ``true`` and ``false`` are 1 and 0, in upper or lower case.

    Args:
        table: The table.
        name: The column.
        allowed: Tells elementwise which of the numbers are labels.
        words: The allowed labels, for the message.
        values: What cells mean, by their text; "" is a blank cell, None is unknown. Not given if
            the reader has no key for it.

    Raises:
        UserError: A cell that is not an allowed label; rows are counted from 1 below the header.
    """
    written = table.column(name)
    cells = written
    if is_text(written):
        truth = {"true": "1", "false": "0"}
        cells = written.map(lambda c: truth.get(c.lower(), c) if isinstance(c, str) else c)
    labels = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float32, na_value=np.nan)
    wrong = written.notna().to_numpy() & ~allowed(labels)
    if values:
        given = _given(written, values)
        labels = np.array([given.get(i, label) for i, label in enumerate(labels)], np.float32)
        wrong[list(given)] = False
    rows = np.flatnonzero(wrong)
    if len(rows):
        strange = list(dict.fromkeys(printable(cell) for cell in written.iloc[rows]))
        every = sorted({printable(cell) for cell in written.dropna()})
        raise UserError(
            f"{table.path} has '{strange[0]}' in column '{name}' of row {rows[0] + 1}; a label is "
            f"{words}{_advice(strange, every) if values is not None else ''}."
        )
    return labels


def columns(
    table: Table, names: Sequence[str], values: Mapping[str, float | None] | None
) -> pd.DataFrame:
    """Return one task per column of labels, float32; UserError as in `numbers`."""
    words = "0, 1 or blank (unknown), or in train also a number between 0 and 1"
    tasks = identifiers(names, "label column")
    return pd.DataFrame(
        {
            task: numbers(table, name, lambda v: (v >= 0) & (v <= 1), words, values or {})
            for task, name in zip(tasks, names, strict=True)
        }
    )


def classes(table: Table, names: Sequence[str]) -> pd.DataFrame:
    """Return one task per class in a column, one-hot float32.

    Raises:
        UserError: Several columns, a blank cell, a single class, or several labels in a cell.
    """
    if len(names) != 1:
        raise UserError(
            f"label_columns names {len(names)} columns; with task_kind multiclass name one, "
            "which holds each image's class."
        )
    name = names[0]
    cells = table.codes(name)
    several = _several(cells)
    if several:
        cell, divider = several
        row = int(np.flatnonzero((cells == cell).to_numpy())[0]) + 1
        raise UserError(
            f"{table.path} has '{printable(cell)}' in column '{name}' of row {row}, which is "
            f'several labels and not a class; write label_separator: "{divider}" and task_kind: '
            "multilabel to make each label a task."
        )
    codes, found = pd.factorize(cells, sort=True)
    tasks = identifiers(list(found), f"class in column '{name}'")
    if len(tasks) < 2:
        raise UserError(f"{table.path} has only one class in column '{name}'; give at least two.")
    return pd.DataFrame(np.eye(len(tasks), dtype=np.float32)[codes], columns=list(tasks))


def divided(
    table: Table, names: Sequence[str], separator: str, no_label: str | None
) -> pd.DataFrame:
    """Return one task per label found in a column's cells, float32.

    An image has the labels in its cell and none of the others; a blank cell is unknown.

    Args:
        table: The table.
        names: The one column.
        separator: What separates labels.
        no_label: The text for an image without a label; it makes no task.

    Raises:
        UserError: Several columns, `no_label` beside a label or in no cell, or a label in which
            another separator joins labels.
    """
    if len(names) != 1:
        raise UserError(
            f"label_columns names {len(names)} columns; with label_separator name one, whose cells "
            "hold the labels."
        )
    parts = _parts(table, names[0], separator, no_label)
    flat = pd.Series([part for labels in parts for part in labels], dtype=str)
    alike = canonical(flat, f"{table.path}, column '{names[0]}'")
    found = sorted(set(alike) - {no_label})
    several = _several(pd.Series(found, dtype=str))
    if several or not found:
        told = f"the label '{printable(several[0])}', really several," if several else "no label"
        raise UserError(
            f"{table.path} has {told} in column '{names[0]}' split at '{separator}'; correct "
            "label_separator or the cells."
        )
    tasks = identifiers(found, f"label in column '{names[0]}'")
    rows = np.repeat(np.arange(len(parts)), [len(labels) for labels in parts])
    values = np.zeros((len(parts), len(found)), dtype=np.float32)
    for position, label in enumerate(found):
        values[rows[(alike == label).to_numpy()], position] = 1
    values[table.column(names[0]).isna().to_numpy()] = np.nan
    return pd.DataFrame(values, columns=list(tasks))


def _parts(table: Table, name: str, separator: str, no_label: str | None) -> list[list[str]]:
    """Return the labels in each cell; none for a blank one."""
    cells = table.column(name)
    parts = [
        [part.strip() for part in str(cell).split(separator) if part.strip()] if filled else []
        for cell, filled in zip(cells, cells.notna(), strict=True)
    ]
    for row, labels in enumerate(parts):
        if no_label in labels and set(labels) != {no_label}:
            raise UserError(
                f"{table.path} has '{printable(cells.iloc[row])}' in column '{name}' of row "
                f"{row + 1}, where no_label '{no_label}' is beside a label; correct the cell."
            )
    found = {label for labels in parts for label in labels}
    if no_label is not None and no_label not in found:
        raise UserError(
            f"no_label '{no_label}'{suggest(no_label, found)} is in no cell of column '{name}' "
            f"of {table.path}; correct or remove it."
        )
    return parts


def _given(written: pd.Series, values: Mapping[str, float | None]) -> dict[int, float]:
    """Return the labels of the rows whose cells `values` explains."""
    meaning = {_key(text): np.nan if value is None else value for text, value in values.items()}
    keys = (
        "" if blank else _key(cell) for cell, blank in zip(written, written.isna(), strict=True)
    )
    return {row: meaning[key] for row, key in enumerate(keys) if key in meaning}


def _key(cell: Any) -> str:
    """Write a cell so that equal numbers become the same key."""
    text = str(cell).strip()
    try:
        return repr(float(text))
    except ValueError:
        return text


def _advice(strange: Sequence[str], every: Sequence[str]) -> str:
    """Say how to explain a column's cells; `every` has those that are labels as well, in order."""
    divider = next((d for d in DIVIDERS if any(d in cell for cell in strange)), None)
    if divider and not any(_key(cell) != cell for cell in strange):
        return (
            f'; if a cell may hold several labels, write label_separator: "{divider}", and if it '
            "names a class, task_kind: multiclass"
        )
    shown = listed([f"'{cell}'" for cell in strange], _SHOWN)
    # Of 1 and 2, the 1 may well be the absence: two cells are explained together.
    example = f"'{every[0]}': 0, '{every[1]}': 1" if len(every) == 2 else f"'{strange[0]}': 1"
    return f"; say what {shown} means with label_values, such as {{{example}}}, or null for unknown"


def _several(cells: pd.Series) -> tuple[str, str] | None:
    """Find a cell that joins labels, and what separates them.

    A comma or semicolon may belong to a class's name, so all parts must be classes themselves. A
    bar rarely does, so it is enough if one part occurs in another cell too.
    """
    found = list(dict.fromkeys(cells))
    whole = set(found)
    for divider in DIVIDERS:
        joined = {c: {part.strip() for part in c.split(divider)} for c in found if divider in c}
        for cell, parts in joined.items():
            others = [p for other, ps in joined.items() if other != cell for p in ps]
            if parts <= whole or (divider == "|" and parts & (whole | set(others))):
                return cell, divider
    return None
