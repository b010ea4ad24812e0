from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from unit.reporting.made_up_tables import costs_of

from transfergrid.reporting.page.costs import (
    Cost,
    CostRow,
    against_benchmark,
    cost_rows,
    costs,
    energy_sentence,
    sentence,
    totals,
    watt_hours,
)
from transfergrid.reporting.records import CellRecord


def trainings(role: str, device: str, trained: int, seconds: float) -> dict[str, Any]:
    like = costs_of().to_dict("records")[1]
    told = {"role": role, "device": device, "trained": trained, "train_seconds": seconds}
    return {**like, **told}


def test_hours_are_those_of_trainings_that_took_place_by_device() -> None:
    nothing = trainings("cells of the grid", "", 0, float("nan"))
    table = pd.DataFrame(
        [
            costs_of().to_dict("records")[0],
            nothing,
            trainings("cells of the grid", "NVIDIA H200", 2, 10800.0),
            trainings("sources", "cpu", 1, 900.0),
            trainings("learning-rate trials", "NVIDIA H200", 2, 3600.0),
        ]
    )
    found = costs(table)
    assert found == [
        Cost("cells of the grid", "NVIDIA H200", 2, 10800.0),
        Cost("sources", "cpu", 1, 900.0),
        Cost("learning-rate trials", "NVIDIA H200", 2, 3600.0),
    ]
    assert totals(found) == [("4.0", "GPU-hours"), ("0.25", "CPU-hours")]
    assert sentence(found).startswith("4.0 GPU-hours and 0.25 CPU-hours of training in 5 jobs")
    assert "preparing data, scoring, tables and figures" in sentence(found)
    assert "preparing data, computing features of frozen layers, scoring" in sentence(found, True)
    for none in (pd.DataFrame([nothing]), costs_of().iloc[:0]):
        assert costs(none) == [] and totals(costs(none)) == []
    assert "not recorded" in sentence([])


def test_what_nobody_measured_is_a_dash_and_not_zero() -> None:
    prepare, trained = cost_rows(costs_of())
    assert prepare == CostRow("prepare", "2, 0 measured", *["–"] * 5, ("–", "–"))
    assert trained == CostRow(
        "train, cells of the grid, NVIDIA H200",
        "23, 20 measured",
        *("2.5 h", "2.2 h", "812 MB", "2.0 h", "2 048 MiB".replace(" ", "\u202f", 1)),
        ("–", "–"),
    )
    assert energy_sentence(costs_of()) == ""


def test_energy_is_told_where_there_is_any() -> None:
    table = costs_of()
    table.loc[1, ["cpu_metered", "cpu_wh"]] = 23, 34.4
    told = energy_sentence(table)
    assert "of trainings and scorings: 34 Wh by processors in 23 jobs. A processor's is" in told
    assert "GPU" not in told
    table.loc[1, ["gpu_metered", "gpu_wh"]] = 1, 5600.0
    table.loc[0, ["gpu_metered", "gpu_wh"]] = 2, 400.0
    told = energy_sentence(table)
    assert ": 6 kWh by GPUs in 3 jobs and 34 Wh by processors in 23 jobs. A GPU's is" in told
    assert "A processor's is" in told
    prepare, trained = cost_rows(table)
    assert prepare.energies == ("–", "400 Wh")
    assert trained.energies == ("34 Wh", "5.6 kWh (1 job)")


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (0.1234, "0.12 Wh"),
        (7.06, "7.1 Wh"),
        (99.6, "100 Wh"),
        (999.4, "999 Wh"),
        (999.6, "1 kWh"),
        (2_345_678.0, "2\u202f346 kWh"),
        (float("nan"), "–"),
    ],
)
def test_watt_hours_have_two_digits(value: float, printed: str) -> None:
    assert watt_hours(value) == printed


ROW = (
    "GPU",
    "resnet18",
    "64",
    "tf32",
    "channels_last",
    "eager",
    "2000.0",
    "9.0",
    "2.6",
    "day",
    "8",
)


def trained(rate: float | None, **changes: Any) -> CellRecord:
    cell = {"architecture": "resnet18", "truncation": 0}
    spec = {"cell": cell, "architecture": {"input_px": 64}, "recipe": {"train_layers": "all"}}
    train = {"images_per_second": rate, "device": "GPU", "precision": "tf32", "micro_batch": 8}
    cell |= {key: changes[key] for key in cell if key in changes}
    return CellRecord(spec=spec, train=train | {k: changes[k] for k in train if k in changes})


def test_trainings_stand_beside_the_benchmark_of_their_device() -> None:
    others = [
        trained(1.0, device="another GPU"),
        trained(1.0, precision="bf16"),
        trained(1.0, micro_batch=16),
        trained(1.0, truncation=1),
        trained(1.0, architecture="resnet34"),
        trained(None),
        CellRecord(),
    ]
    (found,) = against_benchmark([trained(900.0), trained(1100.0), trained(1000.0), *others], [ROW])
    assert (found.network, found.px, found.precision) == ("resnet18", 64, "fp32")
    assert (found.trainings, found.rate, found.benchmark.images_per_second) == (3, 1000.0, 2000.0)
    assert against_benchmark([trained(900.0)], []) == []
