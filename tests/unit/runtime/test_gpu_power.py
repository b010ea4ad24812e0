"""The energy of a GPU that is not there, from an nvidia-smi that answers as the documented one."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from unit.runtime import fake_gpus
from unit.runtime.fake_gpus import instance, uuid

from transfergrid.runtime import gpu_power
from transfergrid.runtime.gpu_power import MOST_S, GpuMeter, metered_gpu, read_watts

HOME = "/usr/bin:/bin"


def test_energy_is_numpys_trapezoid_and_the_ends_are_the_nearest_reading() -> None:
    now = SimpleNamespace(at=10.0)
    meter = GpuMeter(now.at, lambda: now.at)
    times, watts = [12.0, 17.0, 21.5, 40.0], [300.0, 520.5, 480.0, 70.0]
    for now.at, draw in zip(times, watts, strict=True):
        meter.add(draw)
    now.at = 43.0
    inside = float(np.trapezoid(watts, times))
    assert meter.joules() == pytest.approx(2.0 * 300.0 + inside + 3.0 * 70.0)


def test_few_readings_and_long_gaps_tell_nothing() -> None:
    now = SimpleNamespace(at=0.0)
    meter = GpuMeter(0.0, lambda: now.at)
    assert meter.joules() is None
    now.at = 5.0
    meter.add(300.0)
    assert meter.joules() is None
    now.at = 5.0 + MOST_S
    meter.add(300.0)
    assert meter.joules() == pytest.approx(300.0 * (5.0 + MOST_S))
    now.at += MOST_S + 1  # readings ended before the job did
    assert meter.joules() is None
    now.at += 1
    meter.add(300.0)
    assert meter.joules() is None


@pytest.mark.parametrize(
    ("answer", "watts"),
    [
        ("echo 318.47", 318.47),
        ("echo 0.00", 0.0),
        ("echo '[N/A]'", None),
        ("echo '[Not Supported]'", None),
        ("echo '[Unknown Error]'", None),
        ("echo nan", None),
        ("echo -3", None),
        ("printf '318.47\\n12.00\\n'", None),
        ("true", None),
        ("echo 318.47; exit 15", None),
        ("echo No devices were found >&2; exit 6", None),
    ],
)
def test_only_a_number_of_watts_is_one(tmp_path, monkeypatch, answer, watts) -> None:
    asked = f"--id={uuid(1)} --query-gpu=power.draw --format=csv,noheader,nounits"
    script = f'[ "$*" = {shlex.quote(asked)} ] || exit 2\n{answer}'
    monkeypatch.setenv("PATH", f"{fake_gpus.install_script(tmp_path / 'bin', script)}:{HOME}")
    assert read_watts(uuid(1)) == watts


def test_a_program_that_is_missing_or_hangs_tells_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert read_watts(uuid(1)) is None
    monkeypatch.setenv("PATH", f"{fake_gpus.install_script(tmp_path, 'exec sleep 60')}:{HOME}")
    monkeypatch.setattr(gpu_power, "_TIMEOUT_S", 0.2)
    assert read_watts(uuid(1)) is None


@pytest.mark.parametrize(
    ("lease", "shown", "gpu"),
    [
        (uuid(1), None, uuid(1)),
        (instance(2, 0), None, None),
        (None, None, None),  # three, and CUDA may take any
        (None, "1", uuid(1)),
        (None, uuid(0), uuid(0)),
        (None, "0,1", None),
        (None, "", None),
        (None, instance(2, 0), None),
        (None, "2", None),  # in MIG mode
    ],
)
def test_the_gpu_is_the_one_that_this_process_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lease, shown, gpu
) -> None:
    folder = fake_gpus.install(tmp_path / "bin", range(3), {2: [0]})
    monkeypatch.setenv("PATH", f"{folder}:{HOME}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if shown is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    assert metered_gpu(lease) == gpu


def test_the_one_gpu_of_an_allocation_needs_no_setting(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", f"{fake_gpus.install(tmp_path / 'bin', [4])}:{HOME}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert metered_gpu(None) == uuid(4)
