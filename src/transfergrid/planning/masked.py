"""What a study may not ask of data sets with masks."""

from __future__ import annotations

from collections.abc import Sequence

from transfergrid.planning.cells import Cell
from transfergrid.planning.study import Study
from transfergrid.planning.tasks import holds_masks
from transfergrid.runtime.errors import UserError, listed, suggest

_OF_LABELS = {
    "cams": "activation maps",
    "similarity": "how alike networks are",
    "weights": "what happened to weights",
}


def check_masked(study: Study, targets: Sequence[Cell]) -> None:
    """Refuse what is measured on networks that end in labels, for networks with a decoder.

    Data sets whose films are hidden must be there, lest a slip of the pen show them.

    Raises:
        UserError: The sentence names the key and a data set.
    """
    hidden = (study.config["pictures"] or {"hidden": []})["hidden"]
    if lost := [name for name in hidden if name not in study.config["datasets"]]:
        raise UserError(
            f"{study.source}: pictures.hidden names data set '{lost[0]}'"
            f"{suggest(lost[0], study.config['datasets'])}, which the study does not have; name "
            f"one of {listed(study.config['datasets'])}."
        )
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
