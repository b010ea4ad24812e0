"""What docs/security.md says is never run is not run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from snakemake.common.configfile import load_configfile

from transfergrid.planning.paths import PROJECT
from transfergrid.planning.plan import plan_run
from transfergrid.runtime.errors import UserError

SOURCES = sorted([*(PROJECT / "src").rglob("*.py"), *(PROJECT / "workflow").rglob("*.py")])
ROOMS = sorted({path.parent for path in SOURCES})
SAFE = {"torch.load": "weights_only", "np.load": "allow_pickle"}
"""Readers that may unpickle, and the argument without which they do."""
FORBIDDEN = {"pickle.load", "pickle.loads", "pd.read_pickle", "eval", "torch.jit.load"}


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Yield every call of a file with the name of what is called."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


@pytest.mark.parametrize(
    "room", sorted({path.parent for path in SOURCES}), ids=lambda room: room.name
)
def test_nothing_is_unpickled_or_evaluated(room: Path) -> None:
    for path in (path for path in SOURCES if path.parent == room):
        for name, call in calls(path):
            assert name not in FORBIDDEN, f"{path}:{call.lineno}"
            if name in SAFE:
                given = {word.arg: ast.unparse(word.value) for word in call.keywords}
                wanted = "True" if name == "torch.load" else "False"
                assert given.get(SAFE[name]) == wanted, f"{path}:{call.lineno}"


def test_a_study_with_code_for_snakemake_is_refused_and_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    path = tmp_path / "study.yaml"
    path.write_text(
        f"__use_yte__: true\ntitle: ?__import__('pathlib').Path({str(mark)!r}).touch()\n"
    )
    with pytest.raises(UserError, match="__use_yte__"):
        plan_run([path], {})
    with pytest.raises(UserError, match="__use_yte__"):
        plan_run([], {"studies": [str(path)]})
    assert not mark.exists()
    # What the page says of Snakemake; once this fails, the page is to say otherwise.
    load_configfile(path)
    assert mark.exists()
