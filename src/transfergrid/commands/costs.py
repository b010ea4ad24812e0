"""What the rest of a plan costs, in words: hours on a device, memory and disk."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.filesize import decimal

from transfergrid.commands.comparing import APART, comparing
from transfergrid.commands.estimate import (
    Hours,
    disk_bytes,
    hours_left,
    image_counts,
    training_memory,
)
from transfergrid.commands.stored_hours import stored_hours
from transfergrid.commands.text import cells, hours
from transfergrid.planning.planned import PlannedStudy

if TYPE_CHECKING:
    from transfergrid.commands.plan import Survey

MANY_SECONDS, MUCH_MEMORY = 300, 4_000_000_000
"""What comparing networks may take without advice."""


def cost_lines(seen: Survey) -> list[str]:
    """Return a line or more for each study that has work left, and one for the disk."""
    lines = []
    for study in seen.plan.studies.values():
        found = hours_left(study, seen.states, seen.measured, seen.results)
        if found.cells or found.unknown:
            lines += _hour_lines(study.name, found)
        lines += _memory_lines(seen, study)
        lines += _stored_lines(seen, study)
        lines += _comparing_lines(seen, study)
    need = {k: v for k, v in disk_bytes(seen.plan, seen.results, seen.states).items() if v}
    if need:
        parts = ", ".join(f"{room} {decimal(count)}" for room, count in need.items())
        lines.append(f"  disk: about {decimal(sum(need.values()))} ({parts})")
    return lines


def _stored_lines(seen: Survey, study: PlannedStudy) -> list[str]:
    """Say what storing activations and measuring weights takes, where it is to be done."""
    due = seen.jobs.stored[study.name]
    if not due:
        return []
    found = stored_hours(study, due, seen.measured, seen.results)
    count = Counter(one.stage for one in study.stored if one.id in due)
    told = ", ".join(f"{name} ({number})" for name, number in count.items())
    lines = []
    if found.cells:
        lines.append(f"  {study.name}: {told} take {_time(found)}")
    for why, number in found.unknown.items():
        lines.append(f"  {study.name}: {number} jobs of {told} not counted, for {why}")
    return lines


def _comparing_lines(seen: Survey, study: PlannedStudy) -> list[str]:
    """Say what comparing networks takes, if it is to be done, and what takes less if it is much."""
    if not any(stage.stage == "similarity" and stage.jobs for stage in seen.stages[study.name]):
        return []
    found = comparing(study, image_counts(study, seen.results))
    range_ = hours(found.seconds / APART / 3600, found.seconds * APART / 3600)
    much = found.seconds >= MANY_SECONDS or found.memory >= MUCH_MEMORY
    lines = [
        f"  {study.name}: comparing networks takes {range_} of one core and "
        f"{decimal(found.memory)} of memory, a guess"
        + (
            "; fewer similarity.rows, permutations or pairs, or a narrower similarity.where, take "
            "less"
            if much
            else ""
        )
    ]
    if found.unknown:
        lines.append(
            f"    {found.unknown} of its places not counted, whose images or layers are not known"
        )
    return lines


def _memory_lines(seen: Survey, study: PlannedStudy) -> list[str]:
    """Say how much memory the largest training of masks takes, if one is to be done."""
    due = [cell for cell in study.cells if cell.decoder and seen.states[cell.name].trains]
    found = training_memory(study, due)
    if found is None:
        return []
    return [
        f"  {study.name}: trainings of masks take up to {decimal(found)} of memory each, a guess; "
        "a larger accumulate takes less"
    ]


def _time(found: Hours) -> str:
    device = "core" if found.device == "cpu" else found.device
    return f"{hours(found.low, found.high)} of one {device}"


def _hour_lines(study: str, found: Hours) -> list[str]:
    lines = []
    if found.cells:
        text = f"  {study}: {_time(found)}, validation and scoring included"
        bases = {
            "measured": "measured on cells like them",
            "benchmarked": "benchmarked on this device",
            "scaled": "scaled from other cells by their work",
            "guess": "a guess, because no cell was ever measured on this device",
        }
        told = [
            f"{cells(found.bases[k])} {text}" for k, text in bases.items() if found.bases.get(k)
        ]
        lines += [text, f"    {'; '.join(told)}"]
        if found.device != "cpu":
            lines.append("    on N devices, divide the hours by N")
    for why, count in found.unknown.items():
        lines.append(f"  {study}: {cells(count)} not counted, for {why}")
    return lines
