from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from transfergrid.statistics.multiplicity import holm


@pytest.mark.parametrize("n", [1, 2, 5, 16, 40])
def test_agrees_with_statsmodels(n: int) -> None:
    p = np.round(np.random.default_rng(n).beta(0.3, 2.0, size=n), 2)  # with ties
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], rtol=1e-12)


def test_a_comparison_not_made_does_not_count() -> None:
    adjusted = holm([0.01, np.nan, 0.03])
    np.testing.assert_allclose(adjusted, [0.02, np.nan, 0.03])
    assert holm([]).shape == (0,)
