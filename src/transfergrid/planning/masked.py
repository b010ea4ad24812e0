"""What a study may not ask of data sets with masks."""

from __future__ import annotations

from collections.abc import Sequence

from transfergrid.planning.cells import Cell
from transfergrid.planning.study import Study
from transfergrid.planning.tasks import holds_masks
from transfergrid.runtime.errors import UserError

_OF_LABELS = {
    "cams": "activation maps",
    "similarity": "how alike networks are",
    "weights": "what happened to weights",
}


def check_masked(study: Study, targets: Sequence[Cell]) -> None:
    """Refuse what is measured on networks that end in labels, for networks with a decoder.

    Raises:
        UserError: The sentence names the key and a data set.
    """
    for key, words in _OF_LABELS.items():
        block = study.config.get(key)
        if block is None:
            continue
        for cell in targets:
            masks = holds_masks(study.config["datasets"][cell.point.dataset])
            if masks and cell.point.matches(block.get("where") or {}):
                raise UserError(
                    f"{study.source}: {key} asks for {words} of data set '{cell.point.dataset}', "
                    "which has masks; it is for data sets with labels. Leave it out, or name "
                    f"others in {key}.where."
                )
