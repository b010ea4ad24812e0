"""Under which terms an archive's contents stand, as far as anybody has said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfergrid.catalog.kinds import dataset_kind, pretraining_kind
from transfergrid.planning.paths import weights_directory
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.releases import known_releases
from transfergrid.planning.wheels import known_wheels
from transfergrid.reporting.records import json_if_there

UNKNOWN = "not known to TransferGrid: ask its source"


@dataclass(frozen=True)
class Terms:
    """What something stands under.

    Attributes:
        what: What it is.
        licence: Its licence, or `UNKNOWN`.
        cites: What to cite for it.
    """

    what: str
    licence: str
    cites: str


def terms_of_data(study: PlannedStudy) -> Iterator[tuple[str, Terms]]:
    """Yield the terms of a study's data sets by name; none of their films is archived."""
    settings = study.study.config["datasets"]
    own = [cell.point.dataset for cell in study.scored]
    elsewhere = [str(one.made_from["tested_on"]) for one in study.external]
    for name in dict.fromkeys([*own, *elsewhere]):
        kind = str(settings[name]["kind"])
        declared = dataset_kind(kind)
        drawn = declared is not None and not declared.rooted
        licence = "drawn by TransferGrid, free of rights" if drawn else UNKNOWN
        cites = declared.cites if declared else "cite its own source."
        yield name, Terms(f"data set '{name}' ({kind})", licence, cites)


def terms_of_weights(study: PlannedStudy, results: Path) -> Iterator[tuple[str, Terms]]:
    """Yield the terms of released weights from which a study's cells start, by pretraining."""
    settings: Mapping[str, Any] = study.study.config["pretrainings"]
    for name in dict.fromkeys(cell.point.pretraining for cell in study.scored):
        own = settings[name]
        kind = pretraining_kind(own["kind"])
        if kind.start == "borrowed":
            own = settings[own["of"]]
            kind = pretraining_kind(own["kind"])
        if kind.start != "released":
            continue
        ids = dict.fromkeys(c.weights_id for c in study.scored if c.point.pretraining == name)
        found = {_licence(own, weights_id, results) for weights_id in ids}
        cites = kind.cites.format(**{"package": "a package", **own})
        yield name, Terms(f"weights '{name}' ({own['kind']})", "; ".join(sorted(found)), cites)


def _licence(own: Mapping[str, Any], weights_id: str | None, results: Path) -> str:
    """Return the licence of released weights: what was recorded of them, or is listed."""
    proof = (
        json_if_there(weights_directory(weights_id, results) / "proof.json") if weights_id else None
    )
    recorded = (proof or {}).get("licence")
    if recorded:
        return str(recorded)
    wheel = known_wheels().get(own.get("package", ""))
    if wheel is not None:
        return str(wheel["licence"])
    release = known_releases().get(own.get("release", ""))
    return release.licence if release is not None else UNKNOWN


def licences_text(study: PlannedStudy, results: Path, own: str | None) -> str:
    """Return LICENCES.md.

    Args:
        study: The study.
        results: The folder of results.
        own: The licence under which the archive itself is published, if it was said.
    """
    mine = own or "as its authors say; none was named when it was made"
    lines = [
        "# Licences",
        "",
        f"- **This archive** (tables, scores, ensembles, figures, page): {mine}.",
        "- **Workflow** (`workflow/`): Apache-2.0, The TransferGrid contributors.",
    ]
    for _, terms in (*terms_of_data(study), *terms_of_weights(study, results)):
        where = "; no film of it is here" if terms.what.startswith("data set") else ""
        lines.append(f"- **{terms.what}**: {terms.licence}{where}. {terms.cites}")
    lines += [
        "",
        "Networks that were trained from weights, or on data, may be bound by their terms. Read "
        "these before you publish trained weights.",
    ]
    return "\n".join(lines) + "\n"
