"""Snakemake that looks at a cluster's jobs every second, however long none of them has ended.

The plugin for Slurm waits ten seconds longer after each look at which no job had ended. That spares
a cluster, and is most of the time of jobs of a few seconds.
"""

from __future__ import annotations

import asyncio
import runpy

from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

SECONDS = 1.0


async def sleep(executor: RemoteExecutor) -> None:
    """Wait until the next look."""
    await asyncio.sleep(SECONDS)


if __name__ == "__main__":
    RemoteExecutor.sleep = sleep
    runpy.run_module("snakemake", run_name="__main__", alter_sys=True)
