"""How to cite a study's page: the software, the protocol, the data and the weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from transfergrid.catalog.kinds import dataset_kind, pretraining_kind
from transfergrid.planning.paths import PROJECT

OWN_DATA = "cite its own source."


def citations(
    study: Mapping[str, Any],
    cards: Mapping[str, Mapping[str, Any]],
    version: str,
    commit: str | None,
    path: Path = PROJECT / "CITATION.cff",
) -> list[tuple[str, str]]:
    """Return (what, reference) pairs: software, study, related papers, data, weights.

    Args:
        study: The study's JSON.
        cards: Per dataset its card.json.
        version: Version of TransferGrid.
        commit: Its commit, where known.
        path: CITATION.cff.
    """
    software = yaml.safe_load(path.read_text(encoding="utf-8"))
    at = f", commit {commit[:12]}" if commit else ""
    pairs = [
        ("Software", f"{_people(software)}. {software['title']}. Version {version}{at}."),
        ("Study", f"{study['title']} (study “{study['name']}”, configuration above)."),
    ]
    pairs += [("Protocol", reference(entry)) for entry in software.get("references", [])]
    settings = study["resolved"].get("datasets", {})
    elsewhere = (name for b in study["resolved"].get("external", ()) for name in b["tested_on"])
    for name in dict.fromkeys([*(entry["dataset"] for entry in study["cells"]), *elsewhere]):
        kind = cards.get(name, {}).get("kind") or settings.get(name, {}).get("kind", "")
        declared = dataset_kind(str(kind))
        pairs.append((f"Data: {name}", declared.cites if declared else OWN_DATA))
    pairs += _weights(study)
    return pairs


def _weights(study: Mapping[str, Any]) -> list[tuple[str, str]]:
    settings = study["resolved"].get("pretrainings", {})
    used = dict.fromkeys(entry["pretraining"] for entry in study["cells"])
    found = []
    for name in used:
        entry = settings.get(name, {})
        if pretraining_kind(entry.get("kind", "random")).start == "borrowed":
            entry = settings.get(entry.get("of"), {})
        cites = pretraining_kind(entry.get("kind", "random")).cites
        if cites:
            told = cites.format(**{"package": "a package", **entry})
            found.append((f"Weights: {name}", told))
    return found


def reference(entry: Mapping[str, Any]) -> str:
    """Print one entry of a CITATION.cff as a reference."""
    text = f"{_people(entry)}. {entry['title']}."
    place = ", ".join(str(entry[key]) for key in ("collection-title", "year") if key in entry)
    text += f" {place}." if place else ""
    return f"{text} doi:{entry['doi']}" if "doi" in entry else text


def _people(entry: Mapping[str, Any]) -> str:
    names = []
    for person in entry.get("authors", []):
        initials = "".join(word[0] for word in str(person.get("given-names", "")).split())
        names.append(str(person.get("name") or f"{person['family-names']} {initials}").strip())
    return ", ".join(names)
