"""Options that the subcommands share: which studies, and where their results are."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transfergrid.planning.plan import Plan, plan_run
from transfergrid.planning.reading import parse_yaml
from transfergrid.runtime.errors import UserError


def add_study_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the studies, ``--config`` and ``--directory``, with the same meaning as in Snakemake."""
    parser.add_argument(
        "studies",
        nargs="*",
        metavar="STUDY",
        # Before --directory is entered, as with snakemake --configfile.
        type=lambda text: str(Path(text).absolute()),
        help="study files (default: config.yaml, else config/config.yaml)",
    )
    parser.add_argument(
        "--config",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="settings that override the studies', as with snakemake --config",
    )
    add_directory(parser, "working directory of the run")


def add_directory(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``--directory``, which the commands that have it understand alike."""
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path(),
        metavar="DIR",
        help=f"{what}, with results/ in it (default: this one)",
    )


def word(text: str) -> str:
    """Return one of the words of an option that takes several, and would take studies as well.

    Raises:
        argparse.ArgumentTypeError: It is a study's file.
    """
    if text.endswith((".yaml", ".yml")):
        raise argparse.ArgumentTypeError(
            f"'{text}' is taken for one of its words; name studies before such an option"
        )
    return text


def read_settings(pairs: list[str]) -> dict[str, Any]:
    """Return the mapping that ``--config`` spells, values read as YAML.

    Raises:
        UserError: A word without ``=``, or a value that is not YAML.
    """
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise UserError(f"--config has '{pair}'; write KEY=VALUE, and studies before it.")
        try:
            settings[key] = parse_yaml(value)
        except UserError as error:
            raise UserError(f"--config {key}= has '{value[:60]}': {error}") from None
    return settings


@contextlib.contextmanager
def in_directory(folder: Path) -> Iterator[None]:
    """Work in `folder`, to which a study's relative paths are relative, as in Snakemake.

    Raises:
        UserError: There is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"--directory {folder} is not a folder; name the one that holds results/.")
    with contextlib.chdir(folder):
        yield


def plan_of(arguments: argparse.Namespace) -> Plan:
    """Return the plan of the studies named on the command line; run it in `in_directory`.

    Raises:
        UserError: Any fault of a study, in one sentence.
    """
    settings = read_settings(arguments.config)
    if arguments.studies:
        settings["studies"] = list(arguments.studies)
    return plan_run([], settings)
