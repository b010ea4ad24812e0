"""What a critical difference sets apart, for tables and for the diagram, without scipy."""

from __future__ import annotations

from collections.abc import Sequence


def not_different(means: Sequence[float], critical: float) -> list[tuple[int, int]]:
    """Return the bars of a critical-difference diagram.

    Args:
        means: Mean ranks in ascending order.
        critical: Differences up to it are none.

    Returns:
        First and last place of each longest row of methods of which no two differ; rows of one
        method are left out, and none lies within another.
    """
    found: list[tuple[int, int]] = []
    for first, mean in enumerate(means):
        last = max(place for place, other in enumerate(means) if not differ(mean, other, critical))
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def differ(a: float, b: float, critical: float) -> bool:
    """Tell whether two mean ranks are further apart than the critical difference."""
    return abs(a - b) > critical * (1 + 1e-9)
