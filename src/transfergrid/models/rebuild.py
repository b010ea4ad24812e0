"""Prepare missing initial weights once, for whichever job asks first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.notes import known_note
from transfergrid.planning.paths import weights_directory
from transfergrid.planning.unchanged import hold_kind, hold_plugin, hold_stage
from transfergrid.runtime.locks import make_once

FILES = ("init.safetensors", "proof.json", "receipt.json")
"""The files in a folder of prepared weights."""


def prepare_weights(note: Mapping[str, Any], results: Path) -> None:
    """Prepare the weights that a location note describes.

    Raises:
        UserError: The file or code was edited since planning, or the weights do not fit; then
            nothing is written.
    """
    if note["declaration"].get("code"):
        hold_plugin(note["declaration"]["kind"])
    hold_stage("weights")
    hold_kind(note["declaration"]["kind"])
    # Imported only now: most jobs find their weights, and need nothing that reads studies.
    from transfergrid.planning.inputs import check_weights

    check_weights(note)
    # So that it is the code that was compared.
    from transfergrid.models.pretraining import write_weights

    path = Path(note["path"]) if note["path"] else None
    destination = weights_directory(note["id"], results)
    write_weights(note["declaration"], note["architecture"], path, destination)


def ensure_weights(weights_id: str, results: Path) -> None:
    """Prepare weights if a file of theirs is missing; of several jobs that need them, one does it.

    Raises:
        UserError: No note says where they come from.
    """
    directory = weights_directory(weights_id, results)
    make_once(
        lambda: all((directory / name).is_file() for name in FILES),
        directory.with_name(f".{weights_id}.lock"),
        lambda: prepare_weights(known_note(weights_id, results), results),
    )
