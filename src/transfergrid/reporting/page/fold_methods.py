"""How data sets were cut into folds, and what is said of all folds together, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transfergrid.reporting.words import listing, percent


def divided(folds: Mapping[str, Any]) -> str:
    """Describe how a data set was cut into folds, and which patients are trained on."""
    if folds.get("file"):
        return (
            f"The folds are those of {folds['file']}, which says for each image and fold what it "
            "is for; every image is tested in one fold."
        )
    if folds.get("column"):
        how = f"The folds are those of the column {folds['column']}"
    else:
        by = {"patient": "by patient", "group": "by group", "stratified": "by label"}
        drawn = by.get(str(folds.get("by")), "whole patients together")
        how = f"The folds were drawn {drawn} (seed {folds.get('seed', 0)})"
    share = folds.get("valid", "next")
    valid = (
        "the next fold's part" if share == "next" else f"{percent(float(share), 0)} of the others"
    )
    return (
        f"{how}: each part is tested by a network that has learned from the other parts, but for "
        f"{valid}, which chose its checkpoints."
    )


def pooled(study: Mapping[str, Any]) -> list[str]:
    """Describe what is pooled over folds; nothing where no data set has any.

    Args:
        study: The study's JSON.
    """
    settings = study["resolved"].get("datasets", {})
    targets = dict.fromkeys(e["dataset"] for e in study["cells"] if e["role"] == "target")
    folded = [name for name in targets if settings.get(name, {}).get("folds")]
    if not folded:
        return []
    return [
        f"On {listing(folded)} the score of a network and seed is, task by task, the mean over "
        "folds of each fold's score; folds weigh the same, and scores of two folds, whose networks "
        "differ, are never ranked together. A fold whose patients lack a class of a task, or have "
        "a single patient of it, is left out of that task's mean, and named.",
        "Influence values are summed by patient over all folds, so a patient counts once. "
        "Intervals are those of these networks, seen through other patients: there is one division "
        "into folds.",
        "Folds share training patients, so no test takes them for a sample or for blocks; Nadeau "
        "and Bengio's corrected test over folds stands in sensitivity.csv.",
    ]
