"""A study's own metric that breaks its contract is told before a training, not by a table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from unit.planning.made_up_plan import planned

from transfergrid.commands.checks_asked import CHECKS
from transfergrid.commands.checks_metrics import check_metrics
from transfergrid.commands.tables_read import TablesRead

SOUND = """
import numpy as np
def metric(scores, labels, patient):
    missed = np.abs(scores - labels)
    values = missed.mean(axis=1)
    return values, (missed - values[:, None]) / labels.size
def above(scores, labels, patient, threshold):
    assert 0 < threshold < 1
    return metric(scores >= threshold, labels, patient)
def half(scores, labels):
    return np.full(len(scores), 0.5)
"""


def errors(folder: Path, module: str, name: str, code: str, **metric: Any) -> list[str]:
    (folder / f"{module}.py").write_text(code)
    own = {"function": f"{module}:{name}", "task_kinds": ["multilabel"], "range": [0, 1], **metric}
    made = planned(folder, {"metrics": {"mine": own}, "evaluation": {"metrics": ["mine"]}})
    found = list(check_metrics(made, TablesRead(folder / "results")))
    assert {one.level for one in found} <= {"error"}
    return [one.told for one in found]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_metric_that_keeps_its_contract_is_well(lab: Path) -> None:
    assert not errors(lab, "sound_lab", "metric", SOUND)
    at = {"operating_point": "sound_lab:half"}
    assert not errors(lab, "sound_lab", "above", SOUND, **at)
    assert check_metrics in CHECKS.values()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("    return 1", "returns int; return a pair of estimates and contributions"),
        ("    return scores.mean(axis=1), scores[:, :3]", "returns contributions of shape"),
        ("    return scores.sum(axis=1), 0 * scores", "is not within its range, 0 to 1; correct"),
        ("    return nothing", "failed (NameError: name 'nothing' is not defined); correct it."),
    ],
)
def test_a_metric_that_breaks_its_contract_is_told_once(
    lab: Path, line: str, sentence: str
) -> None:
    module = f"lab_{'_'.join(re.findall('[a-z]+', sentence.lower()))}"  # imported once each
    code = f"def metric(scores, labels, patient):\n{line}\n"
    (error,) = errors(lab, module, "metric", code)
    assert sentence in error and "'mine'" in error


def test_a_module_that_cannot_be_imported_is_told(lab: Path) -> None:
    code = "import no_such_module\ndef metric(scores, labels, patient): ...\n"
    (error,) = errors(lab, "lost_lab", "metric", code)
    assert "metric 'mine' (lost_lab:metric) failed (ModuleNotFoundError" in error


def test_a_metric_that_nothing_uses_is_not_called(lab: Path) -> None:
    broken = "def metric(scores, labels, patient): return 1\n"
    (lab / "unused_lab.py").write_text(broken)
    own = {"function": "unused_lab:metric", "task_kinds": ["multilabel"]}
    made = planned(lab, {"metrics": {"mine": own}})
    assert not list(check_metrics(made, TablesRead(lab / "results")))
