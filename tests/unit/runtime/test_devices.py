from __future__ import annotations

import pytest

from transfergrid.runtime.devices import choose_device, gpu_limit_warning
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
    ("device", "granted", "seen", "local"),
    [
        ("cpu", None, 4, True),  # no GPU is wanted
        ("auto", None, 0, True),  # none is there
        ("auto", None, 4, False),  # a cluster divides its own
        ("auto", 4, 4, True),
        ("cuda", 1, 4, True),
        ("auto", 0, 4, True),  # Snakemake's way to ask for the CPU
    ],
)
def test_a_run_that_divides_its_gpus_is_not_warned(device, granted, seen, local) -> None:
    assert gpu_limit_warning(device, granted, seen, local) is None


@pytest.mark.parametrize("granted", [None, 5])
@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_run_with_too_many_gpu_jobs_is_warned(device, granted) -> None:
    warning = gpu_limit_warning(device, granted, 4, local=True)
    assert warning is not None
    assert warning.endswith("gpu=4.")
