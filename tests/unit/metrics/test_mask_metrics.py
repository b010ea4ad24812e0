"""Metrics of masks against their definitions, and as the house's tables take them."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from unit.metrics import masks
from unit.metrics.scored import cases, rows

from transfergrid.catalog.empty_masks import LEFT_OUT, is_pooled, values_of
from transfergrid.catalog.mask_metrics import LEAST_PATIENTS, MASK_METRICS
from transfergrid.catalog.metrics import LABEL_METRICS, METRICS
from transfergrid.metrics import mask_metrics
from transfergrid.metrics.mask_record import MaskRecord, pack
from transfergrid.metrics.overlap import count_overlap
from transfergrid.metrics.scoring import Scorer
from transfergrid.metrics.surfaces import measure_surfaces
from transfergrid.planning import metrics as planning
from transfergrid.planning.metrics import built_in, declare
from transfergrid.runtime.errors import UserError
from transfergrid.statistics.pooled_intervals import FoldedCases, pooled_intervals

DECLARED = {metric.name: declare(metric) for metric in MASK_METRICS}
MEASURES = ("dice", "iou", "pixel_sensitivity", "pixel_precision", "surface_dice", "hd95")
DIAGONAL = 7 * np.sqrt(2)
STATES = {  # both empty, false alarm, missed
    "dice": (1, 0, 0),
    "iou": (1, 0, 0),
    "pixel_sensitivity": (1, 1, 0),
    "pixel_precision": (1, 0, 0),
    "surface_dice": (1, 0, 0),
    "hd95": (0, DIAGONAL, DIAGONAL),
}


EMPTY_WORDS = {DIAGONAL: "the image's diagonal"}


def skipping(name: str) -> dict[str, Any]:
    return {**DECLARED[name], "settings": DECLARED[name]["settings"] | {"empty": "skip"}}


def packed(predicted: NDArray, truth: NDArray, tolerances: tuple[float, ...] = (2.0,)) -> NDArray:
    """Return the rows of some masks."""
    return pack(count_overlap(predicted, truth), measure_surfaces(predicted, truth, tolerances))


def films(seed: int, patients: int = 150, worth: float = 0.0) -> tuple[NDArray, NDArray, NDArray]:
    """Return rows (N, K), presence (N,) with NaN, and patients (N,) of one to four films each.

    Counts are drawn, patient by patient alike; a tenth of the films are without the structure.
    """
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), rng.integers(1, 5, patients))
    skill = rng.normal(size=patients)[patient] + rng.normal(size=len(patient)) + 1 + worth
    true = np.where(rng.random(len(patient)) < 0.1, 0, rng.integers(20, 400, len(patient)))
    hit = rng.binomial(true, 1 / (1 + np.exp(-skill)))
    alarm = rng.binomial(200, 0.3 / (1 + np.exp(skill))) * (rng.random(len(patient)) < 0.8)
    known = np.where(rng.random(len(patient)) < 0.05, 0, 4096)
    counts = np.stack([hit, hit + alarm, true, known]) * (known > 0)
    edge = (np.stack([hit + alarm, true]) + 2) // 3 * (known > 0)
    near = np.minimum(hit // 3, edge)
    empty = (counts[1] == 0).astype(int) + (true == 0)
    distance = np.select([empty == 2, empty == 1], [0.0, 89.1], 8 * np.exp(-skill))
    table = np.stack([*counts, np.full(len(true), 89.1), distance, *edge, true * 0 + 2, *near])
    labels = np.where(known > 0, (true > 0).astype(float), np.nan)
    return table.T.astype(float), labels, patient


def value_of(name: str, row: NDArray) -> float:
    """Return the value of one film by its definition; a share of nothing is in STATES."""
    both, marked, there, _, diagonal, distance, edge, true_edge, _, near, true_near = row
    if marked == 0 or there == 0:
        found = STATES[name][0 if marked == there else 1 if there == 0 else 2]
        return diagonal if found == DIAGONAL else found
    return {
        "dice": 2 * both / (marked + there),
        "iou": both / (marked + there - both),
        "pixel_sensitivity": both / there,
        "pixel_precision": both / marked,
        "surface_dice": (near + true_near) / (edge + true_edge),
        "hd95": distance,
    }[name]


@pytest.mark.parametrize("name", MEASURES)
def test_every_state_has_its_stated_value(name: str) -> None:
    metric, settings = getattr(mask_metrics, name), DECLARED[name]["settings"]
    table = packed(*masks.four_pairs())
    found = metric.film_values(table, **settings)
    assert found[:3] == pytest.approx(STATES[name])
    last = {"dice": 0.75, "iou": 0.6, "pixel_sensitivity": 0.75, "pixel_precision": 0.75}
    assert found[3] == pytest.approx(last.get(name, 1.0))
    told = values_of(DECLARED[name])
    assert [told[state] for state in ("both_empty", "false_alarm", "missed")] == [
        EMPTY_WORDS.get(value, f"{value:g}") for value in STATES[name]
    ]
    assert values_of(DECLARED[f"{name}_by_film"]) == told
    skipped = metric.film_values(table, **settings | {"empty": "skip"})
    assert values_of(skipping(name)) == told | {"both_empty": LEFT_OUT}
    assert np.isnan(skipped[0]) and (skipped[1:] == found[1:]).all()
    means = [
        metric(table[None], np.ones(4), np.arange(4), **settings | {"empty": empty})[0][0]
        for empty in ("score", "skip")
    ]
    assert means == pytest.approx([found.mean(), found[1:].mean()])


@pytest.mark.parametrize("name", MEASURES)
def test_marking_nothing_where_there_is_something_is_never_better(name: str) -> None:
    metric, settings = getattr(mask_metrics, name), DECLARED[name]["settings"]
    sign = 1 if DECLARED[name]["higher_is_better"] else -1
    rng = np.random.default_rng(0)
    truth = (rng.random((60, 6, 6)) < 0.4).astype(np.uint8)
    truth[:, 0, 0] = 1
    predicted = (rng.random(truth.shape) < rng.random((60, 1, 1))).astype(np.uint8)
    some = metric.film_values(packed(predicted, truth), **settings)
    none = metric.film_values(packed(0 * predicted, truth), **settings)
    assert (sign * some >= sign * none).all() and np.isfinite(none).all()


@pytest.mark.parametrize("metric", MASK_METRICS, ids=lambda metric: metric.name)
def test_values_are_means_over_patients_over_films_or_pooled(metric: Any) -> None:
    function = Scorer.of(DECLARED[metric.name]).estimator.function
    assert function is not None
    table, labels, patient = films(1)
    name = metric.name.removesuffix("_by_film").removesuffix("_pooled")
    known = np.flatnonzero(~np.isnan(labels))
    own = np.array([value_of(name, table[n]) for n in known])
    both, marked, there, _, _, _, edge, true_edge, _, near, true_near = table[known].sum(axis=0)
    if metric.name.endswith("_pooled"):
        expected = {
            "dice": 2 * both / (marked + there),
            "iou": both / (marked + there - both),
            "pixel_sensitivity": both / there,
            "pixel_precision": both / marked,
            "surface_dice": (near + true_near) / (edge + true_edge),
        }[name]
    elif metric.name.endswith("_by_film"):
        expected = own.mean()
    else:
        who = patient[known]
        expected = np.mean([own[who == one].mean() for one in np.unique(who)])
    settings = DECLARED[metric.name]["settings"]
    (first, second), values = function(np.stack([table, table]), labels, patient, **settings)
    assert first == second == pytest.approx(expected, rel=1e-12)
    assert (values[:, np.isnan(labels)] == 0).all() and not np.isnan(values).any()


@pytest.mark.parametrize("metric", MASK_METRICS, ids=lambda metric: metric.name)
@pytest.mark.parametrize("empty", ["score", "skip"])
def test_errors_are_those_of_a_bootstrap_of_patients(metric: Any, empty: str) -> None:
    function = Scorer.of(DECLARED[metric.name]).estimator.function
    assert function is not None
    table, labels, patient = films(2)
    settings = {**DECLARED[metric.name]["settings"], "empty": empty}
    _, values = function(table[None], labels, patient, **settings)
    ours = np.sqrt((np.bincount(patient, values[0]) ** 2).sum())
    rng, groups = np.random.default_rng(0), patient.max() + 1
    own = [np.flatnonzero(patient == one) for one in range(groups)]
    found = []
    for _ in range(300):
        chosen = rng.integers(0, groups, groups)
        who = np.repeat(np.arange(groups), [len(own[one]) for one in chosen])
        taken = np.concatenate([own[one] for one in chosen])
        found.append(function(table[None, taken], labels[taken], who, **settings)[0][0])
    assert ours == pytest.approx(np.std(found, ddof=1), rel=0.12)


def test_contributions_of_two_networks_subtract() -> None:
    # The same patients, one network better in each: the difference is surer than either value.
    (worse, labels, patient), better = films(3), films(3, worth=0.3)[0]
    one, other = (
        Scorer.of(DECLARED["dice"]).influence(cases(table[:, None], labels[:, None], patient, [0]))
        for table in (worse, better)
    )
    assert one.groups is not None and (one.patients == np.unique(patient)).all()
    alone = np.sqrt((one.values**2).sum())
    assert np.sqrt(((other.values - one.values) ** 2).sum()) < alone
    assert other.estimate > one.estimate


@pytest.mark.parametrize("metric", MASK_METRICS, ids=lambda metric: metric.name)
def test_the_houses_tables_take_them(metric: Any) -> None:
    scorer = Scorer.of(DECLARED[metric.name])
    (one, labels, patient), (two, others, _) = films(4), films(5)
    two = np.vstack([two, two])[: len(one)]
    others = np.concatenate([others, others])[: len(one)]
    found = cases(np.stack([one, two], 1), np.stack([labels, others], 1), patient, [0, 1])
    intervals = rows(scorer, found)
    low, high = scorer.bounds
    assert all(low <= row.low < row.estimate < row.high <= high for row in intervals)
    assert all(row.flags == () for row in intervals)
    assert scorer.influence(found).estimate == pytest.approx(intervals[0].estimate)
    assert scorer.values(found)[0] == pytest.approx(intervals[0].estimate)


@pytest.mark.parametrize("name", MEASURES)
def test_checkpoints_are_ranked_by_the_mean_over_films(name: str) -> None:
    # Whose films they are is not known where checkpoints are ranked.
    table, labels, patient = films(4)
    estimator, settings = Scorer.of(DECLARED[name]).estimator, DECLARED[name]["settings"]
    by_film = getattr(mask_metrics, f"{name}_by_film")
    expected, _ = by_film(table[None], labels, patient, **settings)
    assert estimator.estimates(table[None], labels) == pytest.approx(expected)


def test_few_patients_are_flagged_and_missing_classes_are_not() -> None:
    scorer = Scorer.of(DECLARED["dice"])
    for patients, flags in ((LEAST_PATIENTS, ()), (LEAST_PATIENTS - 1, ("few_patients",))):
        predicted = np.zeros((patients, 1, 4, 4), dtype=np.uint8)
        truth = predicted.copy()
        truth[:, :, 1] = predicted[:, :, 1, :2] = 1
        predicted[::2, :, 1] = 1
        table = pack(count_overlap(predicted, truth))
        found = cases(table, np.ones((patients, 1)), np.arange(patients), [0])
        whole, row = rows(scorer, found)
        assert whole.flags == row.flags == flags and row.n_patients == patients
    nothing = cases(0 * table, np.full((patients, 1), np.nan), np.arange(patients), [0])
    assert rows(scorer, nothing)[1].flags == ("undefined",)
    lost = cases(np.nan * table, np.ones((patients, 1)), np.arange(patients), [0])
    assert [row.flags for row in rows(scorer, lost)] == [("no_score",)] * 2
    # Over folds as in one test set; of labels, one class would have been told.
    for found, flag in ((lost, "no_score"), (nothing, "undefined")):
        pooled = pooled_intervals({"0": FoldedCases(found), "1": FoldedCases(found)}, scorer)
        assert [pooled.whole.flags, *(row.flags for row in pooled.tasks.values())] == [(flag,)] * 2
    halves = {
        fold: FoldedCases(
            cases(table[part], np.ones((len(table[part]), 1)), np.arange(patients)[part], [0])
        )
        for fold, part in (("0", slice(0, 20)), ("1", slice(20, None)))
    }
    assert pooled_intervals(halves, scorer).whole.flags == ("few_patients",)
    assert "least_patients" not in built_in("auroc")


def test_a_diverged_network_has_no_value() -> None:
    table, labels, patient = films(6)
    estimates, values = mask_metrics.dice(np.stack([table, table * np.nan]), labels, patient)
    assert np.isnan(estimates).tolist() == [False, True]
    assert np.isnan(values[1][~np.isnan(labels)]).all() and not np.isnan(values[0]).any()


def test_one_patient_tells_nothing_of_the_spread() -> None:
    table, labels, patient = films(6)
    for metric in (mask_metrics.dice, mask_metrics.dice_by_film, mask_metrics.dice_pooled):
        estimates, values = metric(table[None], labels, 0 * patient)
        assert np.isfinite(estimates).all() and np.isnan(values[0][~np.isnan(labels)]).all()


@pytest.mark.parametrize(("predicted", "there"), list(product([0, 1], repeat=2)))
def test_pooled_films_have_the_state_of_their_sum(predicted: int, there: int) -> None:
    table = np.zeros((1, 3, 4))
    table[..., 3] = 16
    table[0, 1, 1], table[0, 2, 2] = predicted, there
    for name in MEASURES[:4]:
        metric = getattr(mask_metrics, f"{name}_pooled")
        (found,), values = metric(table, np.ones(3), np.arange(3))
        expected = STATES[name][(0 if predicted == there else 1) if not there else 2]
        assert found == (0 if predicted and there else expected) and np.isfinite(values).all()


def test_rows_say_what_was_measured() -> None:
    predicted, truth = masks.four_pairs()
    table = packed(predicted, truth, (1.0, 2.5))
    record = MaskRecord.of(table)
    assert (record.overlap.state == count_overlap(predicted, truth).state).all()
    surfaces = measure_surfaces(predicted, truth, (1.0, 2.5))
    for number, tolerance in enumerate(surfaces.tolerances):
        both = surfaces.near_predicted[:, number] + surfaces.near_true[:, number]
        assert (record.near(tolerance) == both).all()
    with pytest.raises(UserError, match=r"tolerance of 2 was not measured; there is 1, 2\.5\."):
        record.near(2.0)
    with pytest.raises(UserError, match="measure outlines as well"):
        mask_metrics.hd95.film_values(pack(count_overlap(predicted, truth)))
    with pytest.raises(UserError, match="rows of 5 numbers"):
        MaskRecord.of(np.zeros((2, 5)))
    with pytest.raises(UserError, match="allowed are score and skip"):
        mask_metrics.dice.film_values(table, empty="drop")


def test_what_is_pooled_is_not_told_as_values_of_films() -> None:
    for metric in MASK_METRICS:
        pooled = metric.name.endswith("_pooled")
        assert ("of a film, " in metric.note) != pooled, metric.name
        assert ("both of whose masks are empty adds nothing" in metric.note) == pooled
        assert ("{empty}" in metric.note) != pooled


def test_a_study_leaves_empty_films_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "METRICS", MASK_METRICS)
    own = {"of": "surface_dice", "empty": "skip", "tolerance": 3.5}
    found = planning.find_metric({"metrics": {"mine": own}}, "mine", "study.yaml")
    assert found["settings"] == {"empty": "skip", "tolerance": 3.5}
    assert found["title"] == "Surface Dice at 3.5"
    assert "; empty: skip (skip leaves out films " in found["note"]
    table = packed(*masks.four_pairs(), (3.5,))
    scorer = Scorer.of(found)
    value, _ = scorer.values(cases(table[:, None], np.ones((4, 1)), np.arange(4), [0]))
    assert value == pytest.approx(1 / 3)
    for wrong in ("drop", 1):
        with pytest.raises(UserError, match=f"is '?{wrong}'?; allowed are score, skip"):
            planning.find_metric({"metrics": {"mine": own | {"empty": wrong}}}, "mine", "here")


def test_names_are_their_own() -> None:
    names = [metric.name for metric in MASK_METRICS]
    assert len(set(names)) == len(names) == 17
    assert not {metric.name for metric in LABEL_METRICS} & set(names)
    assert {*names} <= {metric.name for metric in METRICS}
    assert all("{" not in declared["title"] + declared["note"] for declared in DECLARED.values())


@pytest.mark.parametrize("name", ["dice", "dice_pooled", "hd95"])
def test_intervals_hold_the_truth(name: str) -> None:
    scorer = Scorer.of(DECLARED[name])

    def sample(seed: int, patients: int) -> Any:
        table, labels, patient = films(seed, patients)
        return cases(table[:, None], labels[:, None], patient, [0])

    truth = scorer.values(sample(99, 40000))[0]
    means = [rows(scorer, sample(100 + seed, 60))[0] for seed in range(300)]
    share = np.mean([mean.low <= truth <= mean.high for mean in means])
    assert 0.91 <= share <= 0.985


def test_a_metric_without_a_value_of_single_films_says_none() -> None:
    for name, metric in DECLARED.items():
        assert is_pooled(metric) == (not values_of(metric)) == name.endswith("_pooled"), name
    for metric in (built_in("auroc"), {"function": "my_metrics:dice", "settings": {}}):
        assert values_of(metric) == {} and not is_pooled(metric)
