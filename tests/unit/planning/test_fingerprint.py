from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import grimp
import pytest

from transfergrid.planning import fingerprint
from transfergrid.planning.fingerprint import (
    STAGES,
    canonical_syntax,
    closure,
    code_files,
    plugin_fingerprint,
)
from transfergrid.planning.paths import PROJECT
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


@pytest.mark.parametrize("stage", STAGES)
def test_closures_agree_with_an_import_graph_library(stage: str) -> None:
    graph = grimp.build_graph("transfergrid", exclude_type_checking_imports=True)
    roots = [f"transfergrid.{module}" for module in STAGES[stage]]
    expected = set(roots)
    for root in roots:
        expected |= graph.find_upstream_modules(root)
    packages = {m for m in expected if (PROJECT / "src" / m.replace(".", "/")).is_dir()}
    assert set(closure(roots)) == expected - packages


def test_packages_hold_docstrings_only() -> None:
    # Fingerprints leave __init__ modules out; code in one would go unseen.
    for path in (PROJECT / "src" / "transfergrid").rglob("__init__.py"):
        body = ast.parse(path.read_text()).body[1:]
        names = [ast.unparse(node).split(" = ")[0] for node in body]
        assert names in ([], ["__version__"]), path


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


# Everything here is hashed into the name of every cell: an addition makes all cells of all users
# stale, now and whenever the added module changes. No reader, registry, command line or logging.
TRAIN_CLOSURE = [
    "data.store",
    "evaluation.auroc",
    "evaluation.combine",
    "evaluation.inference",
    "models.initial",
    "models.matching",
    "models.normalise",
    "models.proof",
    "models.redrawn",
    "models.truncation",
    "models.zoo",
    "planning.naming",
    "planning.paths",
    "planning.recipe",
    "planning.records",
    "runtime.atomic",
    "runtime.errors",
    "runtime.faults",
    "runtime.hashing",
    "runtime.sealed",
    "runtime.watcher",
    "training.augmentation",
    "training.batches",
    "training.checkpoints",
    "training.freezing",
    "training.history",
    "training.job",
    "training.loop",
    "training.losses",
    "training.numerics",
    "training.optimisation",
    "training.progress",
    "training.receipts",
    "training.resume",
    "training.subsets",
    "training.tuning",
    "training.validation",
]


def test_what_training_depends_on_is_pinned() -> None:
    found = [m.removeprefix("transfergrid.") for m in closure(["transfergrid.training.loop"])]
    assert found == TRAIN_CLOSURE


def test_results_depend_on_no_command_and_no_documentation() -> None:
    found = {path.relative_to(PROJECT) for path in code_files()}
    names = {str(path) for path in found}
    source = Path("src") / "transfergrid"
    for module in ("training/loop.py", "data/chexpert.py", "statistics/contrasts.py"):
        assert str(source / module) in names
    assert {"Snakefile", "workflow", "resources"} <= names
    assert not any(path.is_relative_to(source / "commands") for path in found)
    assert all((PROJECT / path).exists() for path in found)
