"""A job's energy is measured while it has its device, beside its work and never in its way."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from unit.runtime import fake_gpus
from unit.runtime.fake_gpus import uuid
from unit.runtime.fake_powercap import Kernel, kernel

from transfergrid.runtime import meter as module
from transfergrid.runtime import packages
from transfergrid.runtime.energy import NAME, read_energy
from transfergrid.runtime.errors import Stopped
from transfergrid.runtime.live import Live
from transfergrid.runtime.meter import Meter

CPU = {"event": "device", "device": "cpu", "lease": None}
GPU = {"event": "device", "device": "NVIDIA H200", "lease": uuid(1)}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """A machine with one package, and a clock that the job does not wait for."""
    made = kernel(tmp_path)
    monkeypatch.setattr(packages, "POWERCAP", made.powercap)
    monkeypatch.setattr(packages, "STAT", made.stat)
    monkeypatch.setattr(packages, "process_seconds", lambda: made.own)
    monkeypatch.setattr(module, "EVERY_S", 0.01)
    made.zone("intel-rapl:0", "package-0")
    return made


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Install an nvidia-smi that answers with a script; returns the list of its calls."""

    def install(script: str) -> Path:
        calls = tmp_path / "calls"
        folder = fake_gpus.install_script(tmp_path / "bin", f'echo "$*" >> {calls}\n{script}')
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return calls

    return install


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def lines(folder: Path) -> list[dict[str, object]]:
    path = folder / "logs" / NAME
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def called(calls: Path) -> int:
    return len(calls.read_text().splitlines()) if calls.exists() else 0


def spend(machine: Kernel, joules: float, share: float) -> None:
    """Let the package use energy in two seconds of work, of which the process has a share."""
    count = int((machine.powercap / "intel-rapl:0" / "energy_uj").read_text())
    ticks = int(machine.stat.read_text().split()[1])
    machine.count("intel-rapl:0", count + int(joules * 1e6))
    machine.work(ticks + 200, *[0] * 9)
    machine.own += 2 * share


def test_a_training_and_the_scoring_after_it_are_told_apart(tmp_path, machine, monkeypatch) -> None:
    monkeypatch.setattr(module, "EVERY_S", 1000.0)  # so that the test alone says when is looked
    live = Live(tmp_path / "cell", "train")
    with live.account() as end:
        spend(machine, 100.0, 1.0)  # before it has its device, as it waits for one
        live.report(CPU)
        spend(machine, 40.0, 0.25)
        live.start("evaluate")
        spend(machine, 8.0, 0.5)
        end["status"] = "finished"
    spend(machine, 100.0, 1.0)
    trained, scored = lines(tmp_path / "cell")
    assert (trained["stage"], trained["status"]) == ("train", "finished")
    assert trained["package_joules"] == pytest.approx(40.0)
    assert trained["cpu_joules"] == pytest.approx(10.0)
    assert trained["gpu_joules"] is None
    assert (scored["stage"], scored["cpu_joules"]) == ("evaluate", pytest.approx(4.0))


def test_a_job_that_takes_over_what_was_made_keeps_its_record(tmp_path, machine) -> None:
    for device in (True, False):  # a job that only publishes takes no device
        live = Live(tmp_path, "evaluate")
        with live.account() as end:
            if device:
                live.report(CPU)
            end["status"] = "finished"
    assert len(lines(tmp_path)) == 1


@pytest.mark.parametrize(("error", "status"), [(Stopped, "stopped"), (ValueError, "failed")])
def test_an_attempt_that_ends_badly_is_recorded(tmp_path, machine, error, status) -> None:
    live = Live(tmp_path, "train")
    with pytest.raises(error), live.account():
        live.report(CPU)
        raise error
    assert [line["status"] for line in lines(tmp_path)] == [status]


def test_a_gpu_is_read_from_a_thread(tmp_path, machine, smi) -> None:
    calls = smi("echo 250.00")
    before = threading.active_count()
    live = Live(tmp_path, "train")
    with live.account() as end:
        live.report(GPU)
        until(lambda: called(calls) >= 4)
        end["status"] = "finished"
    until(lambda: threading.active_count() <= before)
    (found,) = lines(tmp_path)
    assert found["gpu_joules"] == pytest.approx(250.0 * found["seconds"], rel=0.2)
    assert set(calls.read_text().splitlines()) == {
        f"--id={uuid(1)} --query-gpu=power.draw --format=csv,noheader,nounits"
    }


@pytest.mark.parametrize("script", ["echo '[N/A]'", "exit 9", "echo 12; exit 3"])
def test_a_gpu_that_does_not_tell_is_left_alone(tmp_path, machine, smi, script) -> None:
    calls = smi(script)
    live = Live(tmp_path, "train")
    with live.account() as end:
        live.report(GPU)
        until(lambda: called(calls) >= 3)
        time.sleep(0.2)  # in which twenty more would have been asked
        end["status"] = "finished"
    (found,) = lines(tmp_path)
    assert called(calls) == 3
    assert found["gpu_joules"] is None and found["package_joules"] == 0.0


def test_a_short_job_starts_no_process_and_one_on_a_cpu_never(tmp_path, machine, smi) -> None:
    calls = smi("echo 250.00")
    meter = Meter(gpu=True, lease=uuid(1), every=1000.0)
    assert meter.end().gpu_joules is None
    live = Live(tmp_path, "train")
    with live.account():
        live.report(CPU)
        time.sleep(0.1)
    assert called(calls) == 0


def test_where_nothing_is_told_there_is_no_thread_and_no_file(
    tmp_path, machine, monkeypatch
) -> None:
    started: list[object] = []

    class Thread(threading.Thread):
        def start(self) -> None:
            started.append(self)
            super().start()

    monkeypatch.setattr(module.threading, "Thread", Thread)
    Meter(gpu=False, lease=None, every=0.01).end()
    assert len(started) == 1
    (machine.powercap / "intel-rapl:0" / "name").write_text("psys\n")
    live = Live(tmp_path, "train")
    with live.account():
        live.report(CPU)
    assert len(started) == 1
    assert lines(tmp_path) == [] and read_energy(tmp_path / "logs" / NAME, "train") is None


def no_thread(*arguments: object, **named: object) -> None:
    raise RuntimeError("can't start new thread")


def test_nothing_that_fails_in_it_reaches_the_job(tmp_path, machine, monkeypatch) -> None:
    live = Live(tmp_path, "train")
    (tmp_path / "logs" / NAME).mkdir()  # cannot be written
    with live.account() as end:
        live.report(CPU)
        end["status"] = "finished"
    monkeypatch.setattr(module.threading, "Thread", no_thread)
    with Live(tmp_path, "train").account():
        live.report(CPU)
    told = [json.loads(line) for line in (tmp_path / "logs" / "progress.jsonl").open()]
    assert told[-1]["event"] == "end"


def test_a_forked_child_neither_waits_nor_records(tmp_path, machine, monkeypatch) -> None:
    monkeypatch.setattr(module, "EVERY_S", 1000.0)
    live = Live(tmp_path / "cell", "train")
    live.report(CPU)
    meter = live._energy._meter
    assert meter is not None
    with meter._lock:  # as the thread holds it while it looks
        child = os.fork()
        if child == 0:
            signal.alarm(20)  # ends a child that waits for a thread that it does not have
            live._energy.end("failed")
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert lines(tmp_path / "cell") == []
    live._energy.end("finished")
    assert [line["status"] for line in lines(tmp_path / "cell")] == ["finished"]
