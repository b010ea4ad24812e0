"""Which device a job runs on."""

from __future__ import annotations

from transfergrid.runtime.errors import UserError


def choose_device(gpus: int, available: bool, setting: str = "auto") -> str:
    """Return ``cpu`` or ``cuda``.

    Args:
        gpus: GPUs that Snakemake granted the job; 0 means the CPU.
        available: Whether torch sees a GPU.
        setting: ``auto`` falls back to the CPU, ``cuda`` does not.

    Raises:
        UserError: A GPU is asked for and none is seen.
    """
    if gpus == 0 or setting == "cpu":
        return "cpu"
    if available:
        return "cuda"
    if setting == "cuda":
        raise UserError(
            "the study asks for device cuda, but torch sees no GPU; check nvidia-smi and the torch "
            "build, or set device: cpu."
        )
    return "cpu"
