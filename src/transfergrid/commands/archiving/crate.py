"""An archive described as the run of a workflow: Workflow Run Crate 0.5 of RO-Crate 1.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfergrid import __version__
from transfergrid.commands.archiving.citing import About

FILE = "ro-crate-metadata.json"
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
WORKFLOW = "workflow/Snakefile"
_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
_SNAKEMAKE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
_MEDIA = {
    **{".csv": "text/csv", ".html": "text/html", ".svg": "image/svg+xml", ".md": "text/markdown"},
    **{".json": "application/json", ".yaml": "application/yaml", ".cff": "application/yaml"},
}
_ARCHIVED = (
    *("README.md", "LICENCES.md", "CITATION.cff", ".zenodo.json", "croissant.json"),
    "resolved.json",
)
"""Files that are made with the archive, and neither taken nor made by the run."""
_TOLD = {
    "tables/": "Every number of the report, as CSV",
    "figures/": "Figures without films",
    "ensembles/": "One probability per examination and task, for each selection",
    "cells/": "Specification, records and scores of each training",
    "external/": "Logits of networks on films of other data sets",
    "splits/": "Which film was trained, validated or tested on",
    "models/": "Networks that can be loaded, each with a model card",
    "workflow/workflow/": "Rules, programs, schemas and templates that the Snakefile includes",
    "workflow/envs/": "The environment that rules name for conda",
}

Entity = dict[str, Any]


@dataclass(frozen=True)
class Ran:
    """What is known of the run.

    Attributes:
        start: When a job of its cells first noted something, ISO 8601, if that is known.
        end: When one last did; tables and page follow.
        snakemake: Version of Snakemake that trained the first cell, if it was recorded.
        commit: The project's commit then, if it was recorded.
    """

    start: str | None
    end: str | None
    snakemake: str | None
    commit: str | None


def crate(about: About, ran: Ran, folder: Path) -> dict[str, Any]:
    """Return ro-crate-metadata.json of what lies in a folder.

    Files at its top are described one by one, folders as wholes.
    """
    files = sorted(p.name for p in folder.iterdir() if p.is_file() and p.name != FILE)
    folders = sorted(f"{p.name}/" for p in folder.iterdir() if p.is_dir() and p.name != "workflow")
    inside = list((folder / "workflow").iterdir())
    others = sorted(f"workflow/{p.name}" for p in inside if p.is_file())
    code = sorted(f"workflow/{p.name}/" for p in inside if p.is_dir())
    parts = [*files, *folders, *others, *code]
    people = [f"#creator{number}" for number in range(len(about.creators))]
    graph = [
        _descriptor(),
        _root(about, parts, people),
        *(_profile(uri, *told) for uri, told in _PROFILES.items()),
        *_workflow(ran),
        _action(about, ran, parts, people),
        *(_file(folder, name) for name in (*files, *others) if name != WORKFLOW),
        *(
            {"@id": name, "@type": "Dataset", "name": name, "description": _TOLD.get(name, name)}
            for name in (*folders, *code)
        ),
        *(_creator(ident, name) for ident, name in zip(people, about.creators, strict=True)),
        *_licence(about),
    ]
    return {"@context": CONTEXT, "@graph": graph}


def _refer(names: Sequence[str]) -> list[Entity]:
    return [{"@id": name} for name in names]


def _descriptor() -> Entity:
    return {
        "@id": FILE,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": _refer(
            ["https://w3id.org/ro/crate/1.1", "https://w3id.org/workflowhub/workflow-ro-crate/1.0"]
        ),
    }


def _root(about: About, parts: Sequence[str], people: Sequence[str]) -> Entity:
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": about.title,
        "description": about.description,
        "datePublished": about.date,
        "license": {"@id": _licence_id(about)},
        "creator": _refer(people),
        "conformsTo": _refer(list(_PROFILES)),
        "mainEntity": {"@id": WORKFLOW},
        "mentions": {"@id": "#run"},
        "hasPart": _refer(parts),
    }


def _profile(uri: str, name: str, version: str) -> Entity:
    return {"@id": uri, "@type": "CreativeWork", "name": name, "version": version}


def _workflow(ran: Ran) -> list[Entity]:
    """Return the workflow, what it takes and makes, and its language."""
    parameters = {
        "#study": ("study", "File", "study.yaml", "What is compared"),
        "#tables": ("tables", "Dataset", "tables/", "Every number of the report"),
        "#page": ("page", "File", "report.html", "The report"),
    }
    return [
        {
            "@id": WORKFLOW,
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
            "name": "TransferGrid",
            "description": "Grids of transfer-learning experiments on medical images; its files "
            "are as they were when this archive was made",
            "version": f"{__version__}{f', commit {ran.commit}' if ran.commit else ''}",
            "programmingLanguage": {"@id": _SNAKEMAKE},
            "license": "Apache-2.0",
            "input": _refer(["#study"]),
            "output": _refer(["#tables", "#page"]),
        },
        *(
            {
                "@id": ident,
                "@type": "FormalParameter",
                "conformsTo": {
                    "@id": "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"
                },
                "name": name,
                "description": told,
                "additionalType": kind,
                "workExample": {"@id": file},
                "valueRequired": ident == "#study",
            }
            for ident, (name, kind, file, told) in parameters.items()
        ),
        {
            "@id": _SNAKEMAKE,
            "@type": "ComputerLanguage",
            "name": "Snakemake",
            "identifier": {"@id": "https://doi.org/10.1093/bioinformatics/bts480"},
            "url": {"@id": "https://snakemake.github.io"},
            **({"version": ran.snakemake} if ran.snakemake else {}),
        },
    ]


def _action(about: About, ran: Ran, parts: Sequence[str], people: Sequence[str]) -> Entity:
    given = ("study.yaml", "workflow/requirements.lock")
    made = [part for part in parts if part not in (*given, *_ARCHIVED)]
    times = {"startTime": ran.start, "endTime": ran.end}
    return {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"Run of study {about.name}",
        "description": f"TransferGrid ran study {about.name} with Snakemake.",
        "instrument": {"@id": WORKFLOW},
        "agent": _refer(people),
        **{name: time for name, time in times.items() if time},
        "actionStatus": "http://schema.org/CompletedActionStatus",
        "object": _refer([part for part in parts if part in given]),
        "result": _refer([part for part in made if not part.startswith("workflow/")]),
    }


def _file(folder: Path, name: str) -> Entity:
    media = _MEDIA.get(Path(name).suffix)
    found: Entity = {
        "@id": name,
        "@type": "File",
        "name": name,
        "contentSize": str((folder / name).stat().st_size),
    }
    examples = {"study.yaml": "#study", "report.html": "#page"}
    return {
        **found,
        **({"encodingFormat": media} if media else {}),
        **({"exampleOfWork": {"@id": examples[name]}} if name in examples else {}),
    }


def _creator(ident: str, name: str) -> Entity:
    family, comma, given = name.partition(",")
    if comma:
        told = f"{given.strip()} {family.strip()}"
        return {"@id": ident, "@type": "Person", "name": told}
    return {"@id": ident, "@type": "Organization", "name": name}


def _licence_id(about: About) -> str:
    return f"https://spdx.org/licenses/{about.licence}" if about.licence else "#terms"


def _licence(about: About) -> list[Entity]:
    told: Mapping[str, str] = {
        "name": about.licence or "as its authors say",
        "description": "The terms of data and weights are in LICENCES.md.",
    }
    return [{"@id": _licence_id(about), "@type": "CreativeWork", **told}]
