"""Which device a job runs on, and whether a run divides its GPUs among its jobs."""

from __future__ import annotations

from collections.abc import Mapping

from transfergrid.runtime.errors import UserError


def choose_device(gpus: int, available: bool, setting: str = "auto") -> str:
    """Return ``cpu`` or ``cuda``.

    Args:
        gpus: GPUs that Snakemake granted the job; 0 means the CPU.
        available: Whether torch sees a GPU.
        setting: ``auto`` falls back to the CPU, ``cuda`` does not.

    Raises:
        UserError: A GPU is required and none is visible.
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


def granted_gpus(asked: int, environment: Mapping[str, str]) -> int:
    """Return how many GPUs a job has, even if Snakemake does not know of them.

    Clusters whose ``sbatch`` refuses ``--gpus`` need ``gres``, and Snakemake then reports
    ``gpu=0``. Slurm knows what it allocated; a study for the CPU ignores it.

    Args:
        asked: Snakemake's ``resources.gpu``.
        environment: The job's environment variables.
    """
    if asked or environment.get("TRANSFERGRID_DEVICES") in (None, "cpu"):
        return asked
    return int(environment.get("SLURM_GPUS_ON_NODE") or 0)


def gpu_limit_warning(granted: int | None, seen: int, wanted: bool = True) -> str | None:
    """Return a sentence for a run whose ``--resources gpu=`` does not fit its jobs, or None.

    It concerns jobs on this machine that want a GPU; a cluster's scheduler divides its own. Leases
    keep such jobs off each other's GPUs, but jobs that wait occupy cores.

    Args:
        granted: The value of ``--resources gpu=``; None if it was not given.
        seen: Number of GPUs that this process may use.
        wanted: Whether any study wants a GPU; false if ``device`` is ``cpu`` everywhere.
    """
    if seen == 0:
        return None
    if not wanted:
        if not granted:
            return None
        return (
            f"--resources gpu={granted} has no effect, because device is cpu in every study here; "
            "set device: auto in the study, or give --config device=auto."
        )
    if granted is None:
        return (
            f"nothing limits the number of jobs that want a GPU, and only {seen} "
            f"{'is' if seen == 1 else 'are'} visible: the other jobs will wait and occupy cores; "
            f"give snakemake --resources gpu={seen}."
        )
    if granted > seen:
        return (
            f"--resources gpu={granted} is more than the {seen} visible: the other jobs will wait "
            f"and occupy cores; give gpu={seen}."
        )
    return None
