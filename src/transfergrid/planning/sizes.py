"""Protocols that list several numbers of training patients: one protocol of each number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from transfergrid.planning.wanted import each
from transfergrid.runtime.errors import UserError, listed

LONGEST = 64
"""Characters of a protocol's name, at most, as the schema says."""
Sizes = Mapping[str, tuple[str, ...]]
"""By protocol that lists numbers of patients, the protocols that it stands for."""


def patients_left(people: int, holdout: float) -> int:
    """Return how many training patients are left when some are held out to validate on.

    Args:
        people: Training patients, at least two where some are held out.
        holdout: Share held out; at least one patient is, and at least one is left. 0 for none.
    """
    return people - min(max(1, round(holdout * people)), people - 1) if holdout else people


def sized(protocol: str, patients: int) -> str:
    """Return the name of a protocol for one number of training patients."""
    return f"{protocol}.patients{patients}"


def with_sizes(config: dict[str, Any], source: str) -> dict[str, Any]:
    """Put a protocol of each number in the place of every protocol that lists them.

    Wherever the study names several protocols, such as in a block of the grid, the name stands for
    all of them; a pattern of `exclude` or `include` becomes one for each.

    Args:
        config: A study with its defaults.
        source: Name of its file.

    Returns:
        The study, in which `train_patients` is a number or null; the argument is changed.

    Raises:
        UserError: A name is taken or too long, or a single protocol is meant and a list is named.
    """
    sizes = _apart(config, source)
    _check_single(config, sizes, source)
    for block in config["grid"]:
        block["protocols"] = _each(block["protocols"], sizes)
        for key in ("exclude", "include"):
            block[key] = [
                {**pattern, "protocol": name} if "protocol" in pattern else pattern
                for pattern in block[key]
                for name in _each([pattern.get("protocol")], sizes)
            ]
    config["only"]["protocols"] = _each(config["only"]["protocols"], sizes)
    for question in config["questions"]:
        if question.get("protocols"):
            question["protocols"] = _each(question["protocols"], sizes)
    return config


def _apart(config: dict[str, Any], source: str) -> Sizes:
    """Replace the protocols that list numbers, and return what they stand for."""
    shared = config["recipe"]["train_patients"]
    if isinstance(shared, list):
        config["recipe"]["train_patients"] = None
    protocols: dict[str, Any] = {}
    sizes: dict[str, tuple[str, ...]] = {}
    for name, recipe in config["protocols"].items():
        patients = recipe.get("train_patients", shared)
        if not isinstance(patients, list):
            protocols[name] = recipe
            continue
        sizes[name] = tuple(sized(name, number) for number in patients)
        for number in patients:
            protocols[sized(name, number)] = {**recipe, "train_patients": number}
    for name, made in sizes.items():
        taken = set(made) & (config["protocols"].keys() - sizes.keys())
        if taken:
            raise UserError(
                f"{source}: protocol '{name}' lists train_patients and stands for '{min(taken)}', "
                "which is a protocol of its own; rename that."
            )
        if len(max(made, key=len)) > LONGEST:
            raise UserError(
                f"{source}: protocol '{name}' lists train_patients and stands for protocols such "
                f"as '{max(made, key=len)}', whose name is longer than {LONGEST} characters; "
                "shorten it."
            )
    config["protocols"] = protocols
    return sizes


def _each(names: list[Any], sizes: Sizes) -> list[Any]:
    return list(dict.fromkeys(one for name in names for one in sizes.get(name, (name,))))


def _check_single(config: Mapping[str, Any], sizes: Sizes, source: str) -> None:
    for where, name in _singles(config):
        if name in sizes:
            raise UserError(
                f"{source}: {where} names protocol '{name}', which lists train_patients and "
                f"stands for {listed(sizes[name])}; name one of these."
            )


def _singles(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield every place of a study where a single protocol is named, with the name."""
    for name, settings in config["pretrainings"].items():
        if settings["kind"] == "cell":
            yield f"pretraining '{name}'", settings["protocol"]
    for key in ("cams", "pictures", "similarity", "curves", "claims"):
        asked = config[key]
        if isinstance(asked, Mapping):
            for name in each(asked.get("where", {}).get("protocol")):
                yield f"{key}.where", name
    for question in config["questions"]:
        start = f"question '{question['name']}'"
        for name in each(question.get("where", {}).get("protocol")):
            yield f"{start}, where,", name
        if question.get("axis") == "protocol":
            yield f"{start}, baseline,", question.get("baseline")
