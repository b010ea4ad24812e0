"""Published claims and the rules that judge them, fixed in resources/claims.csv."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from transfergrid.planning.paths import RESOURCES
from transfergrid.planning.wanted import each
from transfergrid.runtime.errors import UserError, listed, suggest

_DICE = re.compile(r"transfergrid\.metrics\.mask_metrics:dice(_|$)")
Claim = Mapping[str, str]
"""One row of resources/claims.csv."""


@cache
def known_claims() -> Mapping[str, Claim]:
    """Return the rows of resources/claims.csv by id."""
    with open(RESOURCES / "claims.csv", newline="", encoding="utf-8") as file:
        return {row["claim"]: row for row in csv.DictReader(file)}


@cache
def digitised_points() -> tuple[Mapping[str, str], ...]:
    """Return the AUROCs that were read off published figures: resources/chextransfer_fig1.csv.

    Their grade is "digitised": they may be shown as such, but never as published.
    """
    with open(RESOURCES / "chextransfer_fig1.csv", newline="", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


@cache
def first_version() -> tuple[Mapping[str, str], ...]:
    """Return the numbers of a study's first version: resources/radimagenet_replication_v1.csv.

    Means over folds, computed from the tables that its authors released. They are never the
    paper's final numbers, and are shown under `FIRST_VERSION`.
    """
    with open(RESOURCES / "radimagenet_replication_v1.csv", newline="", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


@cache
def published_similarities() -> tuple[Mapping[str, str], ...]:
    """Return similarities that were read off published figures: resources/transfusion_cca.csv.

    Their grade is "digitised", as that of `digitised_points`.
    """
    with open(RESOURCES / "transfusion_cca.csv", newline="", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


@cache
def published_scores() -> tuple[Mapping[str, str], ...]:
    """Return a study's means and standard deviations: resources/systematic_2021.csv.

    The data set is named as the column `task` is in small letters. Those with the grade "digitised"
    were read off figures.
    """
    with open(RESOURCES / "systematic_2021.csv", newline="", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


def chosen_claims(setting: Any, source: str) -> dict[str, Any]:
    """Return the claims that a study judges.

    Args:
        setting: The study's key `claims`: the name of a published study, a list of claim ids, or a
            mapping of `about` (either of these), `where` (the cells that count) and `stands_for`
            (own pretraining -> that of the claims).
        source: The study's file, for messages.

    Returns:
        `claims`, whole rows in the table's order, `where`, `stands_for`, and `points`, the networks
        in those studies' figures, `first_version`, the numbers of their first versions,
        `similarities`, what their figures say of networks' similarity, and `scores`, those of
        their tables and figures.

    Raises:
        UserError: There is no such study or claim.
    """
    known = known_claims()
    settings = setting if isinstance(setting, Mapping) else {"about": setting}
    about = settings["about"]
    if isinstance(about, str):
        names = list(dict.fromkeys(row["study"] for row in known.values()))
        if about not in names:
            raise UserError(
                f"{source}: claims names the study '{about}'{suggest(about, names)}; "
                f"resources/claims.csv has {listed(names)}."
            )
        wanted = {name for name, row in known.items() if row["study"] == about}
    else:
        wanted = set(about)
        for name in about:
            if name not in known:
                raise UserError(
                    f"{source}: there is no claim '{name}'{suggest(name, list(known))}; "
                    "resources/claims.csv lists them all."
                )
    claims = [dict(row) for name, row in known.items() if name in wanted]
    studies = {claim["study"] for claim in claims}
    return {
        "claims": claims,
        "points": [dict(point) for point in digitised_points() if point["study"] in studies],
        "first_version": [dict(one) for one in first_version() if one["study"] in studies],
        "similarities": [dict(one) for one in published_similarities() if one["study"] in studies],
        "scores": [dict(one) for one in published_scores() if one["study"] in studies],
        "where": dict(settings.get("where", {})),
        "stands_for": dict(settings.get("stands_for", {})),
    }


def counts(place: Mapping[Any, Any], where: Mapping[str, Any]) -> bool:
    """Tell whether what lies at a place counts, as the key `where` of a study's claims has it.

    Args:
        place: Axis -> its value, or several values, of which all have to be wanted. An axis that
            it lacks is no obstacle: what is known there is of all of its values.
        where: The values that are wanted, by axis.
    """
    return all(
        {*map(str, each(place.get(axis, wanted)))} <= {*map(str, each(wanted))}
        for axis, wanted in where.items()
    )


def claimed_metrics(metrics: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the metrics of a study that published numbers are about: areas under the ROC curve.

    Args:
        metrics: Declarations by name.
    """
    return [name for name, metric in metrics.items() if metric["roc_area"]]


def dice_metrics(metrics: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the metrics of a study that are Dice, whatever it is a mean over.

    Args:
        metrics: Declarations by name.
    """
    return [name for name, metric in metrics.items() if _DICE.match(metric.get("function", ""))]


def metrics_of(claim: Claim, metrics: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the metrics of a study that a claim is about.

    Its column `select` names one or several, joined by a plus; ``auroc`` stands for all areas under
    the ROC curve, ``dice`` for every Dice. Without a name it is ``auroc``.

    Args:
        claim: With a rule.
        metrics: Declarations by name.
    """
    kinds = {"auroc": claimed_metrics(metrics), "dice": dice_metrics(metrics)}
    named = selected(claim).get("metric", "auroc").split("+")
    return [metric for name in named for metric in kinds.get(name, [name])]


def selected(claim: Claim) -> dict[str, str]:
    """Return what a claim's evidence must be: the pairs ``key=value`` in its column `select`."""
    return dict(part.split("=", 1) for part in claim["select"].split())
