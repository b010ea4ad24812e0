"""What loading a cell may do: import code that its specification names, and use a device."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from transfergrid.planning.architectures import known_architectures, own_code
from transfergrid.planning.metrics import functions_of, split_ours
from transfergrid.planning.unchanged import hold_metric, hold_network
from transfergrid.runtime.errors import UserError, listed


def own_network(spec: Mapping[str, Any]) -> list[str]:
    """Return each ``module:function`` in a cell's network that is none of the project's own.

    Args:
        spec: The cell's specification.
    """
    ours = {network.factory for network in known_architectures().values()}
    return [reference for reference in own_code(spec["architecture"]) if reference not in ours]


def hold_own(folder: Path, spec: Mapping[str, Any], by_metric: bool, allowed: bool) -> None:
    """Hold the code of users' own that a cell's predictions need, or refuse to import it.

    Whoever wrote the specification chose what is imported: of a cell from elsewhere that may be
    any module that Python finds, one in its own folder, say.

    Args:
        folder: The cell's folder.
        spec: Its specification.
        by_metric: Whether its metric ranks checkpoints anew.
        allowed: Whether code of users' own may be imported.

    Raises:
        UserError: There is such code and it is not allowed, or it is not what the cell was trained
            with.
    """
    metric = split_ours(functions_of(spec["metric"]))[1] if by_metric else []
    named = [*own_network(spec), *metric]
    if named and not allowed:
        raise UserError(
            f"cell {folder.name} needs code that is not TransferGrid's, {listed(named)}, which "
            "loading it would run; if you trust who wrote it, allow it with own_code=True "
            "(transfergrid predict --own-code)."
        )
    try:
        hold_network(spec)
        if metric:
            hold_metric(spec["metric"], spec["code"]["metric"])
    except UserError as error:
        raise UserError(f"cell {folder.name} cannot be loaded: {error}") from None


def check_device(name: str) -> None:
    """Refuse a device that torch does not know or does not see.

    Args:
        name: Such as "cpu", "cuda" or "cuda:<n>".

    Raises:
        UserError: It says which there are.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")  # computes nothing, so it is refused as well
    seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"there is no device '{name}'; allowed are cpu, cuda and cuda:N.")
    if device.type == "cuda" and (device.index or 0) >= seen:
        raise UserError(
            f"device '{name}' cannot be used: torch sees {seen} GPUs here; use cpu, or check "
            "nvidia-smi and the torch build."
        )
