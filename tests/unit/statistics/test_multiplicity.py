from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from transfergrid.statistics.multiplicity import holm, holm_once


def step_down(p: np.ndarray) -> list[float]:
    """Return Holm's adjusted p-values by definition: the largest over all p-values no larger."""
    ranked = np.argsort(p, kind="stable")
    return [
        min(1.0, max((len(p) - rank) * p[i] for rank, i in enumerate(ranked) if p[i] <= own))
        for own in p
    ]


@pytest.mark.parametrize("n", [1, 2, 5, 16, 40])
def test_is_the_step_down_method(n: int) -> None:
    p = np.round(np.random.default_rng(n).beta(0.3, 2.0, size=n), 2)  # with ties
    np.testing.assert_allclose(holm(p), step_down(p), rtol=1e-12)
    np.testing.assert_array_equal(holm(p), multipletests(p, method="holm")[1])


def test_gives_what_r_gives() -> None:
    """The expected values are those of R 4.2.2, p.adjust(c(.01, .02, .03, .04), "holm")."""
    np.testing.assert_allclose(holm([0.01, 0.02, 0.03, 0.04]), [0.04, 0.06, 0.06, 0.06])


def test_a_comparison_not_made_does_not_count() -> None:
    np.testing.assert_allclose(holm([0.01, np.nan, 0.03]), [0.02, np.nan, 0.03])
    assert holm([]).shape == (0,)
    assert np.isnan(holm([np.nan, np.nan])).all()


def test_a_comparison_that_stands_in_several_rows_counts_once() -> None:
    p = [0.01, 0.04, 0.01, 0.03, np.nan]
    found = holm_once(p, ["a", "b", "a", "c", "d"])
    once = dict(zip("abcd", multipletests([0.01, 0.04, 0.03], method="holm")[1], strict=False))
    np.testing.assert_allclose(found, [once["a"], once["b"], once["a"], once["c"], np.nan])
    assert holm_once([], []).shape == (0,)
