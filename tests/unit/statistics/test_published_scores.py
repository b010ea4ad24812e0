"""A published table beside a study's scores: what is set beside what, and the claims on it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from unit.statistics.made_up_reader import reader_of

from transfergrid.catalog.questions import PUBLISHED_SCORES
from transfergrid.metrics.influence import Influence
from transfergrid.planning.claims import chosen_claims
from transfergrid.statistics.basis import Basis
from transfergrid.statistics.claims import Judged, judge
from transfergrid.statistics.findings import Finding
from transfergrid.statistics.published_scores import published_scores

METRICS = {
    "auroc": {"name": "auroc", "roc_area": True, "range": [0, 1]},
    "dice": {
        "name": "dice",
        "roc_area": False,
        "range": [0, 1],
        "function": "transfergrid.metrics.mask_metrics:dice",
    },
}
PRIMARY = {"dxc14": "auroc", "dxc5": "auroc", "pxs": "dice", "vfs": "dice", "other": "auroc"}
Scores = dict[tuple[str, str], list[float]]


def basis_of(scores: Scores, about: Any = "systematic2021", **changes: Any) -> Basis:
    """Return the scores of seeds of each (data set, initialisation), all on the same patients."""
    entries, runs = [], {}
    for (dataset, arm), values in scores.items():
        place = {"dataset": dataset, "architecture": "resnet50", "pretraining": arm}
        place |= {"truncation": 0, "protocol": "p", "role": "target", **changes}
        for seed, value in enumerate(values):
            cell = f"{dataset}-{arm}-{seed}"
            entries.append({**place, "cell": cell, "seed": seed})
            runs[cell] = Influence(value, np.arange(4), np.zeros(4))
    reader = reader_of(entries, runs, {})
    reader.metric_of = lambda dataset, name=None: METRICS[name or PRIMARY[dataset]]
    reader.spec = lambda cell: {"weights": {"id": ""}}
    reader.card = lambda cell: {"patients": "known", "synthetic": False}
    reader.runs = {cell: SimpleNamespace(crossed=False) for cell in runs}
    settings = about if isinstance(about, dict) else {"about": about}
    reader.study = {"claims": chosen_claims(settings, "s.yaml"), "metrics": METRICS}
    return Basis(reader.study, pd.DataFrame(), reader, 0.05)


def answered(basis: Basis) -> list[Finding]:
    question = {"name": PUBLISHED_SCORES.unasked, "kind": PUBLISHED_SCORES.name}
    return list(published_scores(question, basis).rows)  # type: ignore[arg-type]


def by_quantity(found: list[Finding]) -> dict[tuple[str, str, str], Finding]:
    place = ("dataset", "pretraining")
    return {(*(str(one.place.get(k, "")) for k in place), one.quantity): one for one in found}


def test_each_cell_has_ours_with_its_interval_and_theirs_beside_it() -> None:
    trials = [0.815, 0.818, 0.823]
    found = by_quantity(answered(basis_of({("dxc14", "imagenet"): trials})))
    ours = found["dxc14", "imagenet", "score"]
    # Patients without a share in it leave the trials alone: Student's t of three.
    wanted = stats.t.interval(0.95, 2, np.mean(trials), stats.sem(trials))
    assert (ours.value, ours.low, ours.high) == pytest.approx((np.mean(trials), *wanted))
    theirs = found["dxc14", "imagenet", "published"]
    assert theirs.value == pytest.approx(0.8170)
    # The figures have the same numbers as the table.
    assert theirs.method == "0.8170 ± 0.0015 of the domain-adaptive table (published)"
    apart = found["dxc14", "imagenet", "ours_minus_published"]
    assert apart.value == pytest.approx(ours.value - 0.8170)
    assert apart.low == pytest.approx(ours.low - 0.8170) and "mean of 3 trials" in apart.method
    assert apart.metric == "auroc" and apart.place["protocol"] == "p"


def test_a_printed_number_counts_before_those_of_figures_that_differ_and_are_told() -> None:
    found = by_quantity(answered(basis_of({("dxc5", "imagenet"): [0.87]})))
    theirs = found["dxc5", "imagenet", "published"]
    assert theirs.value == 0.8710
    start, *figures = theirs.method.split("; also ")
    assert start == "0.8710 ± 0.0036 of the domain-adaptive table (published)"
    assert figures == [
        "0.8711 ± 0.0036 of the iNat2021 figure (digitised, not published as numbers)",
        "0.8717 ± 0.0021 of the self-supervised figure (digitised, not published as numbers)",
    ]


def test_on_drawn_images_it_says_that_nothing_is_shown() -> None:
    basis = basis_of({("dxc5", "imagenet"): [0.87]})
    drawn = {"patients": "known", "synthetic": True}
    basis.reader.card = lambda cell: drawn  # type: ignore[method-assign]
    assert all(one.note.startswith("drawn images, no evidence") for one in answered(basis))


def test_what_only_a_figure_shows_is_digitised_and_masks_are_compared_by_dice() -> None:
    found = by_quantity(answered(basis_of({("vfs", "swav"): [0.79], ("pxs", "random"): [0.6]})))
    one = found["vfs", "swav", "published"]
    assert one.value == pytest.approx(0.7965) and "published)" not in one.method
    assert "digitised, not published as numbers" in one.method and one.metric == "dice"
    assert "conditional on this seed" in one.note
    assert found["pxs", "random", "published"].value == pytest.approx(0.6754)


def test_the_order_of_initialisations_is_compared_on_each_data_set_that_has_three() -> None:
    ours = {"random": 0.80, "imagenet": 0.83, "swav": 0.82, "moco_v2": 0.79}
    theirs = {"random": 80.31, "imagenet": 81.70, "swav": 81.93, "moco_v2": 80.45}
    scores = {("dxc14", arm): [value] for arm, value in ours.items()}
    found = by_quantity(answered(basis_of({**scores, ("dxc5", "swav"): [0.8]})))
    rho = stats.spearmanr(list(ours.values()), list(theirs.values())).statistic
    assert found["dxc14", "", "rank_correlation"].value == pytest.approx(rho)
    apart = [ours[arm] - theirs[arm] / 100 for arm in ours]
    assert found["dxc14", "", "mean_difference"].value == pytest.approx(np.mean(apart))
    assert ("dxc5", "", "rank_correlation") not in found
    assert ("dxc5", "swav", "score") in found


@pytest.mark.parametrize(
    ("scores", "changes"),
    [
        ({("other", "imagenet"): [0.8]}, {}),
        ({("dxc14", "mine"): [0.8]}, {}),
        ({("dxc14", "chestxray14"): [0.8]}, {}),  # left out there: source and target are the same
        ({("dxc14", "imagenet"): [float("nan")]}, {}),
        ({("dxc14", "imagenet"): [0.8]}, {"truncation": 1}),
        ({("dxc14", "imagenet"): [0.8]}, {"architecture": "resnet50_slim3"}),
        ({("dxc14", "imagenet"): [0.8]}, {"architecture": "resnet18"}),
        ({("dxc14", "imagenet"): [0.8]}, {"about": "chextransfer"}),
    ],
)
def test_nothing_stands_beside_what_the_study_did_not_measure(
    scores: Scores, changes: dict[str, Any]
) -> None:
    assert answered(basis_of(scores, **changes)) == []


def test_scores_of_another_metric_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    basis = basis_of({("pxs", "random"): [0.6]})
    monkeypatch.setitem(PRIMARY, "pxs", "auroc")  # a data set of that name, but with labels
    assert answered(basis) == []


def test_a_tag_of_weights_and_a_pretraining_that_stands_for_another_are_allowed() -> None:
    about = {"about": "systematic2021", "stands_for": {"mine": "imagenet"}}
    basis = basis_of({("dxc14", "mine"): [0.8]}, about, architecture="resnet50.a1_in1k")
    one = by_quantity(answered(basis))["dxc14", "mine", "published"]
    assert one.value == pytest.approx(0.8170) and "mine stands for imagenet" in one.note


@pytest.mark.parametrize(
    ("where", "left"),
    [
        ({}, {"imagenet", "swav"}),
        ({"pretraining": "swav"}, {"swav"}),
        ({"dataset": ["dxc5"], "protocol": "p"}, set()),
        ({"protocol": ["q"]}, set()),
    ],
)
def test_only_cells_that_the_claims_count_stand_beside_the_table(
    where: dict[str, Any], left: set[str]
) -> None:
    scores = {("dxc14", arm): [0.80, 0.84] for arm in ("imagenet", "swav")}
    found = by_quantity(answered(basis_of(scores, {"about": "systematic2021", "where": where})))
    assert {arm for _, arm, _ in found} == left
    first = {"about": "systematic2021", "where": {"seed": 0, "pretraining": "swav"}}
    one = by_quantity(answered(basis_of(scores, first)))["dxc14", "swav", "score"]
    assert one.value == pytest.approx(0.80) and one.method.startswith("mean of 1 trial;")


def judged(basis: Basis) -> dict[str, Judged]:
    rows = judge(basis.study["claims"], [one.evidence() for one in answered(basis)], basis.reader)
    return {row.claim: row for row in rows}


@pytest.mark.parametrize(
    ("trials", "verdict"),
    [
        ([0.816, 0.817, 0.818], "reproduced"),
        ([0.80, 0.817, 0.834], "undecided"),
        ([0.85, 0.851, 0.852], "not reproduced"),
    ],
)
def test_a_printed_score_is_judged_by_the_interval_of_ours(
    trials: list[float], verdict: str
) -> None:
    found = judged(basis_of({("dxc14", "imagenet"): trials, ("dxc5", "imagenet"): trials}))
    row = found["sys.table.dxc14.imagenet"]
    assert (row.verdict, row.published, row.data) == (verdict, "0.8170", "dxc14")
    assert row.measured == pytest.approx(np.mean(trials))
    # The films of the other tasks are not known, whatever the score.
    other = found["sys.table.dxc5.imagenet"]
    assert other.verdict == "not tested" and "no list of its films" in other.rule
