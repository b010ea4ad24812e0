"""What is declared of a kind of data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Setting = Mapping[str, Any]
"""A setting of a study as JSON Schema, with a description and a default."""

LABELS = ("multilabel", "multiclass")
"""Kinds of task whose truth is one label per task."""


DICOM: Mapping[str, Setting] = {
    "dicom": {
        "$ref": "#/$defs/dicom",
        "description": "Whether files may be DICOM.",
        "default": False,
    }
}
"""The setting of kinds whose image files may be DICOM files."""


@dataclass(frozen=True)
class Described:
    """Where a kind of data set says more of its images than their labels.

    Attributes:
        tables: ``module:function`` from its root and its settings to the tables that say it. Plain
            Python.
        image: The column that names an image; empty where the study does (``image_column``).
        last_parts: How many of the last parts of that name are the image's id; 0 for all of it.
        known: By a word that a study may use, the names that such a column has.
        ids: Columns that say who or which one somebody is, by which nothing is ever grouped.
        where: Settings under which it says anything.
        drawn: Of a kind that is drawn as needed, ``module:function`` from its settings and an empty
            folder to its manifest, which writes these tables there and draws no image.
    """

    tables: str
    image: str = ""
    last_parts: int = 0
    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ids: tuple[str, ...] = ()
    where: Mapping[str, str] = field(default_factory=dict)
    drawn: str = ""


@dataclass(frozen=True)
class DatasetKind:
    """A kind of data set.

    Attributes:
        name: Value of ``kind`` in a study.
        reader: ``module:function`` from a declaration and a root to a manifest.
        rooted: Whether it reads from a place that the study names; else it is drawn as needed.
        arrays: Whether its images come as arrays, which have their own size until they are cached;
            files are brought to the cache's size as they are decoded.
        task_kinds: Kinds of task that it may hold.
        task_kind_of: By a setting, the kind of task of each of its values, where it decides.
        files: Label tables in the root, whose content is part of a cell.
        tables: ``module:function`` that hashes them where they have no fixed names: from the data
            set's name, its root, its settings and a function that hashes a file, to SHA-256 by
            name. Plain Python.
        columns: Whether the study names columns of its table.
        official: Settings that choose among the data set's own splits; None where it has none.
        patients: Settings with which it says who the patient of an image is; None where it does
            not. An empty mapping: always.
        same: Settings that say which images it holds, where no label table does.
        divides_as: Settings, its kind among them, of a data set that has the same parts: a kind of
            masks names that of labels whose tables (or what is in `same`), and splits, it shares.
        films_of: Kinds of data set some of whose films it may hold, under other names or in a table
            that is not theirs; perhaps its own.
        count: ``module:function`` from a declaration and a root to the number of its images, read
            off without decoding any; an empty string where only decoding tells.
        check: ``module:function`` that refuses settings which contradict each other: from words
            that name the data set, and its settings. Plain Python.
        observers: ``module:function`` from its settings to those under which its reader gives the
            masks of every observer apart (`transfergrid.data.mask_layers.Observers`), or None
            where there is one. Plain Python; an empty string where there never are several.
        described: Where it says more of its images than their labels; None where it does not.
        leads: The settings that lead to its images.
        cites: What to cite for it.
        settings: Its settings beside those of every kind (`SHARED`); a kind that has none has a
            part of its name in the schema's file.
        required: Those of its settings that a study must give.
    """

    name: str
    reader: str
    rooted: bool = True
    arrays: bool = False
    task_kinds: tuple[str, ...] = LABELS
    task_kind_of: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    tables: str = ""
    columns: bool = False
    official: tuple[str, ...] | None = None
    patients: Mapping[str, str] | None = None
    same: tuple[str, ...] = ()
    divides_as: Mapping[str, Any] = field(default_factory=dict)
    films_of: tuple[str, ...] = ()
    count: str = ""
    check: str = ""
    observers: str = ""
    described: Described | None = None
    leads: str = "root"
    cites: str = "cite its own source."
    settings: Mapping[str, Setting] = field(default_factory=dict)
    required: tuple[str, ...] = ()
