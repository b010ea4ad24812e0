"""The NIH's Shenzhen set of chest films: number and label are in the name of each film.

Layout: ``CXR_png/CHNCXR_0001_0.png``, whose last digit is 1 for tuberculosis, is known from public
code, and from the lists of jlianglab/BenchmarkTransferLearning @ d0a620c: unverified, as no film
was opened. ``ClinicalReadings`` (age, sex, finding) is not read. S. Jaeger et al., Quantitative
Imaging in Medicine and Surgery 4:475-477, 2014.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transfergrid.data.images import ImageFiles
from transfergrid.data.manifest import IDS, Manifest, chosen_tasks
from transfergrid.data.parted import parted
from transfergrid.planning.layouts.shenzhen import FILMS, base, films

TASK = "tuberculosis"


def read(options: Mapping[str, Any], root: Path) -> Manifest:
    """List the films; none is opened.

    Args:
        options: The declaration; see the study's schema for its keys.
        root: ``ChinaSet_AllFiles``, or the folder that holds it; lists of films are in it.

    Raises:
        UserError: A missing folder or list, a film that is not named as published, or is in no list
            or in two.
    """
    folder = base(root)
    found = films(folder)
    names = list(found)
    patients = np.array([number for number, _ in found.values()])
    ill = np.array([label for _, label in found.values()], dtype=np.float32)
    split = parted(options, root, names, folder / FILMS, patients, ill[:, None])
    columns = (names, names, patients, "frontal", split)
    table = pd.DataFrame(dict(zip(IDS, columns, strict=True))).assign(**{TASK: ill})
    return Manifest(
        table=table,
        tasks=(TASK,),
        score_tasks=chosen_tasks(options.get("score_tasks"), (TASK,), "score_tasks"),
        task_kind="multilabel",
        images=ImageFiles.declared(folder, [f"{FILMS}/{name}" for name in names], options),
        patients_known=True,
        studies_known=False,
        drawn=not options.get("lists"),
    )
