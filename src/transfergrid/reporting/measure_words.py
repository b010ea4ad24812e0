"""Names of measures of similarity and agreement, as a reader writes them."""

from __future__ import annotations

import re

MEASURES = {
    "mean_cca": "mean CCA",
    "svcca": "SVCCA",
    "pwcca_xy": "PWCCA weighted by the left side",
    "pwcca_yx": "PWCCA weighted by the right side",
    "cka": "CKA",
    "cka_debiased": "debiased CKA",
    "excess_agreement": "excess agreement",
    "rank_correlation": "rank correlation",
}
"""By the name in tables."""
_NAMES = re.compile(rf"\b({'|'.join(sorted(MEASURES, key=len, reverse=True))})\b")


def plain(text: str) -> str:
    """Return a text in which measures have the names that readers know."""
    return _NAMES.sub(lambda found: MEASURES[found[0]], text)
