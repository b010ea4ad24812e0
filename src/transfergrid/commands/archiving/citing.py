"""How an archive is described and cited: .zenodo.json, CITATION.cff, README.md, packages."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from transfergrid import __version__
from transfergrid.planning.paths import PROJECT

_PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;]+)")


@dataclass(frozen=True)
class About:
    """What is said of an archive.

    Attributes:
        name: The study's name.
        title: Its title.
        description: A sentence or more.
        creators: Who made it, as "Family, Given" or the name of a group; at least one.
        licence: SPDX identifier of its licence, if one was named.
        date: Of its making, YYYY-MM-DD.
    """

    name: str
    title: str
    description: str
    creators: tuple[str, ...]
    licence: str | None
    date: str


KEYWORDS = ("transfer learning", "medical imaging", "benchmark", "reproducibility")


def zenodo(about: About) -> dict[str, Any]:
    """Return .zenodo.json, which Zenodo fills its form from."""
    found: dict[str, Any] = {
        "title": about.title,
        "upload_type": "dataset",
        "description": f"<p>{html.escape(about.description)}</p>",
        "creators": [{"name": name} for name in about.creators],
        "keywords": list(KEYWORDS),
        "publication_date": about.date,
        "version": "1",
        "notes": f"Made with TransferGrid {__version__}. It holds no films.",
    }
    return found | ({"license": about.licence.lower()} if about.licence else {})


def citation(about: About) -> str:
    """Return CITATION.cff: the archive, and the software with the papers that it follows."""
    software = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    own = {key: software[key] for key in ("title", "authors", "version", "license")}
    found: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": "If you use these results, please cite them, and the software and data behind.",
        "type": "dataset",
        "title": about.title,
        "abstract": about.description,
        "authors": [_person(name) for name in about.creators],
        "date-released": about.date,
        "keywords": list(KEYWORDS),
    }
    found |= {"license": about.licence} if about.licence else {}
    found["references"] = [{"type": "software", **own}, *software.get("references", [])]
    return yaml.safe_dump(found, sort_keys=False, allow_unicode=True)


def _person(name: str) -> dict[str, str]:
    family, comma, given = name.partition(",")
    if comma:
        return {"family-names": family.strip(), "given-names": given.strip()}
    return {"name": name}


def bill_of_materials(lock: str) -> dict[str, Any]:
    """Return the packages of a lock as a CycloneDX bill of materials."""
    parts = [
        {
            "type": "library",
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{name.lower().replace('_', '-')}@{version}",
        }
        for name, version in _PIN.findall(lock)
    ]
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": parts}


def readme(
    about: About,
    told: Mapping[str, bool],
    left_out: Sequence[str],
    unknown_splits: Sequence[str],
    models: Sequence[str],
) -> str:
    """Return README.md.

    Args:
        about: What is said of the archive.
        told: By data set, whether its films and patients keep their names.
        left_out: Figures that show films, or may name some.
        unknown_splits: Data sets whose splits are not known any more.
        models: Released cells.
    """
    hidden = [name for name, own in told.items() if not own]
    lines = [f"# {about.title}", "", about.description, "", *_CONTENTS, ""]
    lines.append("No film is in here, and no part of one.")
    if hidden:
        lines.append(
            f"Films, examinations and patients of {', '.join(hidden)} have new names, drawn at "
            "random, alike in all files; `sha256` in `splits/` tells whoever has the films which "
            "is which."
        )
    if left_out:
        lines.append(f"Left out, because they show films or may name some: {', '.join(left_out)}.")
    if unknown_splits:
        lines.append(
            f"Which films {', '.join(unknown_splits)} was trained on is not told: its cache had "
            "been removed. `cells/*/scores` tell which it was validated and tested on."
        )
    if models:
        lines += ["", "## Networks", "", *(f"- [{m}](models/{m}/README.md)" for m in models)]
    return "\n".join(lines) + "\n"


_CONTENTS = (
    "| where | what |",
    "|---|---|",
    "| `report.html` | the results as one page |",
    "| `tables/` | every number of it, as CSV; docs/columns.md of TransferGrid says what is what |",
    "| `figures/` | SVG |",
    "| `ensembles/` | one probability per examination and task, for each selection |",
    "| `cells/` | of each training its specification, records, and the logits of its checkpoints |",
    "| `external/` | where there is one: the same logits on films of other data sets |",
    "| `splits/` | which film was trained, validated or tested on |",
    "| `study.yaml`, `resolved.json` | the study as it was written, and with every default |",
    "| `workflow/` | the workflow: Snakefile, rules, programs; the environment's lock and parts |",
    "| `LICENCES.md` | the terms of all this |",
    "| `ro-crate-metadata.json`, `croissant.json`, `.zenodo.json`, `CITATION.cff` | for machines |",
)
