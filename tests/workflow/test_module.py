"""The workflow from its root, by workflow/Snakefile, and imported by another workflow: one run."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.workflow.conftest import Once, Workspace

from transfergrid.planning.paths import PROJECT

pytestmark = pytest.mark.slow
NOTHING = "Nothing to be done"
# Snakemake's defaults: no profile is read in the folders of these tests.
TRIGGERS = ("--rerun-triggers", "code", "input", "mtime", "params", "software-env")
# As snakedeploy writes it, but for the place of the file.
MODULE = """\
from snakemake.utils import min_version


min_version("6.10.0")


configfile: "config/config.yaml"


module transfergrid:
    snakefile:
        "{snakefile}"
    config:
        config


use rule * from transfergrid
"""
OWN = """

rule mine:
    output:
        "mine.txt",
    shell:
        "(shopt -o pipefail; echo ${{TRANSFERGRID-none}}; trap -p TERM) > {output}"


onstart:
    print("MINE STARTS")
"""


def importing(folder: Path, text: str = MODULE, snakefile: Path | None = None) -> Workspace:
    """Return a folder with a workflow that imports this one, and its config."""
    (folder / "workflow").mkdir(parents=True, exist_ok=True)
    file = folder / "workflow" / "Snakefile"
    text = text.replace("{snakefile}", str(snakefile or PROJECT / "workflow" / "Snakefile"))
    file.write_text(text)
    return Workspace(folder, snakefile=file)


def three(folder: Path, study: Path) -> dict[str, tuple[Workspace, str | None]]:
    """Return three ways to run a study in a folder: the workspace, and what `study` it takes."""
    (folder / "config").mkdir(exist_ok=True)
    if study != folder / "config" / "config.yaml":
        shutil.copy(study, folder / "config" / "config.yaml")
    root = Workspace(folder)
    return {
        "root": (root, "config/config.yaml"),
        "workflow": (replace(root, snakefile="workflow/Snakefile"), None),
        "module": (importing(folder), None),
    }


@pytest.fixture()
def copied(finished: Workspace, tmp_path: Path) -> Path:
    shutil.copytree(finished.folder, tmp_path / "copy", symlinks=True)
    return tmp_path / "copy"


@pytest.fixture(scope="session")
def by_module(once: Once) -> Workspace:
    """The study of .test, run by a workflow that imports this one and has a rule of its own."""

    def make(workspace: Workspace) -> None:
        shutil.copytree(PROJECT / ".test" / "config", workspace.folder / "config")
        own = importing(workspace.folder, MODULE + OWN)
        outcome = own.snakemake("all", "mine.txt", study=None)
        assert outcome.status == 0, outcome.text[-6000:]
        (workspace.folder / "told.txt").write_text(outcome.text)

    return once.run("by_module", make)


def test_what_the_root_has_run_the_others_find_done(finished: Workspace, copied: Path) -> None:
    for name, (workspace, study) in three(copied, copied / "study.yaml").items():
        outcome = workspace.snakemake("-n", *TRIGGERS, study=study)
        assert NOTHING in outcome.text, (name, outcome.text[-3000:])


def test_all_three_begin_with_the_same_jobs(tmp_path: Path) -> None:
    jobs = []
    for workspace, study in three(tmp_path, PROJECT / ".test" / "config" / "config.yaml").values():
        outcome = workspace.snakemake("-n", study=study)
        assert outcome.status == 0, outcome.text[-3000:]
        jobs.append(outcome.jobs)
    assert jobs[0]["train"] == 3 and jobs[0]["page"] == 1
    assert jobs[0] == jobs[1] == jobs[2]


def test_what_a_module_has_run_the_others_find_done(by_module: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(by_module.folder, folder, symlinks=True)
    for name, (workspace, study) in three(folder, folder / "config" / "config.yaml").items():
        outcome = workspace.snakemake("-n", *TRIGGERS, study=study)
        assert NOTHING in outcome.text, (name, outcome.text[-3000:])


def test_rules_of_the_importing_workflow_keep_their_shell_and_their_handlers(
    by_module: Workspace,
) -> None:
    told = (by_module.folder / "told.txt").read_text()
    assert "MINE STARTS" in told and "The page of" in told
    # Snakemake's own strict mode, and neither our variables nor our trap.
    assert (by_module.folder / "mine.txt").read_text().split() == ["pipefail", "on", "none"]


def test_what_a_run_does_at_its_start_it_does_in_a_module(by_module: Workspace) -> None:
    notes = by_module.folder / ".snakemake" / "transfergrid"
    assert list(notes.glob("untrained.*.json"))


def test_snakemake_writes_its_report_for_a_module(by_module: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(by_module.folder, folder, symlinks=True)
    outcome = importing(folder).snakemake("--report", folder / "report.html", study=None)
    assert outcome.status == 0, outcome.text[-3000:]
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "scores.csv" in text and "report.html" in text


def test_rules_may_be_imported_under_other_names(copied: Path) -> None:
    three(copied, copied / "study.yaml")
    renamed = importing(copied, MODULE.replace("transfergrid\n", "transfergrid as tg_*\n"))
    assert "as tg_*" in (copied / "workflow" / "Snakefile").read_text()
    outcome = renamed.snakemake("-n", study=None)
    assert NOTHING in outcome.text, outcome.text[-3000:]
    assert "localrules directive" not in outcome.text
    shutil.rmtree(copied / "results" / "cells")
    jobs = renamed.snakemake("-n", study=None).jobs
    assert jobs["tg_train"] == 5


def test_a_module_takes_the_config_that_it_is_given(tmp_path: Path) -> None:
    three(tmp_path, PROJECT / ".test" / "config" / "config.yaml")
    given = MODULE.replace("        config\n", '        dict(config, name="theirs")\n')
    workspace = importing(tmp_path, given)
    told = workspace.snakemake("-n", "--config", "name=mine", study=None).text
    assert "Writing the report of theirs" in told and "report of mine" not in told
    workspace = importing(tmp_path)
    told = workspace.snakemake("-n", "--config", "recipe={epochs: 2}", study=None)
    assert told.status == 0 and told.jobs["train"] == 3, told.text[-3000:]
    workspace.write({"name": "elsewhere"})
    told = workspace.snakemake("-n", "--config", "studies=study.yaml", study=None).text
    assert "Writing the report of elsewhere" in told and "report of test" not in told


@pytest.mark.parametrize(
    ("text", "words", "sentence"),
    [
        (
            MODULE.replace("    config:\n        config\n", ""),
            (),
            "has no config; write config: conf",
        ),
        (
            MODULE.replace("    config:\n", '    prefix:\n        "here"\n    config:\n'),
            (),
            "cannot be imported with prefix: or replace_prefix:, because its programs write to res",
        ),
        (
            MODULE,
            ("--configfile", "study.yaml"),
            "into one study; write the study into the first, or name study files with --config",
        ),
        (
            MODULE.replace("        config\n", '        dict(config, nmae="x")\n'),
            (),
            "config: the study has no setting 'nmae'",
        ),
    ],
)
def test_what_a_module_cannot_take_is_said(
    tmp_path: Path, text: str, words: tuple[str, ...], sentence: str
) -> None:
    three(tmp_path, PROJECT / ".test" / "config" / "config.yaml")
    workspace = importing(tmp_path, text)
    workspace.write()
    outcome = workspace.snakemake("-n", *words, study=None)
    assert outcome.status == 1
    assert sentence in outcome.text, outcome.text[-3000:]


def test_rules_of_another_version_than_the_package_are_refused(tmp_path: Path) -> None:
    three(tmp_path, PROJECT / ".test" / "config" / "config.yaml")
    shutil.copytree(PROJECT / "workflow", tmp_path / "other" / "workflow")
    snakefile = tmp_path / "other" / "workflow" / "Snakefile"
    same = importing(tmp_path, snakefile=snakefile).snakemake("-n", study=None)
    assert same.status == 0 and same.jobs["train"] == 3, same.text[-3000:]
    train = tmp_path / "other" / "workflow" / "rules" / "train.smk"
    train.write_text(train.read_text().replace("growing(720)", "growing(721)"))
    outcome = importing(tmp_path, snakefile=snakefile).snakemake("-n", study=None)
    assert outcome.status == 1
    assert "train.smk of this workflow is not that of the package transfergrid" in outcome.text


def test_a_package_that_is_missing_is_named(tmp_path: Path) -> None:
    three(tmp_path, PROJECT / ".test" / "config" / "config.yaml")
    (tmp_path / "transfergrid.py").write_text("raise ModuleNotFoundError('as if not there')\n")
    outcome = importing(tmp_path).snakemake("-n", study=None)
    assert outcome.status == 1
    assert "The Python package transfergrid is not installed for" in outcome.text
    assert "Traceback" not in outcome.text
