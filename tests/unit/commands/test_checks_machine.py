from __future__ import annotations

import os
from pathlib import Path

import pytest
from unit.runtime import fake_gpus
from unit.runtime.fake_gpus import uuid

from transfergrid.commands import checks_machine
from transfergrid.commands.checks_machine import check_gpus, check_machine, check_torch
from transfergrid.commands.probe import Probe
from transfergrid.runtime.leases import take_gpu

H200 = Probe(
    torch="2.14.1",
    cuda="13.0",
    available=True,
    devices=[("NVIDIA H200", (9, 0))],
    built_for=["sm_75", "sm_80", "sm_90", "sm_100"],
)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRANSFERGRID_GPU_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setattr("transfergrid.runtime.gpus._DRIVER", ())
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    def install(numbers, instances=None) -> None:
        fake_gpus.install(tmp_path / "bin", numbers, instances)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")

    return install


def gpus(device: str) -> dict[str, tuple[str, str, str]]:
    found = {}
    for remark in check_gpus(device, "snakemake --cores all"):
        found.setdefault(remark.what, (remark.level, remark.told, remark.mend))
    return found


def test_a_study_for_the_cpu_asks_for_no_gpu(machine, monkeypatch, tmp_path) -> None:
    asks_none = "device is cpu: no GPU is requested"
    assert gpus("cpu") == {"gpus": ("ok", f"{asks_none}.", "")}
    monkeypatch.setattr("transfergrid.runtime.gpus._DRIVER", (tmp_path,))  # and no nvidia-smi
    assert gpus("cpu") == {"gpus": ("ok", f"{asks_none}.", "")}
    machine([0])
    level, told, mend = gpus("cpu")["gpus"]
    assert (level, "--config device=auto" in mend) == ("warning", True)
    assert told.startswith(f"{asks_none}, and this machine has NVIDIA A100 80GB")


def test_gpus_are_listed_with_the_limit_to_give(machine) -> None:
    machine(range(4))
    found = gpus("auto")
    assert found["gpus"][:2] == ("ok", "4 × NVIDIA A100 80GB (80 GiB); driver 550.90.07.")
    assert found["gpu limit"][2] == "snakemake --cores all --resources gpu=4"
    assert found["gpu leases"][1].startswith("0 of 4 leased now; locks in ")


def test_holders_are_named(machine) -> None:
    machine(range(2))
    lease = take_gpu(1, pytest.fail, "films-a")
    os.environ.pop("CUDA_VISIBLE_DEVICES")
    told = gpus("auto")["gpu leases"][1]
    os.close(lease.descriptor)
    assert told.startswith(f"1 of 2 leased now: {uuid(0)[:12]} by process {os.getpid()} of ")
    assert "films-a" in told


@pytest.mark.parametrize(("device", "level"), [("auto", "warning"), ("cuda", "error")])
def test_no_gpu_is_the_worse_the_more_it_is_wanted(machine, monkeypatch, device, level) -> None:
    assert gpus(device)["gpus"][0] == level
    machine([0])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    remarks = list(check_gpus(device, "snakemake"))
    assert [remark.level for remark in remarks] == ["ok", level]
    assert remarks[1].mend == "unset CUDA_VISIBLE_DEVICES"


def test_a_login_node_needs_none(machine, tmp_path) -> None:
    (tmp_path / "bin" / "sbatch").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "sbatch").chmod(0o755)
    assert gpus("cuda")["gpus"][0] == "ok"


def test_a_gpu_in_mig_mode_without_instances_is_told(machine) -> None:
    machine([0, 1], {1: []})
    levels = [remark.level for remark in check_gpus("auto", "snakemake")]
    assert levels.count("warning") == 1
    assert gpus("auto")["gpu limit"][2].endswith("gpu=1")


def test_a_driver_that_fails_and_locks_that_cannot_be_used_are_errors(
    machine, tmp_path, monkeypatch
) -> None:
    machine([0])
    (tmp_path / "locks").touch()
    assert gpus("auto")["gpu leases"][0] == "error"
    fake_gpus.install_script(tmp_path / "bin", "echo mismatch; exit 18")
    monkeypatch.setattr("transfergrid.runtime.gpus._DRIVER", (tmp_path,))
    assert gpus("auto")["gpus"][0] == "error"


def torch(probe: Probe, device: str, boards: int = 1) -> tuple[str, str]:
    (remark,) = check_torch(probe, device, boards)
    return remark.level, remark.told


@pytest.mark.parametrize(
    ("probe", "device", "level", "told"),
    [
        (H200, "auto", "ok", "sees 1 GPU"),
        (Probe(fault="torch cannot be imported (x)"), "cpu", "error", "cannot be imported"),
        (Probe(torch="2"), "cpu", "ok", "built for the CPU only"),
        (Probe(torch="2"), "auto", "warning", "would run on the CPU"),
        (Probe(torch="2"), "cuda", "error", "would run on the CPU"),
        (Probe(torch="2", cuda="13.0", said="driver too old."), "cuda", "error", "too old; train"),
        (Probe(torch="2", rocm="6.2", available=True), "auto", "warning", "not leased"),
    ],
)
def test_torch_fits_the_machine(probe, device, level, told) -> None:
    found = torch(probe, device)
    assert found[0] == level
    assert told in found[1]


@pytest.mark.parametrize(
    ("capability", "built_for", "runs"),
    [
        ((9, 0), ["sm_80", "sm_90"], True),
        ((8, 6), ["sm_80", "sm_90"], True),  # a later member of the generation
        ((8, 0), ["sm_86", "sm_90"], False),
        ((6, 1), ["sm_75", "sm_90"], False),  # Pascal, dropped with CUDA 13
        ((12, 0), ["sm_90", "compute_90"], True),  # compiled from PTX when it starts
        ((7, 5), ["sm_90", "compute_90"], False),
        ((10, 0), ["sm_100a"], True),
    ],
)
def test_kernels_are_there_for_the_gpu(capability, built_for, runs) -> None:
    probe = Probe(
        torch="2",
        cuda="13.0",
        available=True,
        devices=[("GPU of some age", capability)],
        built_for=built_for,
    )
    assert torch(probe, "auto")[0] == ("ok" if runs else "error")


@pytest.mark.parametrize(("mib", "level"), [(1000, "warning"), (4500, "ok"), (10**6, "ok")])
def test_memory_is_held_against_what_trainings_ask_for(monkeypatch, mib, level) -> None:
    monkeypatch.setattr(checks_machine, "memory_mib", lambda: mib)
    assert next(check_machine()).level == level
