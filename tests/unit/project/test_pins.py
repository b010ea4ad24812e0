"""pyproject.toml, the lock and the conda file say the same."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
ENVS = ROOT / "envs"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCK = (ENVS / "requirements.lock").read_text()
CONDA = yaml.safe_load((ENVS / "transfergrid.yaml").read_text())
LINE = re.compile(
    r"([a-z0-9]+(?:-[a-z0-9]+)*)==([0-9][0-9a-z.]*)( ; platform_system == \"Linux\")?"
)


def program(name: str) -> ModuleType:
    """Load a program of envs/ as a module."""
    found = importlib.util.spec_from_file_location(name, ENVS / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pins(requirements: list[str]) -> dict[str, str]:
    return {Requirement(line).name: str(Requirement(line).specifier)[2:] for line in requirements}


LOCKED = pins(lines(LOCK))


def needed() -> list[Requirement]:
    words = PROJECT["dependencies"] + [
        word for name in program("lock").EXTRAS for word in EXTRAS[name]
    ]
    return [Requirement(word) for word in words]


def test_every_line_of_the_lock_is_one_exact_pin():
    for line in lines(LOCK):
        assert LINE.fullmatch(line), f"{line!r} is not name==version"
    assert len(LOCKED) == len(lines(LOCK)), "a package is pinned twice"


def test_the_lock_covers_what_pyproject_declares():
    for requirement in needed():
        name = canonicalize_name(requirement.name)
        assert name in LOCKED, f"{name} is in pyproject.toml but not in the lock: run make lock"
        assert requirement.specifier.contains(LOCKED[name]), (
            f"the lock has {name} {LOCKED[name]}, pyproject.toml wants {requirement.specifier}"
        )


def test_every_extra_is_locked_but_the_benchmarks_peers_which_are_pinned():
    others = ("audit", "bench", "deploy", "docs", "validators")
    assert set(EXTRAS) == {*program("lock").EXTRAS, *others}
    for word in (word for name in others for word in EXTRAS[name]):
        assert re.fullmatch(r"[A-Za-z-]+==[0-9.]+(post[0-9]+)?", word)


OTHERWISE = {"mlflow": "mlflow-skinny"}
"""Packages that need not be installed, by the name under which they are imported."""


def imported(*folders: str) -> set[str]:
    """Return the distributions that the Python files below some folders import."""
    distributions = metadata.packages_distributions()
    names = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    ours = {"transfergrid", "tests", *(path.stem for path in (ROOT / "tests").iterdir())}
    for folder in ("benchmarks", "workflow/scripts"):
        ours |= {path.stem for path in (ROOT / folder).glob("*.py")}
    return {
        canonicalize_name(distribution)
        for name in names - ours - set(sys.stdlib_module_names)
        for distribution in distributions.get(name, [OTHERWISE.get(name, name)])
    }


@pytest.mark.parametrize(
    ("folders", "extras"),
    [
        (["src", "workflow"], ["demo", "dicom", "nifti", "validators"]),
        (["envs", "tests"], ["demo", "dicom", "nifti", "test", "validators"]),
        (["benchmarks"], ["demo", "test", "bench"]),
    ],
)
def test_every_package_that_is_imported_is_declared(folders, extras):
    words = PROJECT["dependencies"] + [word for extra in extras for word in EXTRAS[extra]]
    declared = {canonicalize_name(Requirement(word).name) for word in words}
    assert imported(*folders) <= declared


def test_versions_chosen_by_hand_are_in_the_lock():
    chosen = pins(lines((ENVS / "requirements.in").read_text()))
    assert {"torch", "torchvision", "timm", "snakemake"} <= set(chosen)
    for name, version in chosen.items():
        assert LOCKED[name] == version


def test_the_environment_is_the_locked_one():
    here = default_environment()
    for line in lines(LOCK):
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(here):
            installed = metadata.version(requirement.name)
            assert installed == LOCKED[requirement.name], (
                f"{requirement.name} {installed} is installed, the lock has "
                f"{LOCKED[requirement.name]}: run make env"
            )


def test_the_lock_is_closed_and_holds_nothing_that_nobody_needs():
    waiting = [(requirement.name, requirement.extras) for requirement in needed()]
    reached: set[tuple[str, str]] = set()
    while waiting:
        name, extras = waiting.pop()
        for extra in {"", *extras}:
            if (canonicalize_name(name), extra) in reached:
                continue
            reached.add((canonicalize_name(name), extra))
            for word in metadata.requires(name) or []:
                requirement = Requirement(word)
                if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                    waiting.append((requirement.name, requirement.extras))
    names = {name for name, _ in reached}
    applicable = {
        requirement.name
        for requirement in map(Requirement, lines(LOCK))
        if requirement.marker is None or requirement.marker.evaluate()
    }
    assert names == applicable


@pytest.mark.parametrize("package", ["torch", "numpy", "pandas", "snakemake", "pytest", "ruff"])
def test_common_packages_carry_no_marker(package):
    assert f"{package}=={LOCKED[package]}" in lines(LOCK)


def test_libraries_for_nvidia_are_for_linux_alone():
    for line in lines(LOCK):
        if line.startswith(("nvidia-", "cuda-", "triton")):
            assert line.endswith('; platform_system == "Linux"')


def test_the_lock_and_the_conda_file_agree():
    (pip,) = [item["pip"] for item in CONDA["dependencies"] if isinstance(item, dict)]
    for line in pip:
        assert line in lines(LOCK), (
            f"{line} is in the conda file and not in the lock: run make lock"
        )
    for word in PROJECT["dependencies"] + EXTRAS["demo"] + EXTRAS["dicom"] + EXTRAS["nifti"]:
        assert canonicalize_name(Requirement(word).name) in pins(pip)
    assert not {"pytest", "ruff", "mypy"} & set(pins(pip))


def test_the_conda_file_is_the_exported_one():
    assert program("export_conda").conda_text(LOCK) == (ENVS / "transfergrid.yaml").read_text()


def test_a_lock_without_its_sections_is_refused():
    with pytest.raises(ValueError, match="has no section '# demo'"):
        program("export_conda").conda_text(LOCK.replace("# demo\n", "# other\n"))


def test_one_version_of_python():
    assert "python=3.11" in CONDA["dependencies"]
    assert program("lock").PYTHON == "3.11"
    assert PROJECT["requires-python"] == ">=3.11"
    assert "for Python 3.11" in LOCK.splitlines()[0]


def test_nothing_ties_the_environment_to_one_machine():
    for path in (ENVS / "requirements.lock", ENVS / "requirements.in", ENVS / "transfergrid.yaml"):
        for word in ("://", "--", " @ ", "-e ", "file:"):
            assert not any(word in line for line in lines(path.read_text()))
