"""The Bayesian signed-rank test against baycomp, and where it can be had in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from unit.statistics.test_rank_tests import DEMSAR

from transfergrid.statistics.signed_rank import PRIOR, signed_rank, weights_of

# baycomp 1.0.3: SignedRankTest.probs(DEMSAR[:, a], DEMSAR[:, b], rope, nsamples=100000,
# random_state=0). The differences are b's less a's. No mean of two of them is at the rope's end,
# where baycomp goes by the last digit.
BAYCOMP = {
    (0.0102, 0, 1): (0.00000, 0.33118, 0.66882),
    (0.0102, 0, 3): (0.00027, 0.03916, 0.96057),
    (0.0102, 1, 2): (0.44208, 0.55128, 0.00664),
    (0.0012, 1, 3): (0.20197, 0.00215, 0.79588),
}


@pytest.mark.parametrize("case", BAYCOMP)
def test_probabilities_are_baycomps(case: tuple[float, int, int]) -> None:
    rope, a, b = case
    found = signed_rank(DEMSAR[:, b] - DEMSAR[:, a], rope, weights_of(14, 1))
    assert (found.worse, found.alike, found.better) == pytest.approx(BAYCOMP[case], abs=0.012)


def test_one_large_difference_wins_where_its_weight_does() -> None:
    """Of one data set, all means above the rope weigh 1 - (1 - w)^2; w is Beta(1, PRIOR)."""
    found = signed_rank([1.0], 0.1, weights_of(1, 0, 200_000))
    assert found.better == pytest.approx(stats.beta(1, PRIOR).sf(1 - np.sqrt(0.5)), abs=0.005)
    assert found.worse == 0


def test_a_mean_at_the_end_of_the_rope_counts_one_half() -> None:
    """.1 + .2 is above .3 by rounding alone; half of it wins for nobody but the other half."""
    weights = weights_of(3, 3, 4000)
    exact = signed_rank([0.25, 0.25, 0.25], 0.25, weights)
    assert signed_rank([0.3 - 0.05, 0.1 + 0.15, 0.2 + 0.05], 0.25, weights) == exact
    above = signed_rank([0.3, 0.1 + 0.2, 0.6 - 0.3], 0.3, weights)
    assert above == exact and exact.worse == 0 and exact.alike > 0.5


def test_the_same_seed_gives_the_same_and_the_sign_turns_it() -> None:
    values = DEMSAR[:, 1] - DEMSAR[:, 0]
    weights = weights_of(14, 7, 2000)
    np.testing.assert_array_equal(weights, weights_of(14, 7, 2000))
    one, other = signed_rank(values, 0.01, weights), signed_rank(-values, 0.01, weights)
    assert (one.better, one.alike, one.worse) == (other.worse, other.alike, other.better)
