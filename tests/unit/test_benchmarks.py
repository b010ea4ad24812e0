"""Every program of benchmarks/ runs, and says what it measured in a table."""

from __future__ import annotations

import importlib
import math
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from transfergrid.metrics.auroc import macro_auroc
from transfergrid.planning.architectures import known_architectures
from transfergrid.planning.paths import PROJECT
from transfergrid.planning.speeds import read_speeds
from transfergrid.planning.study import load_study

pytestmark = pytest.mark.slow
BENCHMARKS = PROJECT / "benchmarks"
PROGRAMS = sorted(path.stem for path in BENCHMARKS.glob("bench_*.py"))
SIMULATIONS = sorted(path.stem for path in BENCHMARKS.glob("coverage_*.py"))


@pytest.fixture()
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def loaded(name: str) -> ModuleType:
        return importlib.import_module(name)

    return loaded


def rows(text: str) -> list[list[str]]:
    """Return the cells of all Markdown tables but for their heads."""
    lines = re.findall(r"^\| (.+) \|$", text, flags=re.M)
    heads = re.findall(r"^\| (.+) \|\n\|-", text, flags=re.M)
    return [line.split(" | ") for line in lines if line not in heads]


@pytest.mark.parametrize("name", PROGRAMS + SIMULATIONS)
def test_a_program_measures(name: str, load: Any, capsys: pytest.CaptureFixture[str]) -> None:
    threads = torch.get_num_threads()
    load(name).main(["--quick"])
    assert torch.get_num_threads() == threads
    found = rows(capsys.readouterr().out)
    assert found
    for line in found:
        numbers = [float(word) for word in line if re.fullmatch(r"-?[\d.e+-]+", word)]
        assert numbers, line
        assert all(np.isfinite(numbers)), line


def test_the_statistics_name_the_simulations_behind_their_tables() -> None:
    page = (PROJECT / "docs" / "statistics.md").read_text(encoding="utf-8")
    assert all(f"benchmarks/{name}.py" in page for name in SIMULATIONS)


def test_make_bench_runs_all_of_them() -> None:
    assert len(PROGRAMS) >= 11
    assert "benchmarks/bench_*.py" in (PROJECT / "Makefile").read_text()


def test_a_peer_that_is_not_installed_is_named_in_a_line(
    load: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load("common").peer("no_such_package.part") is None
    said = capsys.readouterr().out.strip()
    assert said.startswith("no_such_package is left out") and "\n" not in said


def test_runs_take_turns_and_medians_are_kept(load: Any) -> None:
    order: list[str] = []
    values = iter([1.0, 10.0, 20.0, 2.0, 9.0, 90.0])

    def one(name: str) -> float:
        order.append(name)
        return next(values)

    found = load("common").alternate({"a": lambda: one("a"), "b": lambda: one("b")}, 3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert found == {"a": 2.0, "b": 20.0}


def test_the_peers_of_the_bootstrap_score_what_the_library_scores(load: Any) -> None:
    case = load("bench_bootstrap").Case.drawn(200, 120)
    assert len(case.studies) == 120 and sum(map(len, case.studies)) == 200
    assert case.macro(np.arange(120)) == pytest.approx(
        macro_auroc(case.scores, case.labels, range(5)), abs=1e-12
    )


def test_the_bare_loop_learns(load: Any) -> None:
    made = load("made_training")
    images = torch.rand(32, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = (images.mean((1, 2, 3)) > images.mean()).float()[:, None]
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 1))
    loop = made.BareLoop(model, made.Tensors(images, labels), 8)
    assert loop.epoch(2) == 16
    for _ in range(300):
        loop.epoch()
    assert loop.validate(made.Tensors(images, labels)) > 0.9


@pytest.fixture()
def gpu(load: Any) -> ModuleType:
    module: ModuleType = load("gpu")
    return module


def test_the_gpu_program_runs_on_a_processor(gpu: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "speed.csv"
    path.write_text(
        ",".join(gpu.COLUMNS)
        + "\nGPU A,resnet18,224,tf32,NCHW,eager,1.0,2.0,2.6,2026-01-01,16\n"
        + "cpu,resnet18,224,fp32,NCHW,eager,1.0,2.0,2.6,2026-01-01,16\n"
    )
    gpu.main(["--device", "cpu", "--quick", "--output", str(path)])
    found = read_speeds(path)
    assert [row.device for row in found] == ["GPU A", *["cpu"] * 7]
    # What was not measured again stays, here and on other devices.
    assert [row.px for row in found[:2]] == [224, 224]
    steps = [(row.architecture, row.precision, row.layout) for row in found[2:6]]
    assert steps == [
        ("resnet18", precision, layout)
        for precision in ("fp32", "bf16")
        for layout in ("NCHW", "channels_last")
    ]
    assert [row.mode for row in found[6:]] == ["streamed batches", "augmentation"]
    assert all(row.images_per_second > 0 for row in found)
    gpu.main(["--device", "cpu", "--quick", "--output", str(path)])
    assert len(read_speeds(path)) == len(found)


def test_a_processors_numbers_go_to_no_file_by_themselves(
    gpu: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "RESOURCES", tmp_path)
    gpu.main(["--device", "cpu", "--quick"])
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_is_leased_before_it_is_looked_for(
    gpu: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr(gpu, "take_gpu", lambda gpus, *_: told.append(gpus))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: told.append("looked"))
    with pytest.raises(SystemExit, match="torch sees no GPU"):
        gpu.main([])
    assert told == [1, "looked"]


def test_the_gpu_program_measures_the_published_study(gpu: ModuleType) -> None:
    study = load_study(PROJECT / "studies" / "chextransfer.yaml", {})
    asked = {name for block in study.config["grid"] for name in block["architectures"]}
    assert set(gpu.NETWORKS) == asked
    assert asked <= set(known_architectures())


def test_device_events_are_read_after_the_device_is_done(
    gpu: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing

        def record(self, stream: object) -> None:
            told.append("event")

        def elapsed_time(self, other: object) -> float:
            assert told[-1] == "wait" and other is not self
            return 250.0

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: told.append("wait"))
    watch = gpu.Stopwatch(torch.device("cuda"))
    assert watch.time(lambda: told.append("work"), 2) == 0.25
    assert told == ["event", "work", "work", "event", "wait"]
    # Two calls take a quarter of a second: so eight are timed for a second.
    told.clear()
    assert watch.rate(lambda: told.append("work"), 1.0) == 8 / 0.25
    assert told.count("work") == 3 + 2 + 8


def test_a_full_memory_leaves_a_row_out(
    gpu: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(gpu, "prepared", full)
    setting = gpu.Setting(torch.device("cpu"), 2, 0.0, 8)
    assert list(gpu.eager(setting, ["resnet18"], [32])) == [None] * 4
    assert "out of memory" in capsys.readouterr().err


def test_compiling_ends_in_time(gpu: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    seen: list[tuple[str, float]] = []

    def compiled(setting: object, name: str, *_: object) -> None:
        seen.append((name, clock[0]))
        clock[0] += {"resnet18": 100.0}.get(name, 30.0)

    monkeypatch.setattr(gpu.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(gpu, "trained", compiled)
    setting = gpu.Setting(torch.device("cpu"), 2, 0.0, 8)
    names = ["resnet101", "resnet34", "resnet18", "mobilenetv2_100"]
    assert len(list(gpu.compiled(setting, names, 32, 200.0, 60.0))) == 2
    # The cheapest come first. A third may take 100 s as the second did, and would end at 230 s.
    assert seen == [("mobilenetv2_100", 0.0), ("resnet18", 30.0)]


def test_a_network_that_cannot_be_compiled_is_left_out(
    gpu: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no C compiler\nwas found")

    monkeypatch.setattr(gpu, "prepared", fails)
    setting = gpu.Setting(torch.device("cpu"), 2, 0.0, 8)
    assert list(gpu.compiled(setting, ["resnet18"], 32, math.inf, 0.0)) == [None]
    told = capsys.readouterr().err
    assert "resnet18 cannot be compiled (RuntimeError: no C compiler was found)" in told
    with pytest.raises(RuntimeError):
        list(gpu.eager(setting, ["resnet18"], [32]))
