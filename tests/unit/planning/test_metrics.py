"""Names of metrics become declarations, and what cannot be is refused before anything runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from transfergrid.catalog.metrics import METRICS
from transfergrid.planning.metrics import built_in, study_metrics, trained_by, trained_code
from transfergrid.planning.study import load_study
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import canonical_json

STUDY: dict[str, Any] = {
    "name": "small",
    "datasets": {"films": {"kind": "phantom"}, "textures": {"kind": "phantom", "set": "shapes"}},
    "pretrainings": {"random": {"kind": "random"}},
    "grid": [{"datasets": ["films"], "architectures": ["resnet18"], "pretrainings": ["random"]}],
}
OWN = {"function": "my_lab:youden", "task_kinds": ["multilabel"], "range": [-1, 1]}


def resolve(folder: Path, **changes: Any) -> Any:
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump({**STUDY, **changes}))
    return study_metrics(load_study(path).config, "study.yaml")


def refused(folder: Path, **changes: Any) -> str:
    with pytest.raises(UserError) as error:
        resolve(folder, **changes)
    return str(error.value)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_lab.py").write_text("def youden(scores, labels, patient):\n    return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_auroc_is_the_primary_one_unless_a_data_set_says_otherwise(lab: Path) -> None:
    found = resolve(lab)
    assert found.primary == {"films": "auroc", "textures": "auroc"}
    assert list(found.declarations) == ["auroc"] and found.extra == ()
    films = {"kind": "phantom", "metric": "youden"}
    found = resolve(lab, metrics={"youden": OWN}, datasets={"films": films})
    assert found.primary == {"films": "youden"}
    assert found.declarations["youden"]["range"] == [-1, 1]
    assert "my_lab" not in sys.modules  # planning reads a plug-in, and runs none


def test_a_declaration_is_plain_and_names_its_code() -> None:
    for metric in METRICS:
        found = built_in(metric.name)
        canonical_json(found)
        assert set(trained_by(found)) <= set(found) and trained_code(found)
        assert "title" not in trained_by(found) and "interval" not in trained_by(found)


def test_the_code_of_a_plugin_is_in_its_declaration(lab: Path) -> None:
    def code() -> str:
        metrics = {"youden": OWN}
        found = resolve(lab, metrics=metrics, evaluation={"metrics": ["youden"]})
        return str(found.declarations["youden"]["code"])

    before = code()
    text = (lab / "my_lab.py").read_text()
    (lab / "my_lab.py").write_text("# A comment.\n" + text)
    assert code() == before
    (lab / "my_lab.py").write_text(text.replace("1", "2"))
    assert code() != before


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"evaluation": {"metrics": ["aurok"]}}, "no metric 'aurok' (did you mean 'auroc'?)"),
        ({"evaluation": {"metrics": ["f1"]}}, "no metric 'f1'; there are auroc, average_precision"),
        ({"metrics": {"mine": {**OWN, "of": "auroc"}}}, "metrics.mine has both of and function"),
        ({"datasets": {"films": {"kind": "phantom", "metric": "dice"}}}, "no metric 'dice'"),
        ({"metrics": {"auroc": OWN}}, "has the name of a built-in metric"),
        ({"metrics": {"mine": {"of": "auroc", "beta": 2}}}, "has no setting 'beta'; it has none"),
        ({"metrics": {"mine": {"of": "aurok"}}}, "no built-in metric (did you mean 'auroc'?)"),
        ({"metrics": {"mine": {"task_kinds": ["multilabel"]}}}, "lacks the setting 'function'"),
        ({"metrics": {"mine": {**OWN, "function": "my_lab:nothing"}}}, "no function 'nothing'"),
        ({"metrics": {"mine": {**OWN, "range": [1, 0]}}}, "goes from 1 to 0; write its least"),
        ({"metrics": {"mine": {**OWN, "range": [1, 1]}}}, "goes from 1 to 1; write its least"),
        (
            {"metrics": {"mine": {**OWN, "task_kinds": ["masks"]}}},
            ": task_kind is 'masks'",
        ),
        (
            {"metrics": {"mine": {**OWN, "per": "case", "operating_point": "my_lab:youden"}}},
            "leave it out, or write per: task",
        ),
        (
            {"metrics": {"mine": {"of": "sensitivity", "specificity": 1}}},
            "specificity of 'mine' is 1; it must lie between 0 and 1, both excluded",
        ),
        (
            {"metrics": {"mine": {"of": "sensitivity", "specificity": "high"}}},
            "specificity of 'mine' is 'high'; it must lie between 0 and 1, both excluded",
        ),
        (
            {"datasets": {"films": {"kind": "phantom", "metric": "accuracy"}}},
            "data set 'films' is multilabel, which has no metric 'accuracy'",
        ),
        (
            {
                "metrics": {"mine": OWN},
                "datasets": {"t": {"kind": "phantom", "set": "shapes", "metric": "mine"}},
            },
            "data set 't' is multiclass, which has no metric 'mine'; choose one of auroc",
        ),
        (
            {
                "metrics": {"mine": OWN},
                "datasets": {"t": {"kind": "medmnist", "root": "x.npz", "metric": "mine"}},
            },
            "write its task_kind",
        ),
        (
            {
                "metrics": {"mine": OWN},
                "datasets": {"t": {"kind": "phantom", "set": "shapes"}},
                "evaluation": {"metrics": ["mine"]},
            },
            "names 'mine', which is for multilabel, and every data set is multiclass",
        ),
    ],
)
def test_what_cannot_be_is_a_sentence(lab: Path, changes: dict[str, Any], told: str) -> None:
    assert told in refused(lab, **changes)
