from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests
from unit.statistics.scales import AUROC

from transfergrid.metrics.influence import (
    Influence,
    delong_covariance,
    macro_influence,
    placements,
)
from transfergrid.runtime.errors import UserError
from transfergrid.statistics.contrasts import (
    ONE_SEED,
    Contrast,
    Names,
    adjust,
    contrast_of_influences,
)
from transfergrid.statistics.power import difference_power, equivalence_power

NAMES = Names("boost", "Does pretraining help?", "phantom", "shapes", "random", AUROC)
COLUMNS = (
    "contrast,question,metric,dataset,a,b,n_cells,n_seeds,n_studies,n_patients,estimate,"
    "se_patient,se_seed,df,low,high,p_difference,p_difference_adjusted,p_equivalence,"
    "p_equivalence_adjusted,method,margin,verdict,verdict_rests_on,power,seeds_needed,"
    "conditional_on"
)


def case(seeds: int = 3, gain: float = 0.5) -> tuple[dict, dict, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = (rng.random((160, 2)) < 0.4).astype(float)
    labels[:4, 1] = np.nan
    clean = np.nan_to_num(labels)
    a = {s: (1 + gain) * clean + rng.normal(size=(160, 2)) for s in range(seeds)}
    b = {s: clean + rng.normal(size=(160, 2)) for s in range(seeds)}
    return a, b, labels, np.arange(160) // 2


def macro(scores: np.ndarray, labels: np.ndarray) -> float:
    known = ~np.isnan(labels)
    return float(
        np.mean([roc_auc_score(labels[k, t], scores[k, t]) for t, k in enumerate(known.T)])
    )


def paired_contrast(
    a: dict, b: dict, labels: np.ndarray, patient: np.ndarray, tasks: list[int], names: Names
) -> tuple[Contrast | None, list[str]]:
    arms = [
        {seed: macro_influence(scores, labels, patient, tasks) for seed, scores in arm.items()}
        for arm in (a, b)
    ]
    return contrast_of_influences([(arms[0], arms[1])], names, len(labels))


def flat(estimate: float, spread: float, patients: int = 50, seed: int = 0) -> Influence:
    values = np.random.default_rng(seed).normal(size=patients) * spread / np.sqrt(patients)
    return Influence(estimate, np.arange(patients), values)


def test_estimate_is_the_difference_of_seed_means() -> None:
    a, b, labels, patient = case()
    found, skipped = paired_contrast(a, b, labels, patient, [0, 1], NAMES)
    assert found is not None and skipped == []
    expected = np.mean([macro(s, labels) for s in a.values()]) - np.mean(
        [macro(s, labels) for s in b.values()]
    )
    assert found.estimate == pytest.approx(expected, abs=1e-12)
    assert (found.n_cells, found.n_seeds, found.n_studies, found.n_patients) == (1, 3, 160, 80)
    assert found.low < found.estimate < found.high
    assert ",".join(found.row()) == COLUMNS
    assert adjust([found])[0].verdict == "better" and found.conditional_on == ""
    swapped, _ = paired_contrast(b, a, labels, patient, [0, 1], NAMES)
    assert swapped is not None and adjust([swapped])[0].verdict == "worse"
    assert swapped.estimate == -found.estimate and swapped.p_difference == found.p_difference


def test_one_seed_is_delong_and_says_what_it_takes_as_given() -> None:
    a, b, labels, _ = case(seeds=1)
    names = replace(NAMES, conditional_on=("one file of weights",))
    found, _ = paired_contrast(a, b, labels[:, [0]], np.arange(160), [0], names)
    assert found is not None
    _, covariance = delong_covariance(np.stack([a[0][:, 0], b[0][:, 0]]), labels[:, 0])
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert found.se_patient == pytest.approx(np.sqrt(variance), rel=1e-12)
    up, down = (placements(np.stack([a[0][:, 0], b[0][:, 0]]), labels[:, 0])[i] for i in (0, 1))
    df = stats.ttest_ind(up[0] - up[1], down[0] - down[1], equal_var=False).df
    assert math.isnan(found.se_seed) and found.df == pytest.approx(df, rel=1e-12)
    critical = stats.t.ppf(0.975, df) * np.sqrt(variance)
    assert (found.low, found.high) == pytest.approx(
        (found.estimate - critical, found.estimate + critical)
    )
    tails = stats.t(df, scale=np.sqrt(variance)).cdf([-found.estimate, found.estimate])
    assert found.p_difference == pytest.approx(2 * tails.min())
    assert math.isnan(found.p_equivalence)
    assert found.conditional_on == f"{ONE_SEED}; one file of weights"
    assert ONE_SEED == "conditional on this seed"


def test_only_patients_with_a_label_count() -> None:
    rng = np.random.default_rng(2)
    labels = np.repeat([1.0, 0.0, np.nan], [5, 8, 3])[:, None]
    arms = [{0: rng.normal(size=(16, 1))}, {0: rng.normal(size=(16, 1))}]
    found, _ = paired_contrast(*arms, labels, np.arange(16), [0], NAMES)
    arms = [{0: scores[:13]} for (scores,) in (arm.values() for arm in arms)]
    without, _ = paired_contrast(*arms, labels[:13], np.arange(13), [0], NAMES)
    assert found is not None and without is not None
    assert found.n_patients == without.n_patients == 13
    assert (found.df, found.low) == pytest.approx((without.df, without.low), rel=1e-12)


def test_a_group_averages_pairs_within_each_seed() -> None:
    a, b, labels, patient = case()
    whole, _ = paired_contrast(a, b, labels, patient, [0, 1], NAMES)
    runs = [
        {s: flat(0.8 + 0.01 * s * (c + 1), 0.1, seed=10 * c + s) for s in range(3)}
        for c in range(4)
    ]
    found, _ = contrast_of_influences([(runs[0], runs[1]), (runs[2], runs[3])], NAMES, 50)
    assert found is not None and found.n_cells == 2
    assert found.estimate == pytest.approx(-0.01)
    mean = [
        {
            s: Influence(
                (runs[i][s].estimate + runs[j][s].estimate) / 2,
                np.arange(50),
                (runs[i][s].values + runs[j][s].values) / 2,
            )
            for s in range(3)
        }
        for i, j in ((0, 2), (1, 3))
    ]
    same, _ = contrast_of_influences([(mean[0], mean[1])], NAMES, 50)
    assert same is not None
    assert found.low == pytest.approx(same.low) and found.df == pytest.approx(same.df)
    twice, _ = contrast_of_influences([(runs[0], runs[1])] * 2, NAMES, 50)
    once, _ = contrast_of_influences([(runs[0], runs[1])], NAMES, 50)
    assert twice is not None and once is not None and whole is not None
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))


def test_missing_runs_are_named() -> None:
    a, b, labels, patient = case()
    del a[1]
    found, skipped = paired_contrast(a, b, labels, patient, [0, 1], NAMES)
    assert found is not None and found.n_seeds == 2
    assert len(skipped) == 1 and "seeds 1 lack a result" in skipped[0]
    b[2] = np.full_like(b[2], np.nan)  # diverged
    found, skipped = paired_contrast(a, b, labels, patient, [0, 1], NAMES)
    assert found is not None and found.n_seeds == 1 and found.conditional_on == ONE_SEED
    assert "1, 2" in skipped[0]
    found, skipped = paired_contrast({0: a[0]}, {1: b[1]}, labels, patient, [0, 1], NAMES)
    assert found is None
    assert any("no seed with a result in both shapes and random" in s for s in skipped)


def test_a_group_leaves_out_an_empty_pair_by_name() -> None:
    full = {s: flat(0.8 + 0.01 * s, 0.1, seed=s) for s in range(2)}
    other = {s: flat(0.7, 0.1, seed=9 + s) for s in range(2)}
    found, skipped = contrast_of_influences([(full, other), ({}, other)], NAMES, 50)
    assert found is not None and found.n_cells == 1 and found.n_seeds == 2
    assert len(skipped) == 1 and "pair 2 of 2" in skipped[0]
    apart = [({0: full[0]}, {0: other[0]}), ({1: full[1]}, {1: other[1]})]
    found, skipped = contrast_of_influences(apart, NAMES, 50)
    assert found is None and "no seed has a result in every pair" in skipped[0]


def test_different_patients_are_refused() -> None:
    with pytest.raises(UserError, match="different patients"):
        contrast_of_influences([({0: flat(0.8, 0.1)}, {0: flat(0.7, 0.1, patients=40)})], NAMES, 50)


def test_no_variance_gives_no_verdict() -> None:
    still = {s: Influence(0.8, np.arange(5), np.zeros(5)) for s in range(3)}
    found, _ = contrast_of_influences([(still, still)], NAMES, 5, margin=0.01)
    assert found is not None
    assert found.estimate == 0
    assert np.isnan([found.low, found.p_difference, found.p_equivalence]).all()
    assert found.verdict == "undecided" and found.method == "no variance to judge by"


@pytest.mark.parametrize(
    ("gap", "margin", "verdict", "rests_on"),
    [
        (0.0, 0.02, "equivalent", "p_equivalence"),
        (0.005, 0.02, "different within margin", "p_equivalence"),
        (-0.005, 0.02, "different within margin", "p_equivalence"),
        (0.05, 0.02, "better", "p_difference"),
        (-0.05, 0.02, "worse", "p_difference"),
        (0.0, 0.001, "undecided", "p_equivalence"),
        (0.0, None, "undecided", "p_difference"),
        (0.05, None, "better", "p_difference"),
    ],
)
def test_verdicts(gap: float, margin: float | None, verdict: str, rests_on: str) -> None:
    values = 0.001 * np.random.default_rng(0).normal(size=(2, 50)) / np.sqrt(2)
    values *= 0.2 if margin == 0.02 else 1.0
    a = {0: Influence(0.8 + gap, np.arange(50), values[0])}
    b = {0: Influence(0.8, np.arange(50), values[1])}
    found, _ = contrast_of_influences([(a, b)], NAMES, 50, margin=margin)
    assert found is not None
    (found,) = adjust([found])
    assert (found.verdict, found.verdict_rests_on) == (verdict, rests_on)
    decisive = {"p_difference": found.p_difference, "p_equivalence": found.p_equivalence}[rests_on]
    assert (decisive < 0.05) == (verdict != "undecided")
    assert ("TOST" in found.method) == (margin is not None)
    assert math.isnan(found.margin) == (margin is None)
    # With a margin the power is that of showing equivalence, without one of finding the effect.
    se = found.se_patient
    expected = (
        difference_power(se, 49, 0.01) if margin is None else equivalence_power(se, 49, margin)
    )
    assert found.power == pytest.approx(expected)


def test_a_margin_must_be_positive() -> None:
    one = {0: flat(0.8, 0.1)}
    with pytest.raises(UserError, match="must be above 0"):
        contrast_of_influences([(one, one)], NAMES, 50, margin=0.0)


def _row(
    question: str, p_difference: float, margin: float = math.nan, p_equivalence: float = math.nan
) -> Contrast:
    one = {0: flat(0.8, 0.1)}, {0: flat(0.7, 0.1, seed=1)}
    row, _ = contrast_of_influences([one], replace(NAMES, question=question), 50)
    assert row is not None
    row = replace(row, p_difference=p_difference, p_equivalence=p_equivalence, margin=margin)
    return replace(row, low=-1.0, high=1.0)


def test_p_values_are_adjusted_within_each_question() -> None:
    first, second = [0.01, 0.04, 0.02, math.nan], [0.03, 0.04]
    rows = [_row("one", p) for p in first] + [_row("two", p) for p in second]
    found = adjust(rows)
    expected = [
        *multipletests(first[:3], method="holm")[1],
        math.nan,
        *multipletests(second, method="holm")[1],
    ]
    np.testing.assert_allclose([row.p_difference_adjusted for row in found], expected)
    assert [row.verdict for row in found] == [
        "better",
        "better",
        "better",
        "undecided",
        "undecided",
        "undecided",
    ]
    assert [row.question for row in found] == [row.question for row in rows]


def test_equivalence_and_difference_are_adjusted_apart() -> None:
    rows = [_row("q", 0.9, 0.01, 0.03), _row("q", 0.02, 0.01, 0.2), _row("q", 0.6, 0.01, 0.001)]
    found = adjust(rows)
    assert [row.p_equivalence_adjusted for row in found] == pytest.approx([0.06, 0.2, 0.003])
    assert [row.p_difference_adjusted for row in found] == pytest.approx([1.0, 0.06, 1.0])
    # 3 x 0.02 is not below 0.05.
    assert [row.verdict for row in found] == ["undecided", "undecided", "equivalent"]
    alone = adjust([rows[1]])
    assert alone[0].verdict == "better"


def test_an_interval_stays_within_what_a_difference_can_be() -> None:
    # Two seeds that disagree and patients who hardly vary: Satterthwaite leaves hardly a degree of
    # freedom, and t times the error is above one.
    values = np.full(50, 1e-6) * np.where(np.arange(50) % 2, 1, -1)

    def runs(*estimates: float) -> dict[int, Influence]:
        ids = np.arange(50)
        return {s: Influence(e, ids, values * (1 + s)) for s, e in enumerate(estimates)}

    row, _ = contrast_of_influences([(runs(0.9, 0.2), runs(0.5, 0.7))], NAMES, 50)
    assert row is not None
    se = math.hypot(row.se_patient, row.se_seed)
    assert stats.t.isf(0.025, row.df) * se > 1.2
    assert row.se == pytest.approx(se)
    assert (row.low, row.high) == (-1.0, 1.0)
