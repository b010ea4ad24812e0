"""The mask_table kind: films of any table, and where their masks are.

A film is a case of its own, because its masks are those of no other film; patients keep theirs
together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pandas as pd

from transfergrid.data.images import ImageFiles
from transfergrid.data.manifest import Manifest, chosen_tasks
from transfergrid.data.mask_set import TASK_KIND, unread
from transfergrid.data.mask_table import declared_masks
from transfergrid.data.table import manifest_of
from transfergrid.data.tablefile import read_table
from transfergrid.runtime.errors import UserError

_NONE = "film"
"""Stands for the tasks until masks say which there are."""


def read(options: Mapping[str, Any], root: Path) -> Manifest:
    """Read a table of films, and where their masks are; none is opened.

    Args:
        options: The declaration; see `transfergrid.data.mask_table` for its layers.
        root: Folder that holds the table, and relative to which it names films and masks.

    Raises:
        UserError: A missing table, column, folder or mask, or a contradictory declaration.
    """
    if not root.is_dir():
        raise UserError(f"data folder {root} does not exist; correct the data set's root.")
    table = read_table(root / str(options["table"]), options.get("separator"), settable=True)
    count = len(table.column(str(options["image_column"])))
    own = {key: value for key, value in options.items() if key != "score_tasks"}
    films = manifest_of(table, unread([_NONE], count), TASK_KIND, own, root)
    masks = declared_masks(options, cast(ImageFiles, films.images), root, table)
    ids = films.table.drop(columns=_NONE)
    return replace(
        films,
        table=pd.concat([ids, unread(masks.structures, count)], axis=1),
        tasks=masks.structures,
        score_tasks=chosen_tasks(options.get("score_tasks"), masks.structures, "score_tasks"),
        masks=masks,
    )
