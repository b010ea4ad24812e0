"""Any metric on any cases, and a metric of a user's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from unit.metrics.scored import cases, rows

from transfergrid.metrics.auroc import auroc, macro_auroc
from transfergrid.metrics.influence import macro_influence, sum_by_patient
from transfergrid.metrics.scoring import Scorer
from transfergrid.planning.metrics import built_in
from transfergrid.runtime.errors import UserError
from transfergrid.statistics.pooled_intervals import FoldedCases, pooled_intervals

AUROC = Scorer.of(built_in("auroc"))


def films(seed: int = 0, n: int = 120, tasks: int = 3) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    patient = np.sort(rng.integers(0, n // 2, n))
    labels = (rng.normal(size=(n, tasks)) > 0.5).astype(np.float64)
    labels[rng.random(labels.shape) < 0.1] = np.nan
    scores = np.round(1 / (1 + np.exp(-rng.normal(size=(n, tasks)) - np.nan_to_num(labels))), 2)
    return scores, labels, np.array([f"p{number:03}" for number in patient])


def share(scores: Any, labels: Any, patient: Any, threshold: float = 0.5) -> Any:
    """Accuracy of a threshold: what a user might write."""
    right = (np.asarray(scores) >= threshold) == (labels == 1)
    known = ~np.isnan(labels)
    means = right[:, known].mean(axis=1)
    return means, np.where(known, right - means[:, None], 0.0) / known.sum()


def broken(scores: Any, labels: Any, patient: Any) -> Any:
    means, values = share(scores, labels, patient)
    return means, np.full_like(values, np.nan)


def beyond(scores: Any, labels: Any, patient: Any) -> Any:
    means, values = share(scores, labels, patient)
    return means + 1, values


def flat(scores: Any, labels: Any, patient: Any) -> Any:
    means, values = share(scores, labels, patient)
    return means, values[0]


def nowhere(scores: Any, labels: Any, patient: Any) -> Any:
    return np.full(len(scores), np.nan), np.zeros(np.shape(scores))


def whole(scores: Any, labels: Any, patient: Any) -> Any:
    return 0.5, share(scores, labels, patient)[1]


def worded(scores: Any, labels: Any, patient: Any) -> Any:
    return ["good"] * len(scores), share(scores, labels, patient)[1]


def ragged(scores: Any, labels: Any, patient: Any) -> Any:
    return share(scores, labels, patient)[0], [[0.0], [0.0, 0.0]]


def endless(scores: Any, labels: Any, patient: Any) -> Any:
    return share(scores, labels, patient)[0], np.full(np.shape(scores), np.inf)


def changing(scores: Any, labels: Any, patient: Any) -> Any:
    scores[scores > 0.5] = 1
    return share(scores, labels, patient)


def no_points(scores: Any, labels: Any) -> Any:
    return None


def one_point(scores: Any, labels: Any) -> Any:
    return 0.5


def failing(scores: Any, labels: Any, patient: Any) -> Any:
    raise KeyError("thresholds")


def flawless(scores: Any, labels: Any, patient: Any) -> Any:
    """Return the greatest value, and contributions all the same."""
    return np.ones(len(scores)), np.where(np.isnan(labels), 0, np.resize([0.1, -0.1], scores.shape))


def alone(scores: Any, labels: Any, patient: Any) -> Any:
    return share(scores, labels, patient)[0]


def own(function: str, **changes: Any) -> Scorer:
    plain = {"title": "Share", "interval": None, "estimate": None, "operating_point": None}
    plain |= {"function": f"{__name__}:{function}", "higher_is_better": True, "range": [0, 1]}
    return Scorer.of({"name": "mine", "per": "task", "settings": {}, **plain, **changes})


def test_auroc_is_what_it_was_to_the_bit() -> None:
    scores, labels, patient = films()
    found = cases(scores, labels, patient, [2, 0])
    old = macro_influence(scores, labels, patient, [2, 0])
    new = AUROC.influence(found)
    assert new.estimate == old.estimate and (new.patients == old.patients).all()
    assert new.values.tobytes() == old.values.tobytes()
    assert new.groups is not None and old.groups is not None
    assert (new.groups == old.groups).all()
    whole, tasks = AUROC.estimator.overall(scores[None], labels, [2, 0])
    assert whole[0] == macro_auroc(scores, labels, [2, 0])
    assert [auroc(scores[:, t], labels[:, t])[0] for t in range(3)] == tasks[0].tolist()
    assert AUROC.points(found) is None


def test_intervals_are_of_the_whole_and_of_every_task() -> None:
    scores, labels, patient = films()
    whole, *tasks = rows(AUROC, cases(scores, labels, patient, [0, 1]))
    assert len(tasks) == 3
    mean = (tasks[0].estimate + tasks[1].estimate) / 2
    assert whole.estimate == pytest.approx(mean, rel=1e-14)
    assert [task.n for task in tasks] == (~np.isnan(labels)).sum(axis=0).tolist()
    assert [task.n_pos for task in tasks] == (labels == 1).sum(axis=0).tolist()
    assert all(part.low < part.estimate < part.high for part in (whole, *tasks))


def test_parts_hold_what_the_mean_is_made_of() -> None:
    scores, labels, patient = films()
    found = cases(scores, labels, patient, [1, 2])
    parts, influence = AUROC.parts(found), AUROC.influence(found)
    assert parts.tasks == ("1", "2") and parts.contributions.shape == (2, len(patient))
    assert parts.estimates.mean() == pytest.approx(influence.estimate, rel=1e-14)
    number = np.unique(patient, return_inverse=True)[1]
    sums = sum_by_patient(parts.contributions, number, len(influence.values)).mean(axis=0)
    np.testing.assert_allclose(sums, influence.values, rtol=1e-12, atol=1e-16)


def test_a_metric_of_a_users_own_has_its_interval() -> None:
    scores, labels, patient = films(tasks=1)
    (whole, row) = rows(own("share"), cases(scores, labels, patient, [0]))
    known = ~np.isnan(labels[:, 0])
    assert row.estimate == ((scores >= 0.5) == (labels == 1))[known].mean()
    assert 0 < row.low < row.estimate < row.high < 1
    assert (row.low, row.high) == pytest.approx((whole.low, whole.high), rel=1e-12)


def test_a_perfect_value_whose_cases_move_it_has_an_interval() -> None:
    scores, labels, patient = films()
    whole, *_ = rows(own("flawless"), cases(scores, labels, patient, [0]))
    assert whole.estimate == 1 and whole.se > 0
    assert 0 < whole.low < whole.high == 1


def test_a_metric_of_a_users_own_without_a_value_is_called_undefined() -> None:
    scores, labels, patient = films()
    one = cases(scores, labels, patient, [0])
    told = rows(own("nowhere"), one)
    told += [pooled_intervals({"0": FoldedCases(one)}, own("nowhere")).whole]
    assert {interval.flags for interval in told} == {("undefined",)}


def test_nan_contributions_are_refused() -> None:
    scores, labels, patient = films()
    with pytest.raises(UserError, match=r"'mine' \(.*:broken\) gives .* contributions that are N"):
        own("broken").influence(cases(scores, labels, patient, [0]))
    # One patient of a class says nothing of its spread, and the AUROC says so by NaN.
    few = AUROC.influence(cases([[0.1], [0.9], [0.2]], [[0], [1], [0]], ["a", "b", "c"], [0]))
    assert few.estimate == 1 and np.isnan(few.values).any()


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("beyond", "not within its range, 0 to 1"),
        ("flat", r"contributions of shape \(120,\); .* return \(1, 120\)"),
        ("whole", r"estimates of shape \(\); .* return \(1,\)"),
        ("worded", "estimates that are not an array of real numbers"),
        ("ragged", "contributions that are not an array of real numbers"),
        ("endless", "infinite numbers"),
        ("changing", "read-only"),
        ("failing", r"failed \(KeyError: 'thresholds'\)"),
        ("alone", "returns ndarray; return a pair"),
    ],
)
def test_what_a_declaration_does_not_promise_is_refused(function: str, told: str) -> None:
    scores, labels, patient = films()
    with pytest.raises(UserError, match=f"metric 'mine' .*:{function}.*{told}"):
        own(function).values(cases(scores, labels, patient, [0]))


@pytest.mark.parametrize(
    ("function", "told"),
    [("no_points", "not an array of real numbers"), ("one_point", r"shape \(\); .* return \(1,\)")],
)
def test_an_operating_point_that_is_none_is_refused(function: str, told: str) -> None:
    scores, labels, patient = films()
    mine = own("share", operating_point=f"{__name__}:{function}")
    with pytest.raises(UserError, match=f"metric 'mine' .*:{function}.* thresholds .*{told}"):
        mine.points(cases(scores, labels, patient, [0]))
    with pytest.raises(UserError, match=f"metric 'mine' .*:{function}.* thresholds .*{told}"):
        mine.estimator.overall(scores[None], labels, [0])


@pytest.mark.parametrize("function", ["whole", "worded", "ragged", "endless", "changing"])
def test_checkpoints_are_not_ranked_by_what_is_no_metric(function: str) -> None:
    scores, labels, _ = films()
    with pytest.raises(UserError, match=f"metric 'mine' .*:{function}"):
        own(function).estimator.overall(scores[None], labels, [0])


def test_a_diverged_cell_is_nan() -> None:
    scores, labels, patient = films()
    for scorer in (AUROC, own("share")):
        found = cases(np.full_like(scores, np.nan), labels, patient, [0])
        parts = rows(scorer, found)
        assert np.isnan([part.estimate for part in parts]).all() and "no_score" in parts[0].flags
        assert np.isnan(scorer.influence(found).estimate)


def test_tasks_that_are_not_there_are_named() -> None:
    found = cases(*films(), [0])
    for tasks, told in (((), "names no task"), (("0", "z"), "names z")):
        wrong = type(found)(**(vars(found) | {"score_tasks": tasks}))
        with pytest.raises(UserError, match=told):
            AUROC.influence(wrong)
