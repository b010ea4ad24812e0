from __future__ import annotations

import ast
import shutil
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import grimp
import pytest

from transfergrid.catalog.questions import answering, telling
from transfergrid.catalog.records import Stage
from transfergrid.catalog.stages import STAGES
from transfergrid.catalog.tables import ANALYSES
from transfergrid.planning import fingerprint
from transfergrid.planning.fingerprint import (
    closure,
    code_files,
    plugin_fingerprint,
    stage_code,
)
from transfergrid.planning.paths import PROJECT, SCRIPTS
from transfergrid.planning.syntax import canonical_syntax
from transfergrid.planning.tasks import tasks_fingerprint
from transfergrid.planning.unchanged import check_templates, hold_tuning
from transfergrid.runtime.errors import UserError


def syntax(text: str) -> str:
    return canonical_syntax(ast.parse(textwrap.dedent(text)))


BASE = '''
    """Module."""
    import math


    def area(r: float) -> float:
        """Return the area."""
        return math.pi * r**2
'''


@pytest.mark.parametrize(
    "same",
    [
        BASE.replace("Return the area.", "Another docstring."),
        BASE.replace('"""Module."""', ""),
        BASE.replace("r**2", "(r  **  2)  # squared"),
        BASE.replace("import math\n", "import math  # a comment\n\n\n"),
    ],
)
def test_layout_comments_and_docstrings_do_not_count(same: str) -> None:
    assert syntax(same) == syntax(BASE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("r**2", "r**3"),
        ("r**2", "r**2.0"),
        ("math.pi * r", "r * math.pi"),
        ("area", "areas"),
        ("r: float", "r: int"),
        ("r: float", "*, r: float"),
        ("import math", "import math as maths"),
    ],
)
def test_every_change_of_code_counts(old: str, new: str) -> None:
    assert syntax(BASE.replace(old, new)) != syntax(BASE)


def test_a_string_that_is_no_docstring_counts() -> None:
    assert syntax("x = 'a'") != syntax("x = 'b'")
    assert syntax("x = 1") != syntax("x = True")


def test_the_text_is_pinned_for_every_python_version() -> None:
    # Newer Pythons add fields to the tree (3.12: type_params); absent and empty ones are left out.
    golden = (
        "(Module body=[(FunctionDef args=(arguments args=[(arg arg='x')] defaults=[(int 1)])"
        " body=[(Return value=(BinOp left=(Name ctx=(Load) id='x') op=(Add)"
        " right=(JoinedStr values=[(FormattedValue conversion=-1 value=(Name ctx=(Load) id='x'))])"
        "))] name='f')])"
    )
    assert syntax('def f(x=1):\n    "Doc."\n    return x + f"{x}"') == golden


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_closures_agree_with_an_import_graph_library(stage: Stage) -> None:
    graph = grimp.build_graph("transfergrid", exclude_type_checking_imports=True)
    roots = [f"transfergrid.{module}" for module in stage.code]
    expected = set(roots)
    for root in roots:
        expected |= graph.find_upstream_modules(root)
    packages = {m for m in expected if (PROJECT / "src" / m.replace(".", "/")).is_dir()}
    assert set(closure(roots)) == expected - packages


@pytest.mark.parametrize("stage", ANALYSES, ids=lambda stage: stage.name)
def test_an_analysis_depends_on_no_other_and_on_no_list_of_them(stage: Stage) -> None:
    # A new table or figure would redo it; which columns it makes, its stamp says.
    found = set(closure(f"transfergrid.{module}" for module in stage.code))
    assert not {name for name in found if name.startswith("transfergrid.reporting.figures")}
    lists = ("stages", "tables", "measured", "answered", "figures")
    assert not found & {f"transfergrid.catalog.{name}" for name in lists}
    others = {other.code[0] for other in ANALYSES if other is not stage}
    assert not found & {f"transfergrid.{module}" for module in others}


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_no_stage_depends_on_the_list_of_metrics(stage: Stage) -> None:
    # One more built-in metric would redo it; those that a study uses are in its stamp.
    found = set(closure(f"transfergrid.{module}" for module in stage.code))
    assert "transfergrid.catalog.metrics" not in found


@pytest.mark.parametrize(("stage", "named"), [("statistics", answering), ("report", telling)])
def test_what_a_question_names_as_text_is_part_of_its_stage(
    stage: str, named: Callable[[], tuple[str, ...]]
) -> None:
    assert len(named()) >= 6 and set(named()) <= set(stage_code(stage))


def test_packages_hold_docstrings_only() -> None:
    # Fingerprints leave __init__ modules out; code in one would go unseen.
    source = PROJECT / "src" / "transfergrid"
    for path in source.rglob("__init__.py"):
        if path.parent != source:
            assert len(ast.parse(path.read_text()).body) <= 1, path
    # What the whole package offers to scripts is used by nothing in it.
    offered = ast.parse((source / "__init__.py").read_text()).body
    functions = [node.name for node in offered if isinstance(node, ast.FunctionDef)]
    assert functions == ["load_cell"]
    for path in [*source.rglob("*.py"), *SCRIPTS.rglob("*.py")]:
        assert "from transfergrid import load_cell" not in path.read_text(), path


def test_a_plugin_is_known_by_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "my_plugin_networks.py"
    module.write_text("def net(outputs, truncation):\n    return outputs\n")
    first = plugin_fingerprint("my_plugin_networks:net")
    module.write_text("# same\ndef net(outputs, truncation):\n    return outputs\n")
    assert plugin_fingerprint("my_plugin_networks:net") == first
    module.write_text("def net(outputs, truncation):\n    return 2 * outputs\n")
    assert plugin_fingerprint("my_plugin_networks:net") != first
    with pytest.raises(UserError, match="has no function 'nett'; it defines net"):
        plugin_fingerprint("my_plugin_networks:nett")
    with pytest.raises(UserError, match="PYTHONPATH"):
        plugin_fingerprint("no_such_module_here:net")


def test_equivalent_code_keeps_the_old_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"train": {"c": "b", "b": "a", "x": "y", "y": "x"}}
    monkeypatch.setattr(fingerprint, "_equivalents", lambda: table)
    assert fingerprint._oldest_equal("train", "c") == "a"
    assert fingerprint._oldest_equal("train", "a") == "a"
    assert fingerprint._oldest_equal("evaluate", "c") == "c"
    assert fingerprint._oldest_equal("train", "x") in {"x", "y"}  # a loop ends


@pytest.mark.parametrize(
    "of_apart",
    [
        fingerprint.dicom_fingerprint,
        fingerprint.nifti_fingerprint,
        partial(fingerprint.kind_fingerprint, "file"),
        partial(tasks_fingerprint, {"kind": "chexpert"}),
    ],
)
def test_equivalent_code_that_is_hashed_apart_keeps_its_fingerprint(
    of_apart: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "_equivalents", dict)
    now = of_apart()
    monkeypatch.setattr(fingerprint, "_equivalents", lambda: {"modules": {now: "before"}})
    assert of_apart() == "before"


# Everything here is hashed into the name of every cell: an addition makes all cells of all users
# stale, now and whenever the added module changes. No reader, registry, command line or logging.
TRAIN_CLOSURE = [
    "data.mask_maps",
    "data.stacked",
    "data.store",
    "evaluation.features",
    "evaluation.inference",
    "metrics.estimate",
    "models.initial",
    "models.matching",
    "models.normalise",
    "models.norms",
    "models.prefix",
    "models.proof",
    "models.redrawn",
    "models.trained",
    "models.truncation",
    "models.zoo",
    "planning.cards",
    "planning.naming",
    "planning.paths",
    "planning.prefix",
    "planning.recipe",
    "planning.records",
    "runtime.atomic",
    "runtime.errors",
    "runtime.faults",
    "runtime.hashing",
    "runtime.sealed",
    "runtime.verified",
    "runtime.watcher",
    "tasks.learn.kind",
    "tasks.lookup",
    "tasks.score.kind",
    "tasks.score.units",
    "training.augmentation",
    "training.batches",
    "training.calibrating",
    "training.checkpoints",
    "training.finished",
    "training.freezing",
    "training.history",
    "training.job",
    "training.loop",
    "training.numerics",
    "training.optimisation",
    "training.phase",
    "training.position",
    "training.receipts",
    "training.redrawing",
    "training.resume",
    "training.subsets",
    "training.tuning",
    "training.validation",
    "training.view",
]


@pytest.fixture()
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of workflow/scripts that fingerprints are taken of, each time anew."""
    copied = shutil.copytree(fingerprint.SCRIPTS, tmp_path / "scripts")
    monkeypatch.setattr(fingerprint, "SCRIPTS", copied)
    # A library of one small module, for they are taken many times.
    small = ("runtime.errors",)
    made = {stage.name: replace(stage, code=small) for stage in STAGES if stage.code}
    monkeypatch.setattr(fingerprint, "STAGE", made)
    monkeypatch.setattr(fingerprint, "_prepare_roots", lambda kind: fingerprint._named(small))
    forget()
    yield copied
    forget()


def forget() -> None:
    for function in ("_fingerprint", "_digest", "_file", "_text", "_imports"):
        getattr(fingerprint, function).cache_clear()


def all_fingerprints() -> dict[str, str]:
    forget()
    found = {name: fingerprint.stage_fingerprint(name) for name in fingerprint.STAGE}
    return found | {"prepare": fingerprint.prepare_fingerprint("csv")}


PROGRAMS = {
    "prepare.py": {"prepare"},
    "weights.py": {"weights"},
    "tune.py": {"tune"},
    "train.py": {"train"},
    "evaluate.py": {"evaluate"},
    "ensembles.py": {"ensembles"},
    "gather.py": {"gather"},
    "analyse.py": {stage.name for stage in ANALYSES},
    "draw_figures.py": {"figures"},
    "write_page.py": {"report"},
    "cams.py": {"cams"},
    "pictures.py": {"pictures"},
    "mistakes.py": {"mistakes"},
    "features.py": {"features"},
    "activations.py": {"activations"},
    "drift.py": {"drift"},
    "reset.py": {"reset"},
    "outlines.py": {"outlines"},
    "external.py": {"external"},
    "going_on.py": {"train"},
    "device_job.py": {
        *("train", "evaluate", "cams", "pictures", "features", "activations", "reset", "outlines"),
        "external",
    },
    "noted_job.py": {"activations", "drift", "reset", "outlines", "external"},  # of no cell
    "stamp.py": set(),  # publishes what was planned, under the hash of its content
}


def test_a_program_is_part_of_its_stage(scripts: Path) -> None:
    before = all_fingerprints()
    assert set().union(*PROGRAMS.values()) == set(before)
    for name, stages in PROGRAMS.items():
        path = scripts / name
        text = path.read_text()
        path.write_text(text + "\nEDITED = True\n")
        now = all_fingerprints()
        assert {stage for stage in before if now[stage] != before[stage]} == stages, name
        path.write_text(text.replace("\nimport ", "\n# why\n\nimport ") + "\n# the end\n")
        assert all_fingerprints() == before, name
        path.write_text(text)


def test_a_program_that_is_missing_is_named(scripts: Path) -> None:
    (scripts / "train.py").unlink()
    with pytest.raises(UserError, match=r"module train is missing from .*scripts"):
        fingerprint.stage_fingerprint("train")


def test_a_choice_among_trials_is_named_after_its_code(scripts: Path) -> None:
    trials = {"0.001": "a", "0.01": "b"}
    before = fingerprint.tuning_hash(trials)
    hold_tuning(f"films-net-random-drop0-tuned-{before}", dict(reversed(trials.items())))
    path = scripts / "tune.py"
    path.write_text(path.read_text() + "\nEDITED = True\n")
    forget()
    assert fingerprint.tuning_hash(trials) != before
    assert fingerprint.tuning_hash({**trials, "0.01": "c"}) != fingerprint.tuning_hash(trials)
    with pytest.raises(UserError, match="the trials of .* or the code that chooses"):
        hold_tuning(f"films-net-random-drop0-tuned-{before}", trials)


def test_edited_templates_stop_a_page() -> None:
    recorded = fingerprint.template_hashes()
    assert {"page.html.j2", "page.css", "page.js", "CITATION.cff"} <= set(recorded)
    check_templates(recorded)
    with pytest.raises(UserError, match=r"page\.css changed after this page was planned"):
        check_templates({**recorded, "page.css": "0" * 64})


def test_what_training_depends_on_is_pinned() -> None:
    found = [m.removeprefix("transfergrid.") for m in closure(["transfergrid.training.loop"])]
    assert found == TRAIN_CLOSURE


def test_results_depend_on_no_command_and_no_documentation() -> None:
    found = {path.relative_to(PROJECT) for path in code_files()}
    source = Path("src") / "transfergrid"
    needed = {module.replace(".", "/") for stage in STAGES for module in stage.code}
    needed |= {"metrics/auroc", "tasks/learn/multilabel", "tasks/score/multilabel", "data/chexpert"}
    for module in needed:
        assert any((source / f"{module}.py").is_relative_to(path) for path in found), module
    assert {Path("Snakefile"), Path("workflow"), Path("resources")} <= found
    for other in (source / "commands", Path("docs"), Path("tests"), Path("benchmarks")):
        assert not any(path.is_relative_to(other) or other.is_relative_to(path) for path in found)
    assert all((PROJECT / path).exists() for path in found)
