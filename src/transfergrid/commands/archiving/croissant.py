"""Croissant: an archive's tables for tools that load data sets by their description (1.0)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from transfergrid.catalog.tables import TABLES
from transfergrid.commands.archiving.citing import KEYWORDS, About
from transfergrid.reporting.tables.files import read_table
from transfergrid.runtime.hashing import sha256_file

FILE = "croissant.json"
CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{
        name: f"cr:{name}"
        for name in (
            *("citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty"),
            *("fileObject", "fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key"),
            *("md5", "parentField", "path", "recordSet", "references", "regex", "repeated"),
            *("replace", "samplingRate", "separator", "source", "subField", "transform"),
        )
    },
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "sc": "https://schema.org/",
}
"""The terms of Croissant 1.0, written out: a validator without a network cannot look them up."""
_MEANINGS = {
    (table.name, name): column.meaning
    for table in TABLES
    for column in table.columns
    for name in column.names
}


def croissant(about: About, folder: Path, tables: Sequence[str]) -> dict[str, Any]:
    """Return croissant.json of the tables of an archive that have rows.

    Args:
        about: What is said of the archive.
        folder: The archive.
        tables: Names of its tables.
    """
    found = {name: read_table(folder / "tables" / f"{name}.csv") for name in tables}
    filled = {name: table for name, table in found.items() if len(table)}
    meta: dict[str, Any] = {
        "@context": dict(CONTEXT),
        "@type": "sc:Dataset",
        "name": re.sub(r"[^A-Za-z0-9_-]", "_", about.name),
        "description": about.description,
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "datePublished": about.date,
        "version": "1.0.0",
        "url": ".",
        "keywords": list(KEYWORDS),
        "creator": [_creator(name) for name in about.creators],
        "citeAs": f"{'; '.join(about.creators)}. {about.title}. {about.date[:4]}.",
        "license": f"https://spdx.org/licenses/{about.licence}" if about.licence else "LICENCES.md",
        "distribution": [_file(folder, name) for name in filled],
        "recordSet": [_records(name, table) for name, table in filled.items()],
    }
    return meta


def _creator(name: str) -> dict[str, str]:
    return {"@type": "sc:Person" if "," in name else "sc:Organization", "name": name}


def _file(folder: Path, name: str) -> dict[str, Any]:
    path = folder / "tables" / f"{name}.csv"
    return {
        "@type": "cr:FileObject",
        "@id": f"{name}.csv",
        "name": f"{name}.csv",
        "contentUrl": f"tables/{name}.csv",
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": "text/csv",
        "sha256": sha256_file(path),
    }


def _records(name: str, table: pd.DataFrame) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{column}",
                "name": str(column),
                "description": _MEANINGS.get((name, str(column)), str(column)),
                "dataType": _type_of(table[column]),
                "source": {
                    "fileObject": {"@id": f"{name}.csv"},
                    "extract": {"column": str(column)},
                },
            }
            for column in table.columns
        ],
    }


def _type_of(column: pd.Series) -> str:
    if pd.api.types.is_bool_dtype(column):
        return "sc:Boolean"
    if pd.api.types.is_integer_dtype(column):
        return "sc:Integer"
    # Columns with empty fields are read as floats or, where all are empty, as such.
    return "sc:Float" if pd.api.types.is_float_dtype(column) and column.notna().any() else "sc:Text"
