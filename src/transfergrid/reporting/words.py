"""Numbers as the page prints them: three decimals for a score, true minus signs, units."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

NOTHING = "–"


def known(value: Any) -> bool:
    """Tell whether a table's value is there: not None, not NaN, not an empty string."""
    if value is None or value == "":
        return False
    return not (isinstance(value, float) and math.isnan(value))


def capital(text: str) -> str:
    """Return a text with a large first letter."""
    return text[:1].upper() + text[1:]


def score(value: Any) -> str:
    """Print a score with three decimals; NaN and None as a dash."""
    return f"{float(value):.3f}".replace("-", "−") if known(value) else NOTHING


def score_interval(value: Any, low: Any, high: Any) -> str:
    """Print ``0.812 (0.771–0.846)``, or ``−0.1 (−0.2 to 0.1)``; without an interval the value."""
    if not (known(value) and known(low) and known(high)):
        return score(value)
    between = " to " if float(low) < 0 else "–"
    return f"{score(value)} ({score(low)}{between}{score(high)})"


def signed(value: Any, decimals: int = 3) -> str:
    """Print a number with its sign and a true minus sign; NaN and None as a dash."""
    if not known(value):
        return NOTHING
    text = f"{float(value):+.{decimals}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", "−")


def difference(value: Any, low: Any, high: Any, decimals: int = 3) -> str:
    """Print ``+0.034 (−0.002 to +0.056)``; without an interval the value alone."""
    if not (known(low) and known(high)):
        return signed(value, decimals)
    ends = f"{signed(low, decimals)} to {signed(high, decimals)}"
    return f"{signed(value, decimals)} ({ends})"


def size(value: Any, low: Any, high: Any, decimals: int = 3) -> str:
    """Print a difference without its sign, as ``0.012 (0.004 to 0.020)``, its ends in its own way.

    A negative difference of which the sentence says "lower" has the ends that "lower by" has.
    """
    sign = -1 if float(value) < 0 else 1
    ends = sorted((sign * float(low), sign * float(high)))
    first, last = (f"{end:.{decimals}f}".replace("-", "−") for end in ends)
    return f"{sign * float(value):.{decimals}f} ({first} to {last})"


def number(value: Any) -> str:
    """Print a number of any size with three digits, text as it is; NaN and None as a dash."""
    if not known(value):
        return NOTHING
    try:
        found = float(value)
    except ValueError:
        return str(value)
    if math.isinf(found):
        return "∞" if found > 0 else "−∞"
    if found and not 1e-3 <= abs(found) < 1e4:
        return scaled(found) if abs(found) >= 1 else f"{found:.1e}".replace("-", "−")
    if abs(found) >= 999.5:
        return count(found).replace("-", "−")
    return f"{found:.3g}".replace("-", "−")


def range_of(low: Any, high: Any) -> str:
    """Print ``0.12 to 0.45``; an empty string without both bounds."""
    return f"{number(low)} to {number(high)}" if known(low) and known(high) else ""


def p_value(value: Any) -> str:
    """Print ``p = 0.034`` or ``p < 0.001``; NaN and None as an empty string."""
    if not known(value):
        return ""
    return "p < 0.001" if float(value) < 0.001 else f"p = {float(value):.3f}"


def count(value: Any) -> str:
    """Print a whole number with thin spaces between thousands; NaN and None as a dash."""
    return f"{round(float(value)):,}".replace(",", "\u202f") if known(value) else NOTHING


def scaled(value: Any) -> str:
    """Print a large number with three digits and k, M or G; NaN and None as a dash."""
    if not known(value):
        return NOTHING
    number = float(value)
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:.3g}\u202f{unit}"
    return f"{number:.3g}"


def seconds(value: Any) -> str:
    """Print a duration as ``45 s``, ``3 min 20 s`` or ``2 h 05 min``; NaN and None as a dash."""
    if not known(value):
        return NOTHING
    total = round(float(value))
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60:02d} s"
    return f"{total // 3600} h {total % 3600 // 60:02d} min"


def hours(value: Any) -> str:
    """Print seconds as hours: ``0.02 h``, ``3.4 h``, ``1 234 h``; NaN and None as a dash."""
    if not known(value):
        return NOTHING
    found = float(value) / 3600
    if found >= 99.95:
        return f"{count(found)} h"
    return f"{found:.1f} h" if found >= 0.995 or not found else f"{found:.2g} h"


def percent(value: Any, decimals: int = 1) -> str:
    """Print a share in [0, 1] as per cent; NaN and None as a dash."""
    return f"{100 * float(value):.{decimals}f} %" if known(value) else NOTHING


def plural(number: float, word: str, many: str | None = None) -> str:
    """Print ``1 seed``, ``2 seeds``."""
    return f"{count(number)} {word if number == 1 else many or word + 's'}"


def plurals(values: pd.Series, word: str, many: str | None = None) -> str:
    """Print ``3 to 5 seeds``, or ``1 seed`` where all values are the same."""
    low, high = int(values.min()), int(values.max())
    if low == high:
        return plural(low, word, many)
    return f"{count(low)} to {count(high)} {many or word + 's'}"


def split_of(dataset: str, split: str = "test") -> str:
    """Name a split of a data set: ``the test split of lungs``, whatever letter the name ends in."""
    return f"the {split} split of {dataset}"


def taken_as_given(text: Any) -> str:
    """Say what an interval takes as given, whether or not the table says "conditional on"."""
    if not known(text):
        return ""
    parts = [part.strip().removeprefix("conditional on ") for part in str(text).split(";")]
    return f"taken as given: {', '.join(parts)}"


def level(confidence: float) -> str:
    """Print the coverage of an interval, in (0, 1), as ``95 %``."""
    return f"{100 * confidence:g} %"


def listing(names: list[str]) -> str:
    """Join names as ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
