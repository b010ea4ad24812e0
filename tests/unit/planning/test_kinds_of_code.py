"""A kind of task or a metric more makes nothing stale; an edited one exactly what it made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from unit.planning.test_unchanged import python

from transfergrid.planning.paths import PROJECT

STUDY = """
name: small
datasets:
  films: { kind: phantom, metric: youden }
  more: { kind: phantom, patients: 50 }
  own: { kind: "reader:read" } # of whose kind of task nothing is known before it is read
  textures: { kind: phantom, set: shapes }
pretrainings: { random: { kind: random } }
metrics:
  youden: { function: "my_lab:youden", task_kinds: [multilabel] }
  other: { function: "other_lab:other", task_kinds: [multilabel] }
evaluation: { metrics: [other] }
grid:
  - { datasets: [films, more, own, textures], architectures: [resnet18], pretrainings: [random] }
"""
NAMES = """
import json
from pathlib import Path
from transfergrid.planning.plan import plan_run
plan = plan_run([Path("study.yaml")], {})
(study,) = plan.studies.values()
cells = {cell.point.dataset: cell.name for cell in study.targets}
stamps = {stage: name for stage, (name, _) in study.stamps.items()}
stamps["evaluate"] = plan.evaluate_stamp[0]
print(json.dumps([cells, stamps]))
"""
KIND = """    TaskKind(
        "ranking",
        "transfergrid.tasks.learn.ranking",
        "transfergrid.tasks.score.ranking",
        "auroc",
    ),
    TaskKind(
        "multiclass","""
METRIC = """    Metric(
        name="made_up",
        title="Made up",
        task_kinds=("multilabel",),
        function="transfergrid.metrics.made_up:made_up",
    ),
)
\"\"\"The metrics of labels"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("src", "workflow", "resources"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=ignored)
    shutil.copy(PROJECT / "CITATION.cff", tmp_path)
    for module, name in (("my_lab", "youden"), ("other_lab", "other"), ("reader", "read")):
        (tmp_path / f"{module}.py").write_text(f"def {name}(*given):\n    return 1\n")
    (tmp_path / "study.yaml").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(project: Path) -> tuple[dict[str, str], dict[str, str]]:
    cells, stamps = json.loads(python(project, NAMES))
    return cells, stamps


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, path
    path.write_text(text.replace(old, new))


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert set(before) == set(after)
    return {key for key in before if before[key] != after[key]}


def test_one_kind_or_metric_more_makes_no_cell_stale(project: Path) -> None:
    source = project / "src" / "transfergrid"
    cells, stamps = names(project)
    for half in ("learn", "score"):
        room = source / "tasks" / half
        shutil.copy(room / "multilabel.py", room / "ranking.py")
    edit(source / "catalog" / "tasks.py", '    TaskKind(\n        "multiclass",', KIND)
    (source / "metrics" / "made_up.py").write_text("def made_up(scores, labels, patient): ...\n")
    edit(source / "catalog" / "metrics.py", ')\n"""The metrics of labels', METRIC)
    found, stamps_after = names(project)
    assert found == cells
    # Figures and the page know what metrics are called.
    assert changed(stamps, stamps_after) <= {"figures", "report"}


def test_an_edited_kind_or_metric_makes_stale_what_it_made(project: Path) -> None:
    source = project / "src" / "transfergrid"
    cells, stamps = names(project)

    def after(path: Path, old: str, new: str) -> tuple[set[str], set[str]]:
        edit(path, old, new)
        found, made = names(project)
        edit(path, new, old)
        return changed(cells, found), changed(stamps, made) & {"evaluate"}

    multiclass = source / "tasks" / "learn" / "multiclass.py"
    assert after(multiclass, "all(dim=1)", "all(dim=-1)") == ({"own", "textures"}, set())
    multilabel = source / "tasks" / "score" / "multilabel.py"
    assert after(multilabel, "0.0, -np", "0, -np") == ({"films", "more", "own"}, set())
    auroc = source / "metrics" / "auroc.py"
    assert after(auroc, "(2.0 * pairs)", "(2 * pairs)") == ({"more", "own", "textures"}, set())
    assert after(project / "my_lab.py", "return 1", "return 2") == ({"films"}, set())
    # A metric that is no data set's primary one is in tables, figures and the page alone.
    edit(project / "other_lab.py", "return 1", "return 2")
    found, made = names(project)
    assert found == cells
    assert changed(stamps, made) == {"scores", "figures", "report"}
