"""What has to be known of a metric to judge differences in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Scale:
    """What has to be known of a metric to judge differences in it.

    Attributes:
        name: Its name in the study.
        sign: 1 where higher is better, -1 where lower is.
        width: How far two values can be apart at most; infinite where it has no bound.
        fixed: What its values take as given beside the model, such as operating points, or empty.
        roc_area: Whether it is the area under the ROC curve.
        no_skill: Its value for scores that say nothing; None where that depends on the data.
    """

    name: str
    sign: int
    width: float
    fixed: str = ""
    roc_area: bool = False
    no_skill: float | None = None

    @classmethod
    def of(cls, declaration: Mapping[str, Any]) -> Scale:
        """Return the scale of a declared metric, as stamps hold it."""
        low, high = declaration["range"]
        return cls(
            name=declaration["name"],
            sign=1 if declaration["higher_is_better"] else -1,
            width=math.inf if low is None or high is None else float(high) - float(low),
            fixed=OPERATING_POINTS if declaration.get("operating_point") else "",
            roc_area=declaration["roc_area"],
            no_skill=declaration.get("no_skill"),
        )


OPERATING_POINTS = "operating points from validation scores"
"""What the interval of a metric with a threshold takes as given."""
