"""Tables of text as they come: .csv, .tsv or .parquet, read without guessing."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from transfergrid.runtime.errors import UserError, listed, printable, suggest
from transfergrid.runtime.filehead import HEAD, mistaken, read_head

SEPARATORS = {".csv": ",", ".tsv": "\t"}
"""What separates cells, by suffix, if the data set does not name its separator."""

_WORDS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True)
class Table:
    """A table of text as it was read: blank cells are null, everything else is as written.

    Attributes:
        path: Where it was read from, for messages.
        frame: The rows, with a plain 0, 1, 2, ... index. Blanks around cells and column names have
            been removed.
    """

    path: Path
    frame: pd.DataFrame

    def column(self, name: str) -> pd.Series:
        """Return a column; if it is missing, UserError names it and the columns there are."""
        name = name.strip()
        if not name or name not in self.frame.columns:
            names = [printable(column) for column in self.frame.columns]
            raise UserError(
                f"{self.path} has no column '{name}'{suggest(name, names)}; its columns are "
                f"{listed(names, 20)}."
            )
        column = self.frame[name]
        strange = [cell for cell in column if isinstance(cell, list | tuple | dict | np.ndarray)]
        if strange:
            raise UserError(
                f"{self.path} has lists or records in column '{name}'; write one value per cell, "
                "several labels as one text with something between them."
            )
        return column

    def text(self, name: str) -> pd.Series:
        """Return a column of strings; UserError names the first row without one."""
        values = self.column(name)
        blank = np.flatnonzero(values.isna().to_numpy())
        if len(blank):
            raise UserError(
                f"{self.path} has nothing in column '{name}' of row {blank[0] + 1}; fill it in."
            )
        return values.astype(str)

    def codes(self, name: str) -> pd.Series:
        """Return `text` with whole numbers written alike; UserError as in `canonical`."""
        return canonical(self.text(name), f"{self.path}, column '{name}'")


def read_table(path: Path, separator: str | None = None, settable: bool = False) -> Table:
    """Read a .csv or .tsv (UTF-8, cells as text) or a .parquet file.

    Nothing is guessed: "NA" or "nan" is text, and only an empty cell is blank.

    Args:
        path: The file.
        separator: What separates its cells; None chooses by the suffix.
        settable: Whether a study says `separator`, which messages may tell to write.

    Raises:
        UserError: The file is missing, has another suffix, encoding or separator, is broken, has a
            row whose length differs from its header's, or two columns with the same name.
    """
    if not path.is_file():
        raise UserError(f"table {path} does not exist; restore it or name another.")
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        frame = _parquet(path)
    elif suffix in SEPARATORS:
        frame = _separated(path, separator or SEPARATORS[suffix], settable)
    else:
        raise UserError(f"table {path} ends in '{suffix}'; write it as .csv, .tsv or .parquet.")
    _check_names(path, list(frame.columns))
    if frame.empty:
        raise UserError(f"table {path} has a header but no rows; restore it or name another.")
    return Table(path, frame)


def canonical(values: pd.Series, where: str) -> pd.Series:
    """Write whole numbers alike, so that "1" and "1.0" in a column are the same value.

    A number with leading zeros is a code and stays as it is.

    Args:
        values: (N,) text without blanks.
        where: Where they are, for the message.

    Raises:
        UserError: A number occurs with and without leading zeros, so it may mean two things.
    """
    new = {value: _whole(value) for value in values.unique()}
    plain = set(new.values())
    for value, written in new.items():
        if value == written and re.fullmatch(r"0+\d+", value) and str(int(value)) in plain:
            raise UserError(
                f"{where}: '{value}' and '{int(value)}' may be the same value or not; write equal "
                "values alike."
            )
    return values.map(new)


def _whole(value: str) -> str:
    found = re.fullmatch(r"\+?(-?)(0|[1-9]\d*)(?:\.0*)?", value)
    return (found[1] if found[2] != "0" else "") + found[2] if found else value


def is_text(column: pd.Series) -> bool:
    """Tell whether a column holds text, and not numbers or truth values."""
    return pd.api.types.is_string_dtype(column) or pd.api.types.is_object_dtype(column)


def _parquet(path: Path) -> pd.DataFrame:
    try:
        told = mistaken(read_head(path))
        frame = pd.DataFrame() if told else pd.read_parquet(path).reset_index(drop=True)
    except Exception as error:  # given broken tables, the parsers raise many classes
        raise _broken(path, error) from None
    if told:
        raise UserError(f"table {path} cannot be read: it is {told}.")
    columns = [_plain(frame.iloc[:, position]) for position in range(frame.shape[1])]
    names = pd.Index([str(name).strip() for name in frame.columns])
    frame = pd.concat(columns, axis=1) if columns else frame
    frame.columns = names
    return frame


def _plain(column: pd.Series) -> pd.Series:
    """Return a column without categories, bytes, or blanks around its text."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.dtype.categories.dtype)
    if not is_text(column):
        return column
    return column.astype(object).map(_stripped)


def _stripped(cell: object) -> object:
    if isinstance(cell, bytes):
        cell = cell.decode("utf-8", "replace")
    return (cell.strip() or None) if isinstance(cell, str) else cell


def _broken(path: Path, error: Exception) -> UserError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return UserError(f"table {path} cannot be read ({reason}); correct it.")


def _separated(path: Path, separator: str, settable: bool) -> pd.DataFrame:
    reader = csv.reader(io.StringIO(_text(path), newline=""), delimiter=separator, strict=True)
    try:
        header = [name.strip() for name in next(filter(None, reader), [])]
        _check_separator(path, header, separator, settable)
        rows = [_row(path, row, len(header), reader.line_num) for row in reader if row]
    except csv.Error as error:
        raise UserError(
            f"table {path} cannot be read (line {reader.line_num}: {error}); correct it."
        ) from None
    return pd.DataFrame(rows, columns=pd.Index(header), dtype=object)


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"table {path} cannot be read ({error.strerror}).") from None
    told = mistaken(content[:HEAD])
    if content.startswith(b"PK\x03\x04"):
        told = "a spreadsheet or a zip archive; save it from its program as CSV in UTF-8"
    elif content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content[:HEAD]:
        told = "probably UTF-16 text and not UTF-8; save it as UTF-8"
    if told:
        raise UserError(f"table {path} cannot be read: it is {told}.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"table {path} cannot be read: line {line} is not UTF-8 text (it may be Latin-1 or "
            "Windows-1252); save it as UTF-8."
        ) from None


def _row(path: Path, row: list[str], width: int, line: int) -> list[str | None]:
    if len(row) != width:
        kind = "more" if len(row) > width else "fewer"
        raise UserError(
            f"table {path} has a row with {kind} cells than its header: line {line} has "
            f"{len(row)}, the header {width}; correct it."
        )
    return [cell.strip() or None for cell in row]


def _check_separator(path: Path, header: list[str], separator: str, settable: bool) -> None:
    """Notice a header in which only another separator divides the names."""
    line = separator.join(header)
    save = f"save the table with {_WORDS.get(separator, repr(separator))}"
    if line.lower().startswith("sep="):
        own = line[4:5] or "\t"  # of which blanks were removed
        mend = f"{_say(own)}, or {save}" if settable else save
        raise UserError(
            f"table {path} begins with '{printable(line)}', a note to Excel, not a header; remove "
            f"that line{'' if own == separator else f', and {mend}'}."
        )
    if len(header) != 1:
        return
    counts = {other: header[0].count(other) for other in _WORDS if other != separator}
    other = max(counts, key=lambda key: counts[key])
    if counts[other]:
        raise UserError(
            f"table {path} is read as split at {_WORDS.get(separator, repr(separator))}, but its "
            f"header has {_WORDS[other]}; {f'{_say(other)}, or {save}' if settable else save}."
        )


def _say(separator: str) -> str:
    shown = "\\t" if separator == "\t" else separator
    return f'write separator: "{shown}" beside its name in the study'


def _check_names(path: Path, names: Sequence[Hashable]) -> None:
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        name = printable(twice[0])
        raise UserError(f"table {path} has the column '{name}' more than once; rename one of them.")
    if not any(names):
        raise UserError(f"table {path} has no header; write the column names into its first line.")
