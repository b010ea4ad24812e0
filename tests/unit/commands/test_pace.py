from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from unit.commands import made_up_results as made

from transfergrid.commands import pace as module
from transfergrid.commands.pace import (
    GUESSED_RATE,
    Measured,
    Pace,
    known_costs,
    known_mask_costs,
    macs,
    measurements,
    pace,
    target_device,
)
from transfergrid.models.cost import cost
from transfergrid.models.mask_network import mask_cost
from transfergrid.models.mask_size import mask_size
from transfergrid.planning import speeds
from transfergrid.planning.architectures import known_architectures
from transfergrid.planning.cells import Cell
from transfergrid.planning.recipe import Recipe
from transfergrid.planning.speeds import COLUMNS, SPEEDS
from transfergrid.runtime.gpus import Board, Gpu


@pytest.mark.parametrize(
    ("name", "truncation"),
    [("lcnet_050", 0), ("lcnet_050", 3), ("resnet18", 1), ("cbr_small_slim2", 1)],
)
def test_the_listed_costs_are_those_of_the_networks(name: str, truncation: int) -> None:
    counted = cost(known_architectures()[name].record(224), 14, truncation, 224)
    assert known_costs()[name, truncation] == (counted.params, counted.macs)


def test_every_named_network_is_listed_at_every_depth() -> None:
    assert set(known_costs()) == {
        (name, truncation)
        for name, network in known_architectures().items()
        for truncation in range(network.max_truncation + 1)
    }


@pytest.mark.parametrize(("name", "truncation"), [("lcnet_050", 2), ("resnet18", 0)])
def test_so_are_those_with_a_decoder(name: str, truncation: int) -> None:
    record = known_architectures()[name].record(224)
    size, listed = mask_size(record, 1, truncation, 224), known_mask_costs()[name, truncation]
    assert (size.stored, size.macs, size.held) == (listed.stored, listed.macs, listed.held)
    counted = mask_cost(record, 1, truncation, 224)
    assert size.macs == counted.macs and size.stored >= counted.params


def test_every_named_network_has_a_decoder_at_every_depth() -> None:
    assert known_mask_costs().keys() == known_costs().keys()
    more = [known_mask_costs()[key].macs - macs for key, (_, macs) in known_costs().items()]
    assert min(more) > 0


def test_masks_are_measured_by_masks_and_scaled_by_the_work_of_both(cell: Cell) -> None:
    masks = replace(cell, decoder="unet")
    known = [SAME, other(decoder="mine:FPN", rate=7.0)]
    work = known_costs()["lcnet_050", 0][1], known_mask_costs()["lcnet_050", 0].macs
    found = pace(masks, LIKE, 64, "cpu", [SAME])
    assert found is not None and found.basis == "scaled"
    assert found.rate == pytest.approx(300.0 * work[0] / work[1])
    known.append(other(decoder="unet", rate=20.0))
    assert pace(masks, LIKE, 64, "cpu", known) == Pace(20.0, "measured")
    assert pace(masks, LIKE, 32, "cpu", known) == Pace(80.0, "scaled")
    assert pace(replace(cell, decoder="mine:FPN"), LIKE, 64, "cpu", known) == Pace(7.0, "measured")
    assert pace(cell, LIKE, 64, "cpu", known) == Pace(300.0, "measured")


def test_work_grows_with_the_area() -> None:
    counted = cost(known_architectures()["resnet18"].record(320), 14, 0, 320)
    assert macs("resnet18", 0, 320) == pytest.approx(counted.macs, rel=0.001)
    assert macs("unknown", 0, 320) is None


@pytest.fixture()
def cell(tmp_path: Path) -> Cell:
    planned = made.plan(tmp_path)
    return next(cell for name, cell in planned.cells.items() if "random-drop0-finetune" in name)


SAME = Measured("lcnet_050", 0, 64, "fp32", "all", "cpu", 300.0)
LIKE = Recipe()


def other(**changes: object) -> Measured:
    return Measured(**{**vars(SAME), **changes})  # type: ignore[arg-type]


def test_cells_like_it_come_first(cell: Cell) -> None:
    known = [other(rate=100.0), SAME, other(rate=900.0), other(px=32, rate=1.0)]
    assert pace(cell, LIKE, 64, "cpu", known) == Pace(300.0, "measured")


def test_the_network_at_another_size_is_scaled_by_the_area(cell: Cell) -> None:
    known = [other(px=32), other(architecture="resnet18", rate=1.0)]
    assert pace(cell, LIKE, 64, "cpu", known) == Pace(75.0, "scaled")


def test_other_networks_are_scaled_by_their_work(cell: Cell) -> None:
    known = [other(architecture="resnet18", rate=10.0)]
    ratio = known_costs()["resnet18", 0][1] / known_costs()["lcnet_050", 0][1]
    found = pace(cell, LIKE, 64, "cpu", known)
    assert found is not None and found.basis == "scaled"
    assert found.rate == pytest.approx(10.0 * ratio)


def benchmarked(monkeypatch: pytest.MonkeyPatch, *rows: Measured) -> None:
    monkeypatch.setattr(module, "benchmarks", lambda: rows)


def test_a_benchmark_comes_after_cells_and_before_scaling(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = other(device="GPU", rate=5000.0)
    benchmarked(monkeypatch, row, other(device="GPU", precision="bf16", rate=9.0))
    cells = [other(device="GPU", px=32, rate=1.0)]
    assert pace(cell, LIKE, 64, "GPU", cells) == Pace(5000.0, "benchmarked")
    trained = [*cells, other(device="GPU", rate=4000.0)]
    assert pace(cell, LIKE, 64, "GPU", trained) == Pace(4000.0, "measured")
    assert pace(cell, LIKE, 64, "cpu", []).basis == "guess"  # type: ignore[union-attr]
    # At another size it is scaled, as a cell would be, and in another batch; by its own format.
    assert pace(cell, LIKE, 128, "GPU", []) == Pace(5000.0 / 4, "scaled")
    benchmarked(monkeypatch, other(device="GPU", rate=5000.0, batch=LIKE.batch_size))
    assert pace(cell, LIKE, 64, "GPU", []) == Pace(5000.0, "benchmarked")
    benchmarked(monkeypatch, other(device="GPU", rate=5000.0, batch=2 * LIKE.batch_size))
    assert pace(cell, LIKE, 64, "GPU", []) == Pace(5000.0, "scaled")


def test_benchmarks_are_read_from_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "GPU,resnet18,64,tf32,channels_last,eager,100.0,,2.6,2026-01-01,16\n"
    (tmp_path / SPEEDS).write_text(",".join(COLUMNS) + "\n" + rows)
    monkeypatch.setattr(speeds, "RESOURCES", tmp_path)
    speeds.benchmarked.cache_clear()
    module.benchmarks.cache_clear()
    try:
        found = module.benchmarks()
    finally:
        speeds.benchmarked.cache_clear()
        module.benchmarks.cache_clear()
    assert found == (Measured("resnet18", 0, 64, "fp32", "all", "GPU", 100.0, 16),)


@pytest.mark.parametrize(
    ("device", "precision", "rate"),
    [("cpu", "bf16", "cpu"), ("GPU", "fp32", "fp32"), ("GPU", "bf16", "bf16")],
)
def test_other_devices_tell_nothing(cell: Cell, device: str, precision: str, rate: str) -> None:
    known = [other(device="another")]
    found = pace(cell, Recipe(precision=precision), 64, device, known)
    work = macs("lcnet_050", 0, 64)
    assert work is not None
    assert found == Pace(GUESSED_RATE[rate] / work, "guess")


def test_a_cpu_computes_in_float32_whatever_the_recipe_says(cell: Cell) -> None:
    assert pace(cell, Recipe(precision="bf16"), 64, "cpu", [SAME]) == Pace(300.0, "measured")


def test_an_unknown_network_is_unknown(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "known_costs", dict)
    assert pace(cell, LIKE, 64, "cpu", [other(architecture="resnet18")]) is None
    assert pace(cell, LIKE, 64, "cpu", [SAME]) == Pace(300.0, "measured")


def test_a_gpus_float32_is_the_recipes_whatever_its_convolutions_compute_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    planned = made.plan(tmp_path)
    name = next(iter(planned.cells))
    made.train(planned, Path("results"), name, {"precision": "tf32", "device": "GPU"})
    assert [one.precision for one in measurements()] == ["fp32"]


def test_finished_cells_are_read_and_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    planned = made.plan(tmp_path)
    made.finish(planned, Path("results"))
    names = list(planned.cells)
    made.train(planned, Path("results"), names[0], {"status": "diverged"})
    (Path("results/cells") / names[1] / "train.json").write_text("{")
    (Path("results/cells") / names[2] / "spec.json").unlink()
    (Path("results/cells") / "stray").mkdir()
    found = measurements()
    assert len(found) == len(names) - 3
    assert {one.rate for one in found} == {400.0}
    assert {(one.architecture, one.px, one.layers) for one in found} == {("lcnet_050", 32, "all")}


def test_the_device_is_the_studys_or_what_is_seen_or_what_was_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used = [other(device="NVIDIA B"), SAME]
    monkeypatch.setattr(module, "gpu_name", lambda: "NVIDIA A")
    assert target_device("cpu", used) == "cpu"
    assert target_device("auto", used) == "NVIDIA A"
    monkeypatch.setattr(module, "gpu_name", lambda: None)
    assert target_device("cuda", used) == "NVIDIA B"
    assert (target_device("cuda", []), target_device("auto", [])) == ("GPU", "cpu")


def test_a_gpu_is_named_as_nvidia_smi_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    boards = [
        Board(number, Gpu(f"GPU-{number}", f"NVIDIA {number}"), "1", None, None)
        for number in (0, 1)
    ]
    monkeypatch.setattr(module, "list_boards", lambda: boards)
    for setting, expected in (("1", "NVIDIA 1"), ("", None)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", setting)
        module.gpu_name.cache_clear()
        assert module.gpu_name() == expected
    module.gpu_name.cache_clear()
