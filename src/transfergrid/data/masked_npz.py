"""The mask_npz kind: films and masks in one .npz.

A film is a case of its own, because its masks are those of no other film; patients keep theirs
together.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from transfergrid.data.manifest import Manifest, chosen_tasks
from transfergrid.data.mask_npz import read_npz
from transfergrid.data.mask_set import TASK_KIND, unread


def read(options: Mapping[str, Any], root: Path) -> Manifest:
    """Read films and masks of an .npz; see `transfergrid.data.mask_npz`.

    Args:
        options: The declaration.
        root: The file.

    Raises:
        UserError: No such file, or arrays that do not fit each other.
    """
    ids, masks = read_npz(root, options)
    films = ids["image_id"].to_numpy(dtype=str)
    patients = ids["patient_id"].to_numpy(dtype=str)
    table = ids.assign(study_id=films)
    return Manifest(
        table=pd.concat([table, unread(masks.structures, len(ids))], axis=1),
        tasks=masks.structures,
        score_tasks=chosen_tasks(options.get("score_tasks"), masks.structures, "score_tasks"),
        task_kind=TASK_KIND,
        images=masks.images,
        patients_known=bool((patients != films).any()),
        studies_known=False,
        masks=masks,
    )
