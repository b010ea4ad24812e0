"""What a profile for Slurm asks for, rule by rule, as Snakemake would read it."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transfergrid.catalog.stages import STAGES
from transfergrid.planning.reading import parse_yaml
from transfergrid.planning.rules import requested
from transfergrid.runtime.errors import UserError

_FILES = re.compile(r"(profile|config)(\.v\d+\+)?\.yaml")
_NUMBER = r"\d+(?:\.\d+)?"
_GROWING = re.compile(rf"({_NUMBER})\s*\*\s*attempt|attempt\s*\*\s*({_NUMBER})")
_PART = re.compile(rf"({_NUMBER})\s*([a-z]+)")
TIMES = {"w": 10080.0, "d": 1440.0, "h": 60.0, "m": 1.0, "s": 1 / 60}
"""Minutes of a unit of time, by its first letter."""
SIZES = {"k": 1e-3, "m": 1.0, "g": 1e3, "t": 1e6}
"""Megabytes of a unit of memory, by its first letter."""


@dataclass(frozen=True)
class Amount:
    """A number that a job asks for.

    Attributes:
        first: At the first attempt.
        grows: Whether each further attempt asks for as much again.
    """

    first: float
    grows: bool = False

    def at(self, attempt: int) -> float:
        """Return what the attempt asks for, the first being 1."""
        return self.first * attempt if self.grows else self.first


@dataclass(frozen=True)
class Wish:
    """What one rule's jobs ask Slurm for.

    Attributes:
        rule: The rule.
        gpu: Whether it asks for a GPU where the study's device is not ``cpu``.
        settings: What the profile says for it, as it is written there, ``default-resources``
            included where the rule itself says nothing.
        minutes: Its time, or None where that is not told before the run.
        mem_mb: Its memory in MB, or None likewise.
    """

    rule: str
    gpu: bool
    settings: Mapping[str, Any]
    minutes: Amount | None
    mem_mb: Amount | None

    def text(self, key: str) -> str:
        """Return a setting that is a name, without the quotes around it; empty without one."""
        return unquoted(self.settings.get(key))


@dataclass(frozen=True)
class Profile:
    """A profile's settings.

    Attributes:
        path: Its file.
        settings: The whole of it.
        defaults: ``default-resources`` by name.
        rules: ``set-resources`` by rule and name.
    """

    path: Path
    settings: Mapping[str, Any]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def attempts(self) -> int:
        """How often a failing job is tried in all."""
        retries = self.settings.get("retries", 0)
        return 1 + retries if isinstance(retries, int) else 1

    def wishes(self) -> list[Wish]:
        """Return what the jobs of every rule that becomes a batch job ask for."""
        found = []
        for stage in STAGES:
            said = {"mem_mb": "", "runtime": ""} if stage.run else requested(stage.rule_name)
            if not said:
                continue  # made where Snakemake runs
            own = dict(self.rules.get(stage.rule_name, {}))
            # What a rule says of itself goes before default-resources.
            rest = {key: value for key, value in self.defaults.items() if key not in said}
            found.append(
                Wish(
                    stage.rule_name,
                    "gpu" in said,
                    rest | own,
                    _asked(own, ("runtime",), said["runtime"], stage.minutes),
                    _asked(own, ("mem_mb", "mem"), said["mem_mb"], stage.memory_mb),
                )
            )
        return found


def read_profile(place: Path) -> Profile:
    """Read a profile.

    Args:
        place: Its folder, or the file in it.

    Raises:
        UserError: There is none, or it is not a mapping of settings.
    """
    path = place
    if place.is_dir():
        files = sorted(file for file in place.iterdir() if _FILES.fullmatch(file.name))
        path = files[-1] if files else place / "profile.yaml"
    if not path.is_file():
        raise UserError(f"{path} does not exist; name a folder with a profile.yaml, as Snakemake.")
    settings = parse_yaml(path.read_text(encoding="utf-8"))
    if not isinstance(settings, dict):
        raise UserError(f"{path} is no list of settings; see profiles/slurm/profile.yaml.")
    rules = settings.get("set-resources") or {}
    if not isinstance(rules, dict):
        raise UserError(f"set-resources of {path} has to name rules, each with its resources.")
    return Profile(
        path,
        settings,
        _pairs(settings.get("default-resources"), "default-resources", path),
        {
            str(rule): _pairs(values, f"set-resources of {rule}", path)
            for rule, values in rules.items()
        },
    )


def _pairs(given: Any, what: str, path: Path) -> dict[str, Any]:
    """Return resources by name; a profile may give them as ``name=value`` or as a mapping."""
    if given is None:
        return {}
    if isinstance(given, dict):
        return {str(name): value for name, value in given.items()}
    if isinstance(given, list) and all(isinstance(one, str) and "=" in one for one in given):
        return {name.strip(): value for name, _, value in (one.partition("=") for one in given)}
    raise UserError(f"{what} in {path} has to be a list of name=value, or name: value in lines.")


def unquoted(value: Any) -> str:
    """Return a setting's text without the quotes that Snakemake takes off; empty for None."""
    text = "" if value is None else str(value)
    try:
        found = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text
    return found if isinstance(found, str) else text


def _asked(own: Mapping[str, Any], keys: tuple[str, ...], rule: str, known: int) -> Amount | None:
    """Return what the profile asks for, else the rule, whose text may refer to the catalogue."""
    for key in keys:
        if key in own:
            return amount_of(own[key], SIZES if key == "mem" else TIMES if key == "runtime" else {})
    number = re.fullmatch(r"growing\((\d+)\)", rule)
    return Amount(float(number[1] if number else known), grows=True)


def amount_of(value: Any, units: Mapping[str, float]) -> Amount | None:
    """Return the number that a resource is set to; None if only the run can tell.

    Args:
        value: As a profile gives it: a number, ``240 * attempt``, or one with units, ``12h``.
        units: What a unit is worth, by its first letter; none where Snakemake takes no units.
    """
    text = unquoted(value).strip().lower()
    growing = _GROWING.fullmatch(text)
    if growing:
        return Amount(float(growing[1] or growing[2]), grows=True)
    if re.fullmatch(_NUMBER, text):
        return Amount(float(text))
    part = _PART.fullmatch(text)
    if part is None or part[2][0] not in units:
        return None
    binary = 1.024 ** "kmgt".find(part[2][0]) * 1.024 if "ib" in part[2] else 1.0
    return Amount(float(part[1]) * units[part[2][0]] * binary)
