"""Any file of a finished study may be lost: `-n` and `plan` notice, and the next run mends it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from tests.workflow.conftest import Workspace

from transfergrid.commands.plan import job_counts, report, survey
from transfergrid.planning.outputs import is_expendable, made_files
from transfergrid.planning.plan import Plan, plan_run

pytestmark = pytest.mark.slow
RESULTS = Path("results")


@pytest.fixture()
def copied(tuned: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    shutil.copytree(tuned.folder, tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(tmp_path / "copy")
    return Workspace(tmp_path / "copy")


def planned() -> Plan:
    return plan_run([Path("study.yaml")], {})


def files() -> set[str]:
    found = {str(p.relative_to(RESULTS)) for p in RESULTS.rglob("*") if p.is_file()}
    return {name for name in found if not is_expendable(name)}


def told(plan: Plan) -> tuple[dict[str, int], str]:
    seen = survey(plan)
    return job_counts(seen), "\n".join(report(seen))


def test_every_file_is_in_the_list_and_missed_by_plan(copied: Workspace) -> None:
    plan = planned()
    makers = {name: made.rule for made in made_files(plan, RESULTS) for name in made.files}
    assert files() == set(makers)
    assert told(plan)[0] == {}
    for name, rule in makers.items():
        path, aside = RESULTS / name, Path("aside")
        path.rename(aside)
        jobs, text = told(plan)
        aside.rename(path)
        # A stamp costs nothing and is not counted; what is made of it is.
        moved = name.startswith("stamps/") and ".location." in name
        assert moved or jobs.get(rule, 0) >= 1 or (rule == "stamp" and jobs), name
        if makers[name] == "restore":
            assert jobs == {"restore": 1}
            assert f"lost and restored from the copy that training left: {name}" in text


def test_the_page_waits_for_a_figure_that_was_lost(copied: Workspace) -> None:
    figure = RESULTS / "small" / "figures" / "score.svg"
    figure.unlink()
    told = copied.snakemake("-n").text
    assert re.search(rf"Writing the report of small\nReason: [^\n]*{re.escape(str(figure))}", told)
    outcome = copied.snakemake()
    assert outcome.status == 0, outcome.text[-6000:]
    assert outcome.jobs == {"figure": 1, "page": 1} and figure.is_file()
    assert "Nothing to be done" in copied.snakemake("-n").text


TIMED = (
    *("report.html", "train.json", "tables/cells.csv", "tables/costs.csv"),
    *("receipts/costs.json", "receipts/report.json"),
)
"""Files that hold times, and the receipts of such."""


def one_of_each_kind(plan: Plan) -> dict[str, str]:
    """Return a file of each kind and the rule that makes it: of one cell, and restored ones of all.

    A training that is asked to write train.json again writes its other records as well.
    """
    kinds: dict[str, tuple[str, str]] = {}
    for made in made_files(plan, RESULTS):
        for name in made.files:
            kind = re.sub(r"[^/]+-[0-9a-f]{8}", "*", name)
            if made.rule == "restore":
                kinds[kind] = (name, made.rule)
            elif made.rule != "stamp":
                kinds.setdefault(kind, (name, made.rule))
    return dict(kinds.values())


def test_one_of_each_kind_is_mended_in_one_run(copied: Workspace) -> None:
    plan = planned()
    lost = one_of_each_kind(plan)
    before = {name: (RESULTS / name).read_bytes() for name in lost}
    for name in lost:
        (RESULTS / name).unlink()
    expected, _ = told(plan)
    outcome = copied.snakemake()
    assert outcome.status == 0, outcome.text[-6000:]
    assert "lost and restored from the copy that training left" in outcome.text
    jobs = dict(outcome.jobs)
    jobs.pop("stamp", None)
    assert jobs == expected
    # The receipt that lists the figures is lost as well, so the stage draws all of them.
    assert set(lost.values()) - {"figure"} <= set(jobs)
    for name, content in before.items():
        timed = name.endswith(TIMED)
        assert timed or (RESULTS / name).read_bytes() == content, name
    assert told(plan)[0] == {}
    assert "Nothing to be done" in copied.snakemake("-n").text
