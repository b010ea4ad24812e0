"""A cell's learning curve: out of history.jsonl, and as a small inline SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from transfergrid.reporting.metric_words import MetricWords
from transfergrid.reporting.words import scaled
from transfergrid.reporting.words import score as printed


def curve_of(
    history: Iterable[Mapping[str, Any]], field: str = "valid_score"
) -> list[tuple[float, float]]:
    """Return (training examples seen, value of a field) of each validation with a number."""
    points = []
    for line in history:
        examples, score = line.get("examples"), line.get(field)
        if examples is not None and score is not None and math.isfinite(score):
            points.append((float(examples), float(score)))
    return points


def sparkline(
    points: Sequence[tuple[float, float]],
    low: float,
    high: float,
    metric: MetricWords,
    width: int = 320,
    height: int = 120,
) -> str:
    """Draw a learning curve as an SVG element of a few hundred bytes.

    Args:
        points: (examples, score) in order.
        low: Score at the bottom, the same for all cells of a page and metric.
        high: Score at the top.
        metric: What the score is called, and which way is better.
        width: Width in CSS pixels; it scales down with the page.
        height: Height in CSS pixels.

    Returns:
        The element; of a single point a sentence, and an empty string without points.
    """
    if not points:
        return ""
    if len(points) == 1:
        ((seen, score),) = points
        told = f"One validation, after {scaled(seen)} training examples: {printed(score)}."
        return f'<p class="quiet">{told}</p>'
    best = (max if metric.higher_is_better else min)(range(len(points)), key=lambda i: points[i][1])
    label = (
        f"Validation {metric.inline} from {printed(points[0][1])} to {printed(points[-1][1])} over "
        f"{scaled(points[-1][0])} training examples, best {printed(points[best][1])}."
    )
    return _drawn(points, best, label, (low, high), (width, height))


def _drawn(
    points: Sequence[tuple[float, float]],
    best: int,
    label: str,
    ends: tuple[float, float],
    size: tuple[int, int],
) -> str:
    """Return the SVG element: both axes, the curve, and a dot at its best point."""
    (low, high), (width, height) = ends, size
    left, right, top, bottom = 40, 12, 10, 24
    last = max(x for x, _ in points) or 1.0
    span = max(high - low, 1e-9)

    def place(x: float, y: float) -> tuple[float, float]:
        across = left + (width - left - right) * x / last
        return across, top + (height - top - bottom) * (1 - (y - low) / span)

    spots = [place(x, y) for x, y in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
    base, ceiling = height - bottom, top
    return (
        f'<svg class="curve" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label)}">'
        f'<path class="axis" d="M{left} {ceiling}V{base}H{width - right}"/>'
        f'<text x="{left - 6}" y="{ceiling + 4}" class="end">{high:.2f}</text>'
        f'<text x="{left - 6}" y="{base}" class="end">{low:.2f}</text>'
        f'<text x="{left}" y="{height - 6}">0</text>'
        f'<text x="{width - right}" y="{height - 6}" class="end">{scaled(last)} examples</text>'
        f'<polyline points="{path}"/>'
        f'<circle cx="{spots[best][0]:.1f}" cy="{spots[best][1]:.1f}" r="3.5"/></svg>'
    )
