"""transfergrid prune: what no study names any more, and the weights of finished cells."""

from __future__ import annotations

import argparse
import os
import re
from collections import Counter
from pathlib import Path

from rich.filesize import decimal

from transfergrid.commands.disposable import (
    Item,
    compared_activations,
    finished_checkpoints,
    finished_features,
    remove,
    unnamed,
)
from transfergrid.commands.options import add_study_arguments, in_directory, plan_of
from transfergrid.commands.reasons import read_json_or_none
from transfergrid.commands.text import aligned, cells
from transfergrid.planning.ids import CELL
from transfergrid.planning.paths import RESULTS
from transfergrid.planning.plan import Plan
from transfergrid.planning.rights import ROOMS
from transfergrid.planning.stamps import stamps_in
from transfergrid.runtime.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``transfergrid prune``."""
    add_study_arguments(parser)
    parser.add_argument("--delete", action="store_true", help="remove what is listed")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--checkpoints",
        action="store_true",
        help="instead of what no study names: the weights of finished cells, which are trained "
        "again only if they have to be scored again",
    )
    instead.add_argument(
        "--features",
        action="store_true",
        help="instead of what no study names: stored features that no unfinished cell needs, which "
        "are computed again for the next cell that does",
    )
    instead.add_argument(
        "--activations",
        action="store_true",
        help="instead of what no study names: stored activations of networks that were compared, "
        "which are stored again if they are compared anew",
    )


def run(arguments: argparse.Namespace) -> int:
    """List what can go, and remove it if asked to."""
    with in_directory(arguments.directory):
        plan = plan_of(arguments)
        if not RESULTS.is_dir():
            raise UserError(
                f"{RESULTS.absolute()} does not exist; name the working directory of your runs "
                "with --directory."
            )
        items = _found(plan, arguments)
        lines = _deleted(items) if arguments.delete else _listing(items)
        if not (arguments.checkpoints or arguments.features or arguments.activations):
            lines += _notes(plan, items)
        print("\n".join(lines))
    return 0


def _found(plan: Plan, arguments: argparse.Namespace) -> list[Item]:
    if arguments.checkpoints:
        return finished_checkpoints(plan)
    if arguments.activations:
        return compared_activations(plan)
    return finished_features(plan) if arguments.features else unnamed(plan)


def _listing(items: list[Item]) -> list[str]:
    free = [item for item in items if not item.in_use]
    if not items:
        return ["Nothing can go."]
    rows = [
        [item.kind, item.name, decimal(item.size), f"stays: {item.in_use}" if item.in_use else ""]
        for item in items
    ]
    total = sum(item.size for item in free)
    lines = [line.rstrip() for line in aligned(rows, "")]
    if not free:
        return [*lines, "Nothing can go now."]
    return [*lines, f"{_counted(free)}: {decimal(total)}. Nothing was removed; --delete does that."]


def _counted(items: list[Item]) -> str:
    kinds = Counter(item.kind for item in items)
    return ", ".join(
        cells(count) if kind == "cell" else f"{count} {_plural(kind, count)}"
        for kind, count in kinds.items()
    )


def _plural(kind: str, count: int) -> str:
    if kind in ("weights", "checkpoints"):
        return "sets of weights" if count > 1 else "set of weights"
    if kind == "features":
        return "sets of features" if count > 1 else "set of features"
    if kind == "activations":
        return "sets of activations" if count > 1 else "set of activations"
    if kind == "weighings":
        return "measurements of cells" if count > 1 else "measurement of cells"
    return kind if count == 1 else f"{kind}s"


def _deleted(items: list[Item]) -> list[str]:
    lines: list[str] = []
    freed, removed = 0, list[Item]()
    for item in items:
        reason, count = item.in_use, item.size
        if not reason:
            reason = remove(item)
        if reason:
            lines.append(f"left alone: {item.kind} {item.name}: {reason}")
        else:
            lines.append(f"removed: {item.kind} {item.name}, {decimal(count)}")
            freed, removed = freed + count, [*removed, item]
    if not removed:
        return [*lines, "Nothing was removed."]
    return [*lines, f"Removed {_counted(removed)}: {decimal(freed)}."]


def _notes(plan: Plan, items: list[Item], results: Path = RESULTS) -> list[str]:
    """Return what a reader should know besides the list."""
    lines = []
    room = results / "cells"
    for name in sorted(os.listdir(room)) if room.is_dir() else []:
        path = room / name
        if path.is_symlink() or not (re.fullmatch(CELL, name) or name.startswith(".tmp-")):
            lines.append(f"Left alone: {path} is not the folder of a cell.")
    lines += [
        f"Left alone: {results / name} is a link; prune where it leads."
        for name in ROOMS
        if (results / name).is_symlink()
    ]
    listed_cells = {item.name for item in items if item.kind == "cell"}
    for study, names in _other_studies(plan, results).items():
        shared = listed_cells & names
        if shared:
            lines.append(
                f"Note: {cells(len(shared))} of these were last named by study {study}, which was "
                "not given; name its file as well to keep them."
            )
    return lines


def _other_studies(plan: Plan, results: Path) -> dict[str, set[str]]:
    """Return the cells that studies other than the given ones had when they last ran."""
    found: dict[str, set[str]] = {}
    for name, path in stamps_in(results / "stamps"):
        if name.stage != "gather" or name.owner in plan.studies:
            continue
        content = read_json_or_none(path)
        if isinstance(content, dict):
            found[name.owner] = {entry["cell"] for entry in content.get("cells", [])}
    return found
