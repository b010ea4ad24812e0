from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from unit.evaluation.proc import golden
from unit.statistics.made_up_ensembles import SCORED, questions, study, write_cell

from transfergrid.evaluation.ensemble import Ensemble
from transfergrid.statistics.answers import answer


def test_delongs_test_of_two_networks_is_that_of_proc(tmp_path: Path) -> None:
    cases = golden.cases()
    cells = []
    for case, (scores, labels, _) in cases.items():
        ids = np.array([f"s{i}" for i in range(len(labels))])
        for pretraining, values in zip(("imagenet", "random"), scores, strict=True):
            one = Ensemble(ids, ids, (SCORED,), values[:, None], labels[:, None], 1, len(ids))
            place = {"architecture": "net", "pretraining": pretraining, "seed": 0}
            cells.append(write_cell(tmp_path, one, dataset=case, **place))
    boost = questions()[0]
    found = answer(study(cells, [boost]), pd.DataFrame(cells), tmp_path).tables["sensitivity"]
    delong = found[found["analysis"] == "DeLong"].set_index("dataset")
    assert list(delong.index) == list(cases)
    for case, (_, _, expected) in cases.items():
        row = delong.loc[case]
        assert row["estimate"] == pytest.approx(expected["auc_a"] - expected["auc_b"], abs=1e-12)
        assert row["estimate"] / row["se"] == pytest.approx(expected["z"], rel=1e-9, abs=1e-12)
        assert row["p"] == pytest.approx(expected["p"], rel=1e-9)
