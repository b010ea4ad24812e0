"""The manifest of films with masks none of which has been read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfergrid.data.manifest import IDS, Manifest, chosen_tasks
from transfergrid.data.mask_set import TASK_KIND, MaskSet, unread


def masked_manifest(
    ids: tuple[Any, ...],
    masks: MaskSet,
    options: Mapping[str, Any],
    patients_known: bool,
    drawn: bool = False,
    notes: tuple[str, ...] = (),
) -> Manifest:
    """Return a manifest whose tasks are the masks' structures; a film is a case of its own.

    Args:
        ids: The columns `IDS`, (N,) each, or a text for all films.
        masks: The films' masks, and the films.
        options: The declaration, which may choose scored structures.
        patients_known: Whether patient_id tells people apart.
        drawn: Whether the splits were drawn.
        notes: Sentences for the card.
    """
    structures = masks.structures
    table = pd.DataFrame(dict(zip(IDS, ids, strict=True)))
    return Manifest(
        table=pd.concat([table, unread(structures, len(masks))], axis=1),
        tasks=structures,
        score_tasks=chosen_tasks(options.get("score_tasks"), structures, "score_tasks"),
        task_kind=TASK_KIND,
        images=masks.images,
        patients_known=patients_known,
        studies_known=False,
        notes=notes,
        drawn=drawn,
        masks=masks,
    )
