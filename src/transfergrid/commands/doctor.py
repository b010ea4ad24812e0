"""`transfergrid doctor`: what would go wrong in a run, before any GPU time is spent."""

from __future__ import annotations

import argparse
import math
import shlex
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from transfergrid.commands.checks_asked import CHECKS
from transfergrid.commands.checks_images import check_origin
from transfergrid.commands.checks_machine import check_gpus, check_machine, check_torch
from transfergrid.commands.checks_results import (
    check_disk,
    check_killed,
    check_leftovers,
    check_writable,
    running_in,
)
from transfergrid.commands.checks_slurm import check_slurm
from transfergrid.commands.checks_study import (
    Studies,
    check_data,
    check_studies,
    check_weights,
    timm_names,
)
from transfergrid.commands.estimate import disk_bytes
from transfergrid.commands.options import add_study_arguments, in_directory, read_settings
from transfergrid.commands.probe import ask
from transfergrid.commands.remarks import Remark, show, summary
from transfergrid.commands.tables_read import TablesRead
from transfergrid.commands.verify import verify
from transfergrid.planning.paths import RESULTS, cache_directory
from transfergrid.planning.study import study_files
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.gpus import list_boards


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_study_arguments(parser)
    parser.add_argument(
        "--images",
        type=_count,
        default=20,
        metavar="N",
        help="images to open of each data set that is not prepared (default: 20)",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="read every byte at rest and compare it with what was recorded of it",
    )
    parser.add_argument(
        "--slurm",
        action="store_true",
        help="check the profile for Slurm, and what the cluster says of what it asks for",
    )
    parser.add_argument(
        "--workflow-profile",
        # Before --directory is entered, as with snakemake.
        type=lambda text: Path(text).absolute(),
        metavar="PROFILE",
        help="the profile that --slurm checks (default: profiles/slurm)",
    )


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 0")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Show every check; return 1 if one found an error.

    Raises:
        UserError: A study's file does not exist, or the options do not go together.
    """
    if arguments.workflow_profile and not arguments.slurm:
        raise UserError("--workflow-profile names the profile that --slurm checks; add --slurm.")
    settings: dict[str, Any] = read_settings(arguments.config)
    if arguments.studies:
        settings["studies"] = list(arguments.studies)
    remarks = []
    with in_directory(arguments.directory):
        for path in study_files([], settings):
            if not path.exists():
                raise UserError(
                    f"study {path.absolute()} does not exist; name a study's YAML file, or work in "
                    "a folder with a config.yaml."
                )
        for remark in _checks(arguments, settings):
            show(remark)
            remarks.append(remark)
    print(summary(remarks))
    return int(any(remark.level == "error" for remark in remarks))


def _checks(arguments: argparse.Namespace, settings: dict[str, Any]) -> Iterator[Remark]:
    studies = Studies()
    yield from _guarded("study", lambda: check_studies(settings, studies))
    faulty = set()
    for dataset in studies.datasets.values():
        for remark in _guarded(
            f"data {dataset.name}",
            partial(check_data, dataset, arguments.images, RESULTS, studies.images),
        ):
            if remark.level == "error":
                faulty.add(dataset.id)
            yield remark
        yield from _guarded(
            f"data {dataset.name}", partial(check_origin, dataset, RESULTS, arguments.verify)
        )
    tables = TablesRead(RESULTS, faulty, arguments.images)
    for planned in studies.plan.studies.values() if studies.plan is not None else ():
        for what, check in CHECKS.items():
            yield from _guarded(what, partial(check, planned, tables))
    probe = ask(timm_names(studies.plan, RESULTS))
    if studies.plan is not None:
        plan = studies.plan
        yield from _guarded("weights", lambda: check_weights(plan, RESULTS, probe))
    yield from _guarded("results", lambda: check_writable(RESULTS))
    whole = studies.plan is not None
    yield from _guarded("disk", lambda: check_disk(_need(studies), RESULTS, whole))
    yield from check_gpus(studies.device, snakemake_command(arguments))
    yield from check_torch(probe, studies.device, _boards())
    yield from check_machine()
    if arguments.slurm:
        place = arguments.workflow_profile
        yield from _guarded("slurm", lambda: check_slurm(place, studies.device))
    unlock = f"{snakemake_command(arguments)} --unlock"
    yield from _guarded("locks", lambda: check_killed(running_in(Path()), unlock))
    yield from _guarded("leftovers", lambda: check_leftovers(RESULTS))
    if arguments.verify:
        yield from _guarded("verify", lambda: verify(RESULTS))


def _guarded(what: str, check: Callable[[], Iterator[Remark]]) -> Iterator[Remark]:
    """Run a check; if it fails, that is a remark too and does not end the other checks."""
    try:
        yield from check()
    except Exception as error:  # a user's own reader may fail in any way
        told = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}."
        yield Remark("error", what, told)


def _boards() -> int:
    try:
        return len(list_boards())
    except UserError:
        return 0  # the check of GPUs reports it


def _need(studies: Studies) -> dict[str, int]:
    """Return the bytes that are still needed; for a study with faults, only those of caches."""
    if studies.plan is not None:
        return disk_bytes(studies.plan, RESULTS)
    need = 0
    for dataset in studies.datasets.values():
        if not cache_directory(dataset.id, RESULTS).is_dir():
            side, colours = dataset.declaration["image_px"], dataset.declaration["channels"]
            pixels = math.prod((side, side, 3 if colours == "rgb" else 1))
            need += studies.images.get(dataset.id, 0) * pixels
    return {"caches": need}


def snakemake_command(arguments: argparse.Namespace) -> str:
    """Return the Snakemake command for the studies that were named."""
    words = ["snakemake", "--cores", "all"]
    if len(arguments.studies) == 1:
        words += ["--configfile", *arguments.studies]
    settings = list(arguments.config)
    if len(arguments.studies) > 1:
        settings.insert(0, f"studies={','.join(arguments.studies)}")
    if settings:
        words += ["--config", *settings]
    if arguments.directory != Path():
        words += ["--directory", str(arguments.directory)]
    return shlex.join(words)
