"""The metrics of segmentation: what each is called, and the code that computes it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from transfergrid.catalog.metric import Choice, Metric, Setting

LEAST_PATIENTS = 50
"""With fewer, an interval is flagged: values such as Dice are skewed, and few show their tail."""

_OVER = {
    "": ("", "each patient's films are averaged, then the patients"),
    "_by_film": (", mean over films", "the mean over films, however many a patient has"),
    "_pooled": (
        ", pooled",
        "the pixels of all films are counted together, so that a film both of whose masks are "
        "empty adds nothing",
    ),
}


_EMPTY = Choice("empty", "score", ("score", "skip"))


@dataclass(frozen=True)
class _Measure:
    """What the metrics have in common that differ in what they are a mean over."""

    name: str
    title: str
    note: str
    states: str
    source: str
    over: tuple[str, ...] = tuple(_OVER)
    settings: tuple[Setting | Choice, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)

    def metrics(self) -> tuple[Metric, ...]:
        """Return one metric for each."""
        return tuple(
            Metric(
                name=self.name + suffix,
                title=self.title + _OVER[suffix][0],
                task_kinds=("segmentation",),
                function=f"transfergrid.metrics.mask_metrics:{self.name}{suffix}",
                interval="transfergrid.metrics.intervals:share_bounds",
                # Pixels of empty masks are none, so it makes no difference to what is pooled.
                settings=self.settings + ((_EMPTY,) if suffix != "_pooled" else ()),
                note="; ".join(filter(None, self._told(suffix))),
                source=self.source,
                least_patients=LEAST_PATIENTS,
                **self.more,
            )
            for suffix in self.over
        )

    def _told(self, suffix: str) -> tuple[str, ...]:
        if suffix == "_pooled":
            return self.note, _OVER[suffix][1]
        empty = "empty: {empty} (skip leaves out films both of whose masks are empty)"
        return self.note, self.states, _OVER[suffix][1], empty


_MEASURES = (
    _Measure(
        "dice",
        "Dice",
        "",
        "of a film, 1 where both masks are empty, 0 where one is",
        "Dice 1945, Ecology 26:297-302",
    ),
    _Measure(
        "iou",
        "Intersection over union",
        "",
        "of a film, 1 where both masks are empty, 0 where one is",
        "Jaccard 1912, New Phytologist 11:37-50",
    ),
    _Measure(
        "pixel_sensitivity",
        "Sensitivity of pixels",
        "",
        "of a film, 1 where the structure is not there, as there is nothing to miss",
        "Taha and Hanbury 2015, BMC Medical Imaging 15:29",
    ),
    _Measure(
        "pixel_precision",
        "Precision of pixels",
        "",
        "of a film, 1 where both masks are empty, 0 where one is",
        "Taha and Hanbury 2015, BMC Medical Imaging 15:29",
    ),
    _Measure(
        "surface_dice",
        "Surface Dice at {tolerance:g}",
        "the share of both outlines' pixels that lie within {tolerance:g} of the other, in mm "
        "where spacing is known and in pixels otherwise",
        "of a film, 1 where both masks are empty, 0 where one is",
        "Nikolov and others 2018, arXiv:1809.04430",
        settings=(Setting("tolerance", 2.0, 0.0, math.inf),),
        more={"outlines": True},
    ),
    _Measure(
        "hd95",
        "HD95",
        "the larger of the two directed 95th percentiles, in mm where spacing is known and in "
        "pixels otherwise",
        "of a film, 0 where both masks are empty, the image's diagonal where one is",
        "Huttenlocher, Klanderman and Rucklidge 1993, IEEE TPAMI 15:850-863",
        over=("", "_by_film"),
        more={"higher_is_better": False, "range": (0.0, math.inf), "outlines": True},
    ),
)

MASK_METRICS: tuple[Metric, ...] = tuple(
    metric for measure in _MEASURES for metric in measure.metrics()
)
"""Every metric that compares masks."""
