"""Labels of the phantom's films as CheXpert publishes them: read from reports, errors included.

Training labels are what a labeller would have found in a report: mentions missed, hedged (-1) or
invented, absences mostly not mentioned (blank). Validation and test labels are the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfergrid.data.phantom_cohort import Film, generator, truth


@dataclass(frozen=True)
class Report:
    """Chances that a report mentions a sign in a certain way.

    Attributes:
        hedged: Chance of -1 if the sign is there.
        missed: Chance of a blank or 0 if it is there.
        invented: Chance of 1 if it is not.
        suspected: Chance of -1 if it is not.
        denied: Chance of an explicit 0 if it is not.
    """

    hedged: float
    missed: float
    invented: float
    suspected: float
    denied: float


REPORTS = {
    "Enlarged Cardiomediastinum": Report(0.20, 0.45, 0.02, 0.03, 0.10),
    "Cardiomegaly": Report(0.07, 0.10, 0.02, 0.02, 0.08),
    "Lung Opacity": Report(0.03, 0.12, 0.05, 0.02, 0.05),
    "Lung Lesion": Report(0.04, 0.15, 0.01, 0.01, 0.02),
    "Edema": Report(0.09, 0.08, 0.03, 0.05, 0.15),
    "Consolidation": Report(0.22, 0.12, 0.02, 0.07, 0.20),
    "Pneumonia": Report(0.40, 0.15, 0.01, 0.07, 0.04),
    "Atelectasis": Report(0.22, 0.12, 0.03, 0.09, 0.01),
    "Pneumothorax": Report(0.03, 0.06, 0.01, 0.01, 0.28),
    "Pleural Effusion": Report(0.06, 0.07, 0.03, 0.05, 0.25),
    "Pleural Other": Report(0.15, 0.20, 0.01, 0.01, 0.01),
    "Fracture": Report(0.03, 0.20, 0.01, 0.00, 0.04),
    "Support Devices": Report(0.01, 0.05, 0.01, 0.00, 0.06),
}
"""Chances close to the shares of 1, 0, -1 and blank in the published training table."""


def labels(seed: int, film: Film) -> dict[str, float]:
    """Return a film's labels by published name; NaN stands for blank.

    The views of a study have the same labels, because they share a report. For a training film, No
    Finding is 1 if the report mentions nothing but support devices, and blank otherwise.
    """
    true = truth(film)
    if film.split != "train":
        return true
    draw = generator(seed, film.split, film.patient, film.study, "report")
    found = {name: _reported(draw, REPORTS[name], true[name] == 1.0) for name in REPORTS}
    mentioned = [v for name, v in found.items() if name != "Support Devices" and v in (1.0, -1.0)]
    return found | {"No Finding": float("nan") if mentioned else 1.0}


def _reported(draw: np.random.Generator, report: Report, present: bool) -> float:
    chance, denied = draw.random(2)
    blank = 0.0 if denied < report.denied else float("nan")
    hedged, other = (
        (report.hedged, report.missed) if present else (report.suspected, report.invented)
    )
    if chance < hedged:
        return -1.0
    if chance < hedged + other:
        return blank if present else 1.0
    return 1.0 if present else blank
