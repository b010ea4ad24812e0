"""The mixed model against the analysis of variance, and the restricted likelihood written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from transfergrid.statistics.mixed_model import NOTHING_VARIES, mixed_model

SHAPE = K, D, S = 3, 6, 4


def layout(seeds: int = S) -> tuple[np.ndarray, list[np.ndarray]]:
    """Scores of K methods on D data sets with seeds, and their three labels."""
    rng = np.random.default_rng(8)
    scores = 0.8 + 0.01 * np.arange(K)[:, None, None] + 0.05 * rng.normal(size=(1, D, 1))
    scores = scores + 0.01 * rng.normal(size=(K, D, 1)) + 0.006 * rng.normal(size=(1, D, seeds))
    scores = scores + 0.004 * rng.normal(size=(K, D, seeds))
    return scores, [grid.ravel() for grid in np.indices(scores.shape)]


def test_a_balanced_layout_gives_the_analysis_of_variance() -> None:
    scores, (method, dataset, seed) = layout()
    found = mixed_model(scores.ravel(), method, dataset, seed)
    cells = scores.mean(axis=2)
    rest = cells - cells.mean(axis=0) - cells.mean(axis=1, keepdims=True) + cells.mean()
    ms = S * float((rest**2).sum()) / ((K - 1) * (D - 1))
    within = scores - cells[:, :, None]
    common = within.mean(axis=0)
    ms_left = float(((within - common) ** 2).sum()) / (D * (K - 1) * (S - 1))
    ms_seed = K * float((common**2).sum()) / (D * (S - 1))
    assert found.effects == pytest.approx(cells.mean(axis=1))
    assert found.df == (K - 1) * (D - 1)
    assert found.left_sd == pytest.approx(math.sqrt(ms_left), rel=2e-3)
    assert found.seed_sd == pytest.approx(math.sqrt((ms_seed - ms_left) / K), rel=2e-3)
    assert found.interaction_sd == pytest.approx(math.sqrt((ms - ms_left) / S), rel=5e-3)
    estimate, low, high, p = found.difference(2, 0, 0.05)
    arm = stats.t.isf(0.025, found.df) * math.sqrt(2 * ms / (S * D))
    assert (low, high) == pytest.approx((estimate - arm, estimate + arm), abs=5e-3 * arm)
    assert p == pytest.approx(stats.ttest_rel(cells[2], cells[0]).pvalue, abs=0.2)


@pytest.mark.parametrize("seeds", [3, 20])
@pytest.mark.parametrize("ease", [0.1, 0.5, 3.0])
def test_how_unlike_data_sets_are_moves_no_difference(ease: float, seeds: int) -> None:
    """Data sets that differ by far more than methods do on one of them are the usual case."""
    scores, labels = layout(seeds)
    plain = mixed_model(scores.ravel(), *labels)
    easier = ease * np.array([-1.5, 1.0, 0.2, -0.4, 0.1, 0.6])[None, :, None]
    found = mixed_model((scores + easier).ravel(), *labels)
    assert found.effects == pytest.approx((scores + easier).mean(axis=(1, 2)))
    for a, b in ((0, 1), (2, 0)):
        expected = plain.difference(a, b, 0.05)
        assert found.difference(a, b, 0.05) == pytest.approx(expected, rel=2e-3, abs=1e-6)
    assert found.interaction_sd == pytest.approx(plain.interaction_sd, rel=5e-3)
    assert found.dataset_sd == pytest.approx(
        (scores + easier).mean(axis=(0, 2)).std(ddof=1), rel=0.1
    )


def test_a_seed_that_moves_nothing_leaves_the_error_of_a_difference() -> None:
    """A variance of 0 lies at the edge of what the optimiser may choose."""
    scores, labels = layout(20)
    scores = scores - scores.mean(axis=0) + scores.mean(axis=(0, 2))[:, None]
    cells = scores.mean(axis=2)
    rest = cells - cells.mean(axis=0) - cells.mean(axis=1, keepdims=True) + cells.mean()
    error = math.sqrt(2 * float((rest**2).sum()) / ((K - 1) * (D - 1)) / D)
    for ease in (0.0, 1.0):
        found = mixed_model((scores + ease * np.arange(D)[:, None]).ravel(), *labels)
        _, low, high, _ = found.difference(2, 0, 0.05)
        arm = stats.t.isf(0.025, found.df) * error
        assert high - low == pytest.approx(2 * arm, rel=5e-3)
        assert found.seed_sd < 1e-4


def test_of_two_methods_with_one_seed_it_is_the_paired_t() -> None:
    scores, (method, dataset, seed) = layout(seeds=1)
    pair = (method < 2).nonzero()[0]
    found = mixed_model(scores.ravel()[pair], method[pair], dataset[pair], seed[pair])
    a, b = scores[1, :, 0], scores[0, :, 0]
    paired = stats.ttest_rel(a, b)
    ends = paired.confidence_interval(0.95)
    assert found.difference(1, 0, 0.05) == pytest.approx(
        ((a - b).mean(), ends.low, ends.high, paired.pvalue), rel=1e-3, abs=1e-5
    )
    assert (found.interaction_sd, found.seed_sd) == (0, 0)


def test_seeds_do_not_make_data_sets() -> None:
    """With forty seeds instead of four, the interval is no narrower than the data sets allow."""
    few, many = (mixed_model(scores.ravel(), *labels) for scores, labels in (layout(4), layout(40)))
    widths = [np.diff(found.difference(1, 0, 0.05)[1:3])[0] for found in (few, many)]
    assert widths[1] > 0.6 * widths[0] and few.df == many.df


def likeliest_error(y: np.ndarray, labels: list[np.ndarray]) -> float:
    """Return the error of method 1 less 0 at the largest restricted likelihood, written out."""
    alike = [labels[1], *(labels[1] * 100 + label for label in (labels[0], labels[2]))]
    shared = [(names[:, None] == names).astype(float) for names in alike]
    methods = (labels[0][:, None] == np.arange(K)).astype(float)

    def fitted(log_sds: np.ndarray) -> tuple[float, np.ndarray]:
        parts = [np.exp(2 * log_sd) * same for log_sd, same in zip(log_sds, shared, strict=True)]
        spread = np.eye(len(y)) + sum(parts)
        inverse = np.linalg.inv(spread)
        covariance = np.linalg.inv(methods.T @ inverse @ methods)
        left = y - methods @ (covariance @ (methods.T @ inverse @ y))
        scale = float(left @ inverse @ left) / (len(y) - K)
        logs = np.linalg.slogdet(spread)[1] - np.linalg.slogdet(covariance)[1]
        return float(logs + (len(y) - K) * np.log(scale)), scale * covariance

    settings = {"maxiter": 2000, "xatol": 1e-5, "fatol": 1e-9}
    best = optimize.minimize(
        lambda sds: fitted(sds)[0], [3.0, 0.0, 0.0], method="Nelder-Mead", options=settings
    )
    covariance = fitted(best.x)[1]
    return math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])


@pytest.mark.parametrize("ease", [0.0, 0.3])
def test_with_holes_it_is_where_the_restricted_likelihood_is_largest(ease: float) -> None:
    scores, labels = layout()
    scores = scores + ease * np.array([-1.5, 1.0, 0.2, -0.4, 0.1, 0.6])[None, :, None]
    kept = np.flatnonzero(np.random.default_rng(2).random(scores.size) > 0.2)
    y, labels = scores.ravel()[kept], [label[kept] for label in labels]
    found = mixed_model(y, *labels).covariance
    error = math.sqrt(found[0, 0] + found[1, 1] - 2 * found[0, 1])
    assert error == pytest.approx(likeliest_error(y - y.mean(), labels), rel=2e-3)


def test_a_lacking_cell_costs_a_degree_and_equal_scores_have_no_answer() -> None:
    scores, labels = layout()
    kept = np.flatnonzero((labels[0] != 2) | (labels[1] != 5))
    found = mixed_model(scores.ravel()[kept], *(label[kept] for label in labels))
    assert found.df == (K - 1) * (D - 1) - 1 and np.isfinite(found.covariance).all()
    flat = mixed_model(np.ones(K * D * S), *labels)
    assert flat.note == NOTHING_VARIES and math.isnan(flat.difference(1, 0, 0.05)[1])
