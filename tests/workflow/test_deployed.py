"""A workflow that snakedeploy writes, and a package that is installed without the clone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.workflow.conftest import Outcome, Workspace
from tests.workflow.places import copy_project
from tests.workflow.test_module import importing

from transfergrid.planning.paths import PROJECT

pytestmark = pytest.mark.slow
SNAKEDEPLOY = PROJECT / "build" / "snakedeploy" / "bin" / "snakedeploy"
HOME = "transfergrid_home"


def clone(folder: Path) -> Path:
    """Return a copy of what a clone has that is deployed or installed."""
    copy_project(folder)
    for name in ("config", "studies"):
        shutil.copytree(PROJECT / name, folder / name)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy2(PROJECT / name, folder / name)
    return folder


@pytest.mark.skipif(
    not SNAKEDEPLOY.is_file(),
    reason="no snakedeploy: `make build/snakedeploy/installed` puts it there, from a package index",
)
def test_what_snakedeploy_writes_runs(tmp_path: Path) -> None:
    source, target = clone(tmp_path / "transfergrid"), tmp_path / "deployed"
    words = [SNAKEDEPLOY, "deploy-workflow", source, target, "--tag", "v0.1.0"]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (target / "config" / "config.yaml").read_bytes() == (
        PROJECT / "config.yaml"
    ).read_bytes()
    assert (target / "config" / "README.md").is_file()
    assert (target / "profiles" / "default" / "profile.yaml").is_file()
    # Of a local source snakedeploy 0.17.1 writes a path relative to the file that it writes:
    # Snakemake would look for workflow/workflow/Snakefile. Of a repository on a host of code it
    # writes github(...) in this place.
    file = target / "workflow" / "Snakefile"
    written = file.read_text()
    assert written.count('"workflow/Snakefile"') == 1
    file.write_text(written.replace('"workflow/Snakefile"', f'"{source}/workflow/Snakefile"'))
    outcome = Workspace(target, snakefile=file).snakemake("-n", study=None)
    assert outcome.status == 0, outcome.text[-3000:]
    direct = Workspace(tmp_path).snakemake("-n", study=str(PROJECT / "config.yaml"))
    assert outcome.jobs == direct.jobs and direct.jobs["train"] > 20


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like site-packages, with the files of the project's wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    source = clone(folder / "clone")
    words = [sys.executable, "-m", "pip", "wheel", source, "--no-deps", "--no-build-isolation"]
    words += ["--no-index", "--quiet", "--disable-pip-version-check", "--wheel-dir", folder]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("transfergrid-*.whl")
    with zipfile.ZipFile(wheel) as files:
        files.extractall(folder / "site")
    shutil.rmtree(source)
    return folder / "site"


def test_an_installed_package_has_the_workflow_with_it(installed: Path) -> None:
    (line,) = (installed / "transfergrid.pth").read_text().splitlines()
    assert (installed / line / "transfergrid" / "__init__.py").is_file()
    for name in ("workflow", "resources", "config", "envs"):
        here = {path.relative_to(PROJECT) for path in (PROJECT / name).rglob("*.*")}
        there = {path.relative_to(installed / HOME) for path in (installed / HOME).rglob("*.*")}
        assert {path for path in here if "__pycache__" not in path.parts} <= there
    # Python itself puts the line on its path.
    program = (
        "import site, sys; site.addsitedir(sys.argv[1]); import transfergrid.planning.paths as p"
    )
    program = f"{program}; print(p.PROJECT)"
    words = [sys.executable, "-S", "-c", program, str(installed)]
    found = subprocess.run(words, capture_output=True, text=True, check=True, env={})
    assert Path(found.stdout.strip()) == installed / HOME


def test_a_module_runs_with_an_installed_package_alone(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(PROJECT / ".test" / "config", tmp_path / "config")
    workspace = importing(tmp_path)
    command = workspace.command("results/test/report.html", "--until", "prepare", study=None)
    command["env"] = {**os.environ, "PYTHONPATH": str(installed / HOME / "src")}
    done = subprocess.run(**command, capture_output=True, timeout=600)
    outcome = Outcome(done.returncode, done.stdout + done.stderr)
    assert outcome.status == 0, outcome.text[-3000:]
    assert outcome.jobs["prepare"] == 2
    assert len(list((tmp_path / "results" / "cache").glob("*/receipt.json"))) == 2
