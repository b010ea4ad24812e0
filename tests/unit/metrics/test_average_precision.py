from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from unit.metrics import drawn

from transfergrid.metrics.average_precision import average_precision


@pytest.mark.parametrize("step", [0.2, 0.01, 1e-9])
def test_it_is_that_of_scikit_learn(step: float) -> None:
    scores, labels, patient = drawn.task(1, step=step)
    other = drawn.task(2, step=step)[0][: len(scores)]
    other = np.resize(other, len(scores))
    known = ~np.isnan(labels)
    found, _ = average_precision(np.stack([scores, other]), labels, patient)
    expected = [average_precision_score(labels[known], row[known]) for row in (scores, other)]
    assert found == pytest.approx(expected, rel=1e-12)


def test_contributions_are_derivatives_by_weight() -> None:
    scores, labels, _ = drawn.task(3, patients=30, step=0.1)
    known = np.flatnonzero(~np.isnan(labels))
    _, values = average_precision(scores[None], labels, np.arange(len(labels)))
    truth, row = labels[known], scores[known]

    def at(case: int, weight: float) -> float:
        weights = np.ones(len(known))
        weights[case] = weight
        return float(average_precision_score(truth, row, sample_weight=weights))

    size = 1e-5
    slopes = [(at(i, 1 + size) - at(i, 1 - size)) / (2 * size) for i in range(len(known))]
    for label in (0, 1):
        factor = np.sqrt((truth == label).sum() / ((truth == label).sum() - 1))
        own = values[0, known][truth == label] / factor
        np.testing.assert_allclose(own, np.array(slopes)[truth == label], atol=1e-8)
    assert (values[0, np.isnan(labels)] == 0).all()
    assert abs(np.sum(slopes)) < 1e-8


def test_their_error_is_that_of_a_bootstrap() -> None:
    for seed in (4, 5):
        ours, bootstrap = drawn.errors(average_precision, *drawn.task(seed))
        assert ours == pytest.approx(bootstrap, rel=0.12)


def test_a_single_class_has_none() -> None:
    for labels in ([1.0, 1.0, np.nan], [0.0, 0.0, np.nan]):
        found, values = average_precision([[0.1, 0.2, 0.3]], labels, [0, 1, 2])
        assert np.isnan(found).all() and np.isnan(values[0, :2]).all() and values[0, 2] == 0
    found, values = average_precision([[0.1, 0.2, 0.3]], [0, 1, 0], [0, 1, 2])
    assert found[0] == 0.5 and np.isnan(values[0, 1]) and not np.isnan(values[0, [0, 2]]).any()
