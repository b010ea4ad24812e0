from __future__ import annotations

import pytest

from transfergrid.runtime.devices import choose_device, gpu_limit_warning, granted_gpus
from transfergrid.runtime.errors import UserError


@pytest.mark.parametrize(
    ("gpus", "available", "setting", "device"),
    [
        (0, True, "auto", "cpu"),
        (0, True, "cuda", "cpu"),
        (1, True, "cpu", "cpu"),
        (1, True, "auto", "cuda"),
        (1, False, "auto", "cpu"),
        (1, True, "cuda", "cuda"),
    ],
)
def test_the_device_of_a_job(gpus: int, available: bool, setting: str, device: str) -> None:
    assert choose_device(gpus, available, setting) == device


def test_a_gpu_that_is_asked_for_and_missing_is_an_error() -> None:
    with pytest.raises(UserError, match="torch sees no GPU"):
        choose_device(1, False, "cuda")


@pytest.mark.parametrize(
    ("granted", "seen"),
    [
        (None, 0),  # none is there
        (4, 4),
        (1, 4),
        (0, 4),  # Snakemake's way to ask for the CPU
    ],
)
def test_a_run_that_divides_its_gpus_is_not_warned(granted: int | None, seen: int) -> None:
    assert gpu_limit_warning(granted, seen) is None


@pytest.mark.parametrize("granted", [None, 5])
def test_a_run_with_too_many_gpu_jobs_is_warned(granted: int | None) -> None:
    warning = gpu_limit_warning(granted, 4)
    assert warning is not None
    assert warning.endswith("gpu=4.")


def test_gpus_that_no_study_asks_for_are_warned_of_where_there_are_any() -> None:
    assert gpu_limit_warning(4, 0, wanted=False) is None
    assert gpu_limit_warning(0, 4, wanted=False) is None
    assert gpu_limit_warning(None, 4, wanted=False) is None
    assert "--resources gpu=2 has no effect" in str(gpu_limit_warning(2, 4, wanted=False))


@pytest.mark.parametrize(
    ("asked", "environment", "gpus"),
    [
        (1, {}, 1),
        (1, {"TRANSFERGRID_DEVICES": "auto", "SLURM_GPUS_ON_NODE": "4"}, 1),
        (0, {"TRANSFERGRID_DEVICES": "auto", "SLURM_GPUS_ON_NODE": "1"}, 1),
        (0, {"TRANSFERGRID_DEVICES": "auto cpu", "SLURM_GPUS_ON_NODE": "1"}, 1),
        (0, {"TRANSFERGRID_DEVICES": "auto"}, 0),
        (0, {"TRANSFERGRID_DEVICES": "auto", "SLURM_GPUS_ON_NODE": ""}, 0),
        (0, {"TRANSFERGRID_DEVICES": "cpu", "SLURM_GPUS_ON_NODE": "1"}, 0),
        (0, {"SLURM_GPUS_ON_NODE": "1"}, 0),  # a program that was started by hand
    ],
)
def test_a_gpu_that_slurm_gave_by_another_name_counts(
    asked: int, environment: dict[str, str], gpus: int
) -> None:
    assert granted_gpus(asked, environment) == gpus
