"""Weights that are derived from others: what a study says of them, and whether it can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transfergrid.catalog.derivation import ALL, IDENTITY, modules_of
from transfergrid.planning.architectures import Architecture, base_of, known_architectures
from transfergrid.planning.fingerprint import modules_fingerprint
from transfergrid.planning.weight_notes import FOLDED
from transfergrid.runtime.errors import UserError

DERIVED = "derived"
"""The kind of a pretraining with ``derive``; a study need not write it."""


@dataclass(frozen=True)
class Derivation:
    """What is kept of a source's weights; what is not is drawn from the cell's seed.

    Attributes:
        through: Number of first blocks that are kept, stem included, or "all".
        statistics: What becomes of norms, if all else is drawn with the source's statistics.
        filters: What the first convolution becomes, or None.
    """

    through: int | str = 0
    statistics: str | None = None
    filters: str | None = None

    @property
    def plain(self) -> str | None:
        """What kind ``statistics`` keeps, if this is that: the two make the same cells."""
        alone = self.through == 0 and self.filters is None and self.statistics == IDENTITY
        return "statistics" if alone else None

    def values(self) -> dict[str, Any]:
        """Return the value of each step that is taken, by its name in the catalogue."""
        steps = {"statistics": self.statistics, "filters": self.filters}
        taken = {name: value for name, value in steps.items() if value is not None}
        # A network of which nothing is kept still has the input of its source.
        return taken if taken and self.through == 0 else {**taken, "through": self.through}


def fill_kind(study: Mapping[str, Any]) -> dict[str, Any]:
    """Return a study, as read, whose pretrainings with ``derive`` have their kind written out."""
    pretrainings = study.get("pretrainings")
    if not isinstance(pretrainings, Mapping):
        return dict(study)
    filled = {
        name: {"kind": DERIVED, **settings}
        if isinstance(settings, Mapping) and "derive" in settings
        else settings
        for name, settings in pretrainings.items()
    }
    return {**study, "pretrainings": filled}


def derivation_of(where: str, settings: Mapping[str, Any]) -> Derivation:
    """Read the steps of a pretraining.

    Args:
        where: The study and the pretraining, for the message.
        settings: Its settings.

    Raises:
        UserError: Steps contradict each other.
    """
    found: dict[str, Any] = {}
    for step in settings["derive"]:
        for name, value in _parts(step):
            if name in found:
                raise UserError(
                    f"{where}: derive has two steps that say {_STEP[name]}; keep one of them."
                )
            found[name] = value
    through, norms = found.get("through", 0), settings["derived_norms"]
    if "statistics" in found and through == ALL:
        raise UserError(
            f"{where}: keep: {{ through: all }} leaves nothing of which the statistics alone could "
            "be kept; remove one of the two steps."
        )
    if "filters" in found and through != 0:
        raise UserError(
            f"{where}: keep: {{ through: {through} }} keeps the first convolution, and filters: "
            f"{found['filters']} replaces it; remove one of the two steps."
        )
    if norms is not None and "statistics" not in found:
        raise UserError(
            f"{where}: derived_norms says what becomes of norms beside weights that are drawn with "
            "keep: statistics, which is not a step of derive; add the step, or remove "
            "derived_norms."
        )
    statistics = (norms or IDENTITY) if "statistics" in found else None
    return Derivation(through, statistics, found.get("filters"))


_STEP = {"through": "keep: through", "statistics": "keep: statistics", "filters": "filters"}


def _parts(step: Mapping[str, Any]) -> list[tuple[str, Any]]:
    keep = step.get("keep")
    if isinstance(keep, Mapping):
        return [("through", keep["through"])]
    return [("filters", step["filters"])] if keep is None else [("statistics", True)]


def check_derivation(
    where: str, derivation: Derivation, architecture: Architecture, truncation: int
) -> None:
    """Refuse to keep more of a source's weights than a network has room for.

    The blocks of networks that are not listed are counted when they are built.

    Args:
        where: The study and the pretraining, for the message.
        derivation: What is kept.
        architecture: The network.
        truncation: Blocks that it lacks.

    Raises:
        UserError: It has fewer blocks, or shares fewer with the network that the weights are of.
    """
    slim, through = base_of(architecture.of), derivation.through
    if slim is not None:
        base, shared = slim
        if derivation.statistics:
            raise UserError(
                f"{where}: keep: statistics takes the weights of {base} tensor by tensor, but "
                f"after its first {shared} blocks {architecture.name} has half the channels; leave "
                "the pair out with exclude."
            )
        if through == ALL or int(through) > shared:
            raise UserError(
                f"{where}: keep: {{ through: {through} }} keeps more of {base} than "
                f"{architecture.name} shares with it: after the first {shared} blocks it has half "
                f"the channels; write at most {shared}."
            )
    if through == ALL or architecture.of not in known_architectures():
        return
    blocks = architecture.blocks - truncation
    if int(through) > blocks:
        cut = f" with {truncation} of its blocks removed" if truncation else ""
        raise UserError(
            f"{where}: keep: {{ through: {through} }} is too deep, for architecture "
            f"'{architecture.name}'{cut} has {blocks} blocks, stem included; write at most "
            f"{blocks}, or all."
        )


def record_of(derivation: Derivation, base: Architecture | None) -> dict[str, Any]:
    """Return the part of a specification's ``weights`` that says what is kept.

    Args:
        derivation: What is kept.
        base: The network that the weights are of, where it is not the cell's own.
    """
    if derivation.plain:
        return {"keep": derivation.plain}
    values = derivation.values()
    record = {**values, "code": modules_fingerprint(modules_of(values))}
    if base is not None:
        record["base"] = {k: v for k, v in base.record(0).items() if k != "input_px"}
    return {"derive": record}


def keeps_folded(weights: Mapping[str, Any]) -> bool:
    """Tell whether norms that are folded into convolutions come with them into a network.

    Args:
        weights: ``weights`` of a cell's specification.
    """
    if weights.get("norms") != FOLDED or weights.get("keep") is not None:
        return False
    derive = weights.get("derive")
    return derive is None or derive.get("through", 0) != 0


def keeps_blocks(weights: Mapping[str, Any]) -> bool:
    """Tell whether initial weights are some blocks of a source's, with the rest drawn.

    Args:
        weights: ``weights`` of a cell's specification.
    """
    return (weights.get("derive") or {}).get("through", 0) not in (0, ALL)
