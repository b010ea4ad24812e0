"""A study that shares networks with the paper's own figure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from transfergrid.planning.claims import digitised_points
from transfergrid.reporting.figures.data import FigureData
from transfergrid.statistics.panels import NAME


def against_the_papers_figure(data: FigureData) -> FigureData:
    """Name four made-up networks after some of the paper's, in both arms."""
    points = list(digitised_points())
    names = {"imagenet": ["resnet18", "resnet50", "densenet121", "inception_v4"], "random": []}
    names["random"] = names["imagenet"][:3]
    cells, findings = [], []
    first = data.finished.iloc[0]
    for arm, pretraining in (("imagenet", "shapes"), ("random", "random")):
        for number, name in enumerate(names[arm]):
            row = {"architecture": name, "pretraining": pretraining, "truncation": 0}
            scores = {"score": 0.7 + 0.01 * number, "score_low": 0.6, "score_high": 0.9}
            cells.append({**first, **row, **scores, "cell": f"{arm}{number}"})
        same: dict[str, Any] = {"question": NAME, "kind": "published", "subject": arm}
        same |= {"metric": "auroc", "n_families": 3}
        numbers = {"value": 0.8, "low": -0.1, "high": 0.98, "n": len(names[arm])}
        findings += [{**same, **numbers, "quantity": "rank_correlation"}]
        findings += [{**same, "value": -0.13, "n": 4, "quantity": "mean_difference"}]
    asked = {"points": points, "where": {}, "stands_for": {"shapes": "imagenet"}}
    return replace(data, cells=pd.DataFrame(cells), findings=pd.DataFrame(findings), asked=asked)
