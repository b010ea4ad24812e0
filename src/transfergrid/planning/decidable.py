"""What so few networks can never decide, known before anything runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from transfergrid.planning.cells import Cell
from transfergrid.planning.claims import chosen_claims, selected
from transfergrid.planning.needed import networks_needed
from transfergrid.planning.study import Study


def undecidable(study: Study, targets: Collection[Cell]) -> list[str]:
    """Return a sentence for every question and claim that no result of the study can settle.

    That two properties are unrelated is shown by an interval within a margin, which few networks
    never reach.

    Args:
        study: The study, fitted to its slice.
        targets: Cells of its grid.
    """
    alpha = 1 - study.config["evaluation"]["confidence"]
    found = []
    asked = [q for q in study.config["questions"] if q["kind"] == "correlation"]
    for question in asked:
        networks = _networks(targets, question["where"], question)
        if question["margin"] is not None and networks < networks_needed(question["margin"], alpha):
            found.append(
                f"{study.source}: question '{question['name']}' cannot show with {networks} "
                f"networks that there is no relation within ±{question['margin']:g}; that takes "
                f"{networks_needed(question['margin'], alpha)} at least, and more where networks "
                "are of one family."
            )
    lost: dict[tuple[int, str], list[str]] = {}
    for claim, networks in _judged(study, targets, asked):
        if networks < networks_needed(float(claim["bound"]), alpha):
            lost.setdefault((networks, claim["bound"]), []).append(claim["claim"])
    for (networks, bound), names in lost.items():
        margin = float(bound)
        found.append(
            f"{study.source}: {', '.join(names)} cannot be decided with {networks} networks: no "
            f"relation within ±{margin:g} takes {networks_needed(margin, alpha)} at least; a "
            "result can only refute it."
        )
    return found


def _judged(
    study: Study, targets: Collection[Cell], asked: Collection[Mapping[str, Any]]
) -> Iterator[tuple[Mapping[str, str], int]]:
    """Yield each claim of no rank correlation that a question answers, with its networks."""
    claims = chosen_claims(study.config["claims"], str(study.source))
    for claim in claims["claims"]:
        wanted = selected(claim) if claim["rule"] == "none" else {}
        if wanted.get("kind") != "correlation":
            continue
        place = {k: v for k, v in wanted.items() if k not in ("kind", "x", "y", "pretraining")}
        there = [
            cell
            for cell in targets
            if _standing(cell, claims["stands_for"]) == wanted.get("pretraining")
            and all(str(getattr(cell.point, axis)) == value for axis, value in place.items())
            and cell.point.matches(claims["where"])
        ]
        counts = [
            _networks(there, question["where"], question)
            for question in asked
            if (question["x"], question["y"]) == (wanted["x"], wanted["y"])
        ]
        if any(counts):
            yield claim, max(counts)


def _standing(cell: Cell, stands_for: Mapping[str, str]) -> str:
    return stands_for.get(cell.point.pretraining, cell.point.pretraining)


def _networks(
    cells: Collection[Cell], where: Mapping[str, Any], question: Mapping[str, Any]
) -> int:
    """Return the most networks that one correlation of a question is over."""
    groups: dict[tuple[Any, ...], set[str]] = {}
    for cell in cells:
        if not cell.point.matches(where):
            continue
        if question["x"] == "imagenet_top1" and cell.imagenet_top1 is None:
            continue
        point = cell.point
        key = (point.dataset, point.pretraining, point.truncation)
        groups.setdefault(key, set()).add(point.architecture)
    return max(map(len, groups.values()), default=0)
