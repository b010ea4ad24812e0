"""The csv kind: image paths, labels, people and splits from columns of any table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from transfergrid.data.images import RULES, ImageFiles
from transfergrid.data.manifest import (
    IDS,
    TASK_KINDS,
    Manifest,
    choice,
    chosen_tasks,
    identifiers,
)
from transfergrid.data.splits import folds, random_split
from transfergrid.data.store import SPLITS
from transfergrid.runtime.errors import UserError, listed, suggest
from transfergrid.runtime.hashing import seeded

Labels = npt.NDArray[np.float32]

_SEPARATORS = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True)
class Table:
    """A table of text as it was read: blank cells are NaN, everything else is as written.

    Attributes:
        path: Where it was read from, for messages.
        frame: The rows, with a plain 0, 1, 2, ... index.
    """

    path: Path
    frame: pd.DataFrame

    def column(self, name: str) -> pd.Series:
        """Return a column; UserError names it and the columns there are, if it is missing."""
        if name not in self.frame.columns:
            raise UserError(
                f"{self.path} has no column '{name}'{suggest(name, self.frame.columns)}; "
                f"its columns are {listed(self.frame.columns, 20)}."
            )
        return self.frame[name]

    def text(self, name: str) -> pd.Series:
        """Return a column of strings; UserError names the first row without one."""
        values = self.column(name)
        blank = np.flatnonzero(values.isna().to_numpy())
        if len(blank):
            raise UserError(
                f"{self.path} has nothing in column '{name}' of row {blank[0] + 1}; fill it in."
            )
        return values.astype(str)

    def labels(
        self, name: str, allowed: Callable[[Labels], npt.NDArray[np.bool_]], words: str
    ) -> Labels:
        """Return a column of labels, (N,) float32 with NaN for blank.

        Args:
            name: The column.
            allowed: Tells elementwise which of the numbers are labels.
            words: The allowed labels, for the message.

        Raises:
            UserError: A cell that is no allowed label; rows are counted from 1 below the header.
        """
        written = self.column(name)
        numbers = written.replace({"True": "1", "False": "0"}) if _is_text(written) else written
        values = pd.to_numeric(numbers, errors="coerce").to_numpy(dtype=np.float32, na_value=np.nan)
        wrong = np.flatnonzero(written.notna().to_numpy() & ~allowed(values))
        if len(wrong):
            raise UserError(
                f"{self.path} has '{written.iloc[wrong[0]]}' in column '{name}' of row "
                f"{wrong[0] + 1}; a label is {words}."
            )
        return values


def read_table(path: Path) -> Table:
    """Read a .csv or .tsv (UTF-8, cells as text) or a .parquet file.

    Raises:
        UserError: The file is missing, of another suffix, broken, or has rows longer than its
            header.
    """
    if not path.is_file():
        raise UserError(f"table {path} does not exist; restore it or name another.")
    suffix = path.suffix.lower()
    if suffix not in (*_SEPARATORS, ".parquet"):
        raise UserError(f"table {path} ends in '{suffix}'; write it as .csv, .tsv or .parquet.")
    try:
        if suffix == ".parquet":
            frame = pd.read_parquet(path).reset_index(drop=True)
        else:
            # No guessing: "NA" or "nan" is text, and only an empty cell is blank.
            frame = pd.read_csv(
                path,
                sep=_SEPARATORS[suffix],
                dtype=str,
                keep_default_na=False,
                na_values=[""],
            )
    except Exception as error:  # the parsers of broken tables raise many classes
        reason = str(error).strip().splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"table {path} cannot be read ({reason}); mend it.") from None
    if not isinstance(frame.index, pd.RangeIndex):
        raise UserError(f"table {path} has rows with more cells than its header; mend it.")
    return Table(path, frame)


def read(options: Mapping[str, Any], root: Path) -> Manifest:
    """Read a table of images and labels.

    Args:
        options: The declaration; see the study's schema for its keys.
        root: Folder that holds the table, and relative to which the table names its images.

    Raises:
        UserError: A missing table or column, a label or split value that is not allowed, a blank
            path or id, an absolute path.
    """
    if not root.is_dir():
        raise UserError(f"data folder {root} does not exist; correct the data set's root.")
    table = read_table(root / str(options["table"]))
    names = table.text(str(options["image_column"]))
    _check_relative(table.path, names)
    task_kind = choice(options, "task_kind", TASK_KINDS)
    columns = list(options["label_columns"])
    labels = _classes(table, columns) if task_kind == "multiclass" else _labels(table, columns)
    ids = _ids(table, names, options)
    tasks = tuple(labels.columns)
    return Manifest(
        table=pd.concat([ids, labels], axis=1),
        tasks=tasks,
        score_tasks=chosen_tasks(options.get("score_tasks"), tasks, "score_tasks"),
        task_kind=task_kind,
        source=ImageFiles(
            root, names.tolist(), options.get("image_px"), choice(options, "resize", RULES)
        ),
        patients_known=bool(options.get("patient_column")),
        studies_known=bool(options.get("study_column")),
    )


def _ids(table: Table, names: pd.Series, options: Mapping[str, Any]) -> pd.DataFrame:
    patients, studies = (
        table.text(str(options[key])) if options.get(key) else None
        for key in ("patient_column", "study_column")
    )
    if studies is not None and patients is not None:
        # Study ids are often numbered within a patient.
        studies = patients + "/" + studies
    whole = next(ids for ids in (patients, studies, names) if ids is not None)
    views = table.column(str(options["view_column"])) if options.get("view_column") else None
    return pd.DataFrame(
        {
            "image_id": names,
            "study_id": names if studies is None else studies,
            "patient_id": names if patients is None else patients,
            "view": "" if views is None else views.astype(str).where(views.notna(), ""),
            "split": _split(table, dict(options["split"]), whole),
        },
        columns=list(IDS),
    )


def _is_text(column: pd.Series) -> bool:
    return pd.api.types.is_string_dtype(column) or pd.api.types.is_object_dtype(column)


def _check_relative(path: Path, names: pd.Series) -> None:
    absolute = names[names.str.startswith("/")]
    for name in absolute.head(1):
        raise UserError(
            f"{path} names the image '{PurePosixPath(name)}' by an absolute path; write paths "
            "relative to the data set's root."
        )


def _labels(table: Table, columns: Sequence[str]) -> pd.DataFrame:
    tasks = identifiers(columns, "label column")
    return pd.DataFrame(
        {
            task: table.labels(
                column,
                lambda v: (v >= 0) & (v <= 1),
                "0, 1 or blank (unknown), or between in train",
            )
            for task, column in zip(tasks, columns, strict=True)
        }
    )


def _classes(table: Table, columns: Sequence[str]) -> pd.DataFrame:
    if len(columns) != 1:
        raise UserError(
            f"label_columns names {len(columns)} columns; with task_kind multiclass name one, "
            "which holds each image's class."
        )
    codes, names = pd.factorize(table.text(columns[0]), sort=True)
    tasks = identifiers(list(names), f"class in column '{columns[0]}'")
    if len(tasks) < 2:
        raise UserError(f"{table.path} has one class only in column '{columns[0]}'; give two.")
    return pd.DataFrame(np.eye(len(tasks), dtype=np.float32)[codes], columns=list(tasks))


def _split(table: Table, rule: dict[str, Any], whole: pd.Series) -> npt.NDArray[Any]:
    if "column" in rule:
        return _declared_split(table, rule)
    rng = np.random.default_rng(seeded("split", rule.get("seed", 0)))
    groups = whole.to_numpy(dtype=str)
    if "random" in rule:
        shares = {split: float(rule["random"][split]) for split in ("valid", "test")}
        return random_split(groups, shares, "train", rng)
    if "folds" not in rule:
        raise UserError(f"split has the keys {listed(rule)}; it needs column, random or folds.")
    k, fold = int(rule["folds"]), int(rule["fold"])
    if not 0 <= fold < k:
        raise UserError(f"split names fold {fold} of {k}; choose from 0 to {k - 1}.")
    split = np.full(len(groups), "train", dtype="<U5")
    test = folds(groups, k, rng) == fold
    split[~test] = random_split(groups[~test], {"valid": float(rule["valid"])}, "train", rng)
    split[test] = "test"
    return split


def _declared_split(table: Table, rule: Mapping[str, Any]) -> npt.NDArray[Any]:
    values = table.text(str(rule["column"]))
    part_of: dict[str, str] = {}
    for split in SPLITS:
        for value in rule.get(split, ()):
            if part_of.setdefault(str(value), split) != split:
                raise UserError(f"split gives '{value}' to {part_of[str(value)]} and {split}.")
    parts = values.map(part_of)
    stray = values[parts.isna()].unique()
    if len(stray):
        raise UserError(
            f"{table.path} has '{stray[0]}' in column '{rule['column']}', which split gives to "
            f"none of {listed(SPLITS)}; list it under one of them or remove those rows."
        )
    return parts.to_numpy(dtype=str)
