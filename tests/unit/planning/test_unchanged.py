"""What runs is what was compared, whatever is edited later and whatever Python has compiled."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from transfergrid.catalog.stages import STAGE, STAGES
from transfergrid.planning import fingerprint
from transfergrid.planning.fingerprint import closure
from transfergrid.planning.paths import PROJECT, SCRIPTS
from transfergrid.planning.rules import programs
from transfergrid.planning.unchanged import hold_stage
from transfergrid.runtime.errors import UserError


@pytest.fixture()
def project(tmp_path: Path) -> Path:
    """A copy of the project that a test may edit."""
    for name in ("src", "workflow", "resources"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=ignored)
    return tmp_path


def python(project: Path, text: str, *arguments: str) -> str:
    """Run a program that imports the copy's package, and return what it prints."""
    (project / "program.py").write_text(text)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, str(project / "program.py"), *arguments],
        env={**environment, "PYTHONPATH": str(project / "src")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


EDITED_LATER = """
import importlib
import sys

stage, many = sys.argv[1:]
if __name__ == "__main__":
    from transfergrid.planning import fingerprint
    from transfergrid.planning.unchanged import hold_stage

    hold_stage(stage)
    names = sorted(name for name in fingerprint.stage_code(stage) if "." in name)
    here = set(sys.modules)
    for path in fingerprint.SOURCE.rglob("*.py"):
        # What a process needs before it can be told what to import.
        if path.stem not in ("__init__", "imports", "errors"):
            path.write_text("raise SystemExit('edited')")
    modules = [importlib.import_module(name) for name in names]
    assert set(names) - here, "everything had been imported before"
    assert all(module.__file__.startswith(str(fingerprint.SOURCE)) for module in modules)
    if many == "many":
        from transfergrid.reporting.tables import gathering
        gathering.MANY = 1
        print(*gathering.over_cells(gathering.fold_of, [{}, {"fold": 3}], 2))
    print(len(names))
"""


@pytest.mark.parametrize(("stage", "more"), [("train", "one"), ("cells", "many")])
def test_what_is_edited_after_the_comparison_is_not_imported(
    project: Path, stage: str, more: str
) -> None:
    # With "many", the processes that make tables start when everything has been edited, too.
    said = python(project, EDITED_LATER, stage, more).splitlines()
    roots = [f"transfergrid.{root}" for root in STAGE[stage].code]
    assert int(said[-1]) == len(closure(roots))
    if more == "many":
        assert said[0] == "all 3"


KIND_EDITED_LATER = """
from pathlib import Path
from transfergrid.planning.fingerprint import closure, kind_modules
from transfergrid.planning.unchanged import hold_kind, hold_stage
names = closure(kind_modules("release"))
hold_stage("weights")
hold_kind("release")
for name in names:
    path = Path(__file__).parent / "src" / Path(*name.split(".")).with_suffix(".py")
    path.write_text("raise SystemExit('edited')")
from transfergrid.models.released import fetch
print(fetch.__module__, len(names))
"""


def test_the_code_of_one_kind_of_weights_is_held_as_well(project: Path) -> None:
    module, count = python(project, KIND_EDITED_LATER).split()
    assert module == "transfergrid.models.released" and int(count) > 10


READER_EDITED_LATER = """
from pathlib import Path
import numpy as np
from transfergrid.planning.inputs import resolve_dataset
from transfergrid.planning.unchanged import hold_reader
here = Path(__file__).parent
np.savez(here / "films.npz", test_images=np.zeros((1, 8, 8), np.uint8))
settings = {"kind": "mask_npz", "root": str(here / "films.npz"), "structures": ["disc"]}
note = resolve_dataset("films", settings).location
hold_reader(note)
reader = here / "src" / "transfergrid" / "data" / "masked_npz.py"
reader.write_text("raise SystemExit('edited')")
from transfergrid.data.masked_npz import read
print(read.__module__)
"""


def test_the_reader_of_films_that_are_read_again_is_held(project: Path) -> None:
    assert python(project, READER_EDITED_LATER) == "transfergrid.data.masked_npz\n"


def test_programs_that_look_readers_up_by_name_hold_them() -> None:
    # What is looked up by name is no part of the stage's own code, which is held anyway.
    reading = {s for s in CODED if "transfergrid.data.kinds" in code_of(s)}
    assert reading == {"prepare", "outlines", "observers", "subgroups", "shortcuts"}
    for stage in reading:
        (program,) = programs(STAGE[stage].written)
        text = (SCRIPTS / program).read_text()
        assert re.search(r"^ +(hold_readers?|rebuild_cache)\(", text, re.MULTILINE)


COMPILED = """
import sys
if sys.argv[1] == "hold":
    from transfergrid.planning.unchanged import hold_stage
    hold_stage("tune")
from transfergrid.training.choice import RULE
print(RULE.split()[0])
"""


def test_a_compiled_copy_of_other_text_is_not_imported(project: Path) -> None:
    choice = project / "src" / "transfergrid" / "training" / "choice.py"
    assert python(project, COMPILED, "plain") == "best\n"
    before = choice.stat()
    choice.write_text(choice.read_text().replace('"best', '"BEST'))
    os.utime(choice, ns=(before.st_atime_ns, before.st_mtime_ns))
    # Python trusts a compiled copy by size and time; what is held is the text.
    assert python(project, COMPILED, "plain") == "best\n"
    assert python(project, COMPILED, "hold") == "BEST\n"


def test_code_of_another_time_stops_a_job() -> None:
    now = hold_stage("statistics")
    assert hold_stage("statistics", now) == now
    with pytest.raises(UserError, match=rf"stage 'statistics' was edited .* \(0{{16}} then, {now}"):
        hold_stage("statistics", "0" * 16)


CODED = [stage.name for stage in STAGES if stage.code]
# What is imported before anything can be compared, or by the comparison itself.
FIRST = ("transfergrid.planning.", "transfergrid.runtime.", "transfergrid.catalog.")


@pytest.mark.parametrize("stage", CODED)
def test_programs_import_their_stages_code_after_the_comparison(stage: str) -> None:
    code = code_of(stage)
    (program,) = programs(STAGE[stage].written)
    first: set[str] = set()
    for name in fingerprint.closure([f"workflow/scripts:{program[:-3]}"]):
        path = SCRIPTS / f"{name.partition(':')[2]}.py"
        first |= {n for n in imported_first(path) if n in code}
    assert {name for name in first if not name.startswith(FIRST)} == set()


def code_of(stage: str) -> set[str]:
    more = ["data.table"] if stage == "prepare" else []
    return set(closure(f"transfergrid.{root}" for root in (*STAGE[stage].code, *more)))


# Only hand on what a note says; they read it in rooms that no stage of a cell may know.
HANDING_ON = {f"transfergrid.{room}.rebuild" for room in ("data", "evaluation", "models")}
# Calls the function that the stamp names, whose module is the stage's code, and seals its tables.
HANDING_ON |= {"transfergrid.reporting.tables.analysis"}

# Writes the index of all studies after a page: no result, which no stage reads.
HANDING_ON |= {"transfergrid.commands.index"}


@pytest.mark.parametrize("stage", CODED)
def test_all_that_a_program_makes_results_with_is_its_stages_code(stage: str) -> None:
    # evaluation.ahead signs the scores that training makes with evaluation's own fingerprint.
    code = code_of(stage) | (code_of("evaluate") if stage == "train" else set())
    scripts = [f"workflow/scripts:{p[:-3]}" for p in programs(STAGE[stage].written)]
    used = {name for script in closure(scripts) for name in imports_of(script.partition(":")[2])}
    assert {name for name in used - code - HANDING_ON if not name.startswith(FIRST)} == set()


def imports_of(script: str) -> set[str]:
    """Return the package's modules that a program imports itself, at its start or later."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((SCRIPTS / f"{script}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            found |= {n for n in names if (PROJECT / "src" / f"{n.replace('.', '/')}.py").is_file()}
    return found


def imported_first(path: Path) -> set[str]:
    """Return the package's modules that importing a program or a module imports."""
    found: set[str] = set()
    queue = [path]
    while queue:
        for node in ast.parse(queue.pop().read_text()).body:
            names = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            for name in names:
                file = PROJECT / "src" / (name.replace(".", "/") + ".py")
                if name not in found and file.is_file():
                    found.add(name)
                    queue.append(file)
    return found


UNSTAMPED = {"train", "tune", "features", "activations", "drift", "reset", "outlines", "external"}
"""Programs that compare their code with the name of what they make."""


def test_every_program_compares_before_it_waits() -> None:
    # The first of these calls in each program's text is a comparison.
    measured = ("hold_measured", "hold_weighing")
    holds = ("hold_stage", "hold_tuning", *measured, "read_stamp", "read_study")
    waits = "exclusive|bring_back_cache|ensure_weights|take_device|heartbeat|store_once"
    calls = rf"({'|'.join(holds)}|{waits})\("
    for path in SCRIPTS.glob("*.py"):
        body = path.read_text().partition("def main() -> None:")[2]
        found = re.findall(calls, body)
        if "--stamp" in body or path.stem in UNSTAMPED:
            assert found[0] in holds, path.name
    shared = (SCRIPTS / "noted_job.py").read_text()
    for name, first in zip(measured, ("hold_stage", "hold_measured"), strict=True):
        assert re.findall(calls, shared.partition(f"def {name}(")[2])[0] == first
