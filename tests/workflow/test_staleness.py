"""What is stale after which change: the exact jobs, however Snakemake is asked."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from small_study import SMALL
from tests.workflow.conftest import Once, Workspace
from tests.workflow.places import (
    ANALYSIS,
    CELLS,
    ENSEMBLED,
    EVERYTHING,
    FILMS,
    OURS,
    OWN,
    REDONE,
    RULES,
    SOURCE,
    Jobs,
    Place,
    after,
    analysed,
    copy_project,
    draw_images,
    follow,
    grid,
    like,
    new_cells,
    stamped,
    trained,
    union,
)

pytestmark = pytest.mark.slow

TRIGGERS = ("mtime", "params", "input", "software-env", "code")
MADE = ("spec", "train")


@pytest.fixture(scope="module")
def base(finished: Workspace, once: Once) -> Workspace:
    """The small study with a data set of files beside the drawn ones, run to its end."""

    def make(workspace: Workspace) -> None:
        shutil.copytree(finished.folder, workspace.folder, symlinks=True)
        draw_images(workspace.folder / "data")
        workspace.write(OURS)
        outcome = workspace.snakemake()
        assert outcome.status == 0, outcome.text[-6000:]

    return once.run("base", make)


@dataclass(frozen=True)
class Row:
    """A change and the jobs that it makes necessary.

    Attributes:
        change: Makes it.
        expected: The jobs.
        bare: The jobs where Snakemake's records are gone as well, if they differ: without them it
            goes by times alone. Given as rules that may run for anything, beside `expected`.
        records: More jobs where Snakemake compares with its own records and was asked to.
    """

    change: Callable[[Place], object]
    expected: Jobs = frozenset()
    bare: tuple[str, ...] = ()
    records: Jobs = frozenset()


def touch(place: Place, reverse: bool = False) -> None:
    files = sorted(path for path in place.results.rglob("*") if path.is_file())
    for age, path in enumerate(reversed(files) if reverse else files):
        os.utime(path, (2e9 + age, 2e9 + age))


def move_data(place: Place) -> None:
    (place.folder / "data").rename(place.folder / "elsewhere")
    ours = {**OURS["datasets"]["ours"], "root": "elsewhere"}
    place.study({"datasets": {"ours": ours}})


def swap_label(place: Place) -> None:
    table = place.folder / "data" / "labels.csv"
    table.write_text(table.read_text().replace("\n1.png,0", "\n1.png,1"))


def delete_cache_and_add_a_seed(place: Place) -> None:
    shutil.rmtree(place.results / "cache")
    place.study(grid(seeds=[0, 1]))


def free_checkpoints(place: Place) -> None:
    for label in FILMS:
        shutil.rmtree(place.cell(label) / "checkpoints")
        (place.cell(label) / "receipts" / "train.json").unlink()


def free_and_edit_evaluation(place: Place) -> None:
    free_checkpoints(place)
    place.code("src/transfergrid/evaluation/predict.py", "2**32", "2**31")


def reformat(place: Place) -> None:
    project = place.workspace.project
    for path in [*(project / "src").rglob("*.py"), *(project / "workflow").rglob("*.py")]:
        text = path.read_text().replace("\nfrom __future__", "\n\n# A comment.\n\nfrom __future__")
        path.write_text(text.replace("(\n", "(  # why\n").replace('"""Return', '"""Give back'))


def analysis(**changes: Any) -> dict[str, Any]:
    return {"evaluation": {**SMALL["evaluation"], **changes}}


TRAIN, REPORT = "workflow/rules/train.smk", "workflow/report/"
CATALOG, FIGURES = "src/transfergrid/catalog/", "src/transfergrid/reporting/figures/"
SCORED = frozenset(("evaluate", cell) for cell in CELLS)
OTHERS = SMALL["questions"][1:]
ROWS = {
    "nothing": Row(lambda p: None),
    "learning rate of a protocol": Row(
        lambda p: p.study({"protocols": {"finetune": {"learning_rate": 3e-3}}}),
        new_cells(FILMS | OWN),
    ),
    "norms of a protocol's phases": Row(
        lambda p: p.study({"protocols": {"finetune": {"norms": "frozen"}}}),
        new_cells(FILMS | OWN),
    ),
    "two settings swapped": Row(
        lambda p: p.study({"recipe": {"learning_rate": 1e-4, "weight_decay": 1e-3}}), EVERYTHING
    ),
    "a setting of the source": Row(
        lambda p: p.study({"protocols": {"source": {"epochs": 1}}}),
        new_cells(SOURCE | {cell for cell in FILMS if "-textures-" in cell}),
    ),
    "a network more": Row(
        lambda p: p.study(grid(architectures=["lcnet_050", "mobilenetv3_small_050"])),
        new_cells(like(FILMS | SOURCE, "lcnet_050", "mobilenetv3_small_050")),
    ),
    "a pretraining less": Row(lambda p: p.study(grid(pretrainings=["random"])), REDONE),
    "a seed more": Row(
        lambda p: p.study(grid(seeds=[0, 1])), new_cells(like(FILMS | SOURCE, "seed0", "seed1"))
    ),
    "a cell less": Row(lambda p: p.study({"grid": SMALL["grid"]}), REDONE),
    "a cell's folder gone": Row(
        lambda p: shutil.rmtree(p.cell(min(OWN))),
        union(trained(OWN), ENSEMBLED, analysed()),
    ),
    "bootstrap replicates": Row(
        lambda p: p.study(analysis(bootstrap={"replicates": 101})),
        union(stamped("bootstrap", "statistics", "report"), follow("bootstrap", "statistics")),
    ),
    "the ensemble's k": Row(
        lambda p: p.study(analysis(selections=["best", "top2"])),
        union(
            stamped("ensembles", "cells", "scores", "statistics", "report"), ENSEMBLED, analysed()
        ),
    ),
    "one question": Row(
        lambda p: p.study({"questions": [SMALL["questions"][0] | {"margin": 0.02}, *OTHERS]}),
        union(stamped("statistics", "report"), follow("statistics")),
    ),
    "a question less": Row(
        lambda p: p.study({"questions": SMALL["questions"][:2]}),
        union(stamped("statistics", "report"), follow("statistics")),
    ),
    "groups that are asked for later": Row(
        lambda p: p.study({"subgroups": [{"column": "sex", "datasets": ["films"]}]}),
        union(
            stamped("subgroups", "shortcuts", "costs", "figures", "report"),
            analysed("subgroups", "shortcuts", "costs", "figures", "report"),
        ),
    ),
    "the title": Row(
        lambda p: p.study({"title": "T"}), union(stamped("report"), analysed("report"))
    ),
    "a table's caption": Row(
        lambda p: p.code(CATALOG + "measured.py", "caption=(", 'caption=("A "'),
        union(stamped("report"), analysed("report")),
    ),
    "a figure's caption": Row(
        lambda p: p.code(FIGURES + "score.py", "    return (\n", '    return "A " + (\n'),
        union(stamped("figures"), follow("figures")),
    ),
    "a figure's colour": Row(
        lambda p: p.code(FIGURES + "forest.py", "markersize=7.5", "markersize=8"),
        union(stamped("figures"), follow("figures")),
    ),
    "a table of its own": Row(
        lambda p: p.code("src/transfergrid/reporting/tables/bootstrap.py", "ddof=1", "ddof=0"),
        union(stamped("bootstrap"), follow("bootstrap")),
    ),
    "the page's style": Row(
        lambda p: p.code(REPORT + "page.css", "{", "{ "),
        union(stamped("report"), analysed("report")),
    ),
    "every file touched": Row(touch, bare=("evaluate", "ensembles")),
    "every file touched in reverse": Row(
        lambda p: touch(p, reverse=True), bare=("prepare", "spec", "evaluate", "ensembles")
    ),
    "data moved": Row(move_data, stamped("ours.location")),
    "the cache gone": Row(lambda p: shutil.rmtree(p.results / "cache")),
    "the cache gone and a seed more": Row(
        delete_cache_and_add_a_seed,
        new_cells(
            like(FILMS | SOURCE, "seed0", "seed1"),
            frozenset({("prepare", "films"), ("prepare", "textures")}),
        ),
    ),
    "one label": Row(
        swap_label, new_cells(OWN, frozenset({("prepare", "ours")}), stamped("ours.location"))
    ),
    "layout, comments and docstrings": Row(reformat),
    "the trainer": Row(
        lambda p: p.code("src/transfergrid/training/loop.py", "clamp(min=1)", "clamp(min=2)"),
        EVERYTHING,
    ),
    "a kind of task": Row(
        lambda p: p.code("src/transfergrid/tasks/learn/multiclass.py", "(dim=1)", "(dim=-1)"),
        new_cells(SOURCE | {cell for cell in FILMS if "-textures-" in cell}),
    ),
    "the primary metric of all": Row(
        lambda p: p.code("src/transfergrid/metrics/auroc.py", "(2.0 * pairs)", "(pairs * 2.0)"),
        EVERYTHING,
    ),
    "a metric that nothing asks for": Row(
        lambda p: p.code("src/transfergrid/metrics/brier.py", "** 2,", "** 2.0,"),
    ),
    "a metric beside the primary one": Row(
        lambda p: p.study(analysis(metrics=["brier"])),
        union(stamped("scores", "figures", "report"), follow("scores")),
    ),
    "another primary metric": Row(
        lambda p: p.study({"datasets": {**OURS["datasets"], "films": {"metric": "brier"}}}),
        new_cells(FILMS),
    ),
    "train's command": Row(
        lambda p: p.code(TRAIN, "train.py --spec", "train.py --gpus 0 --spec"), EVERYTHING
    ),
    "a blank more in train's command": Row(
        lambda p: p.code(TRAIN, "train.py --spec", "train.py  --spec"),
        # Its own comparison of commands is by the letter, which is why our profile has it off.
        records=union(frozenset(("train", cell) for cell in CELLS), SCORED, ENSEMBLED, analysed()),
    ),
    "train's program": Row(
        lambda p: p.code("workflow/scripts/train.py", "stop_on_signals()", "stop_on_signals"),
        EVERYTHING,
    ),
    "the scorer": Row(
        lambda p: p.code("src/transfergrid/evaluation/predict.py", "2**32", "2**31"),
        union(SCORED, ENSEMBLED, analysed(), stamped("code.evaluate")),
    ),
    "checkpoints freed": Row(free_checkpoints),
    "checkpoints freed and the scorer": Row(
        free_and_edit_evaluation,
        union(
            SCORED,
            ENSEMBLED,
            analysed(),
            stamped("code.evaluate"),
            frozenset(("train", cell) for cell in FILMS),
        ),
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_change_makes_stale_what_it_must(base: Workspace, tmp_path: Path, name: str) -> None:
    row = ROWS[name]

    def ask(records: bool) -> list[tuple[str, Jobs]]:
        folder = tmp_path / ("with" if records else "without")
        shutil.copytree(base.folder, folder / "run", symlinks=True)
        place = Place(Workspace(folder / "run", copy_project(folder / "project")))
        if not records:
            shutil.rmtree(place.folder / ".snakemake")
        row.change(place)
        asked = {"ours": (), "Snakemake's": ("--rerun-triggers", *TRIGGERS)}
        return [
            (f"{triggers} triggers, {'with' if records else 'without'} records", place.jobs(*words))
            for triggers, words in asked.items()
        ]

    with ThreadPoolExecutor(2) as pool:
        answers = list(chain(*pool.map(ask, (True, False))))
    for how, jobs in answers:
        # The copy's data lie elsewhere, which is noted and makes nothing stale.
        jobs -= stamped("ours.location") - row.expected
        extra = jobs - row.expected
        if how == "Snakemake's triggers, with records":
            extra -= row.records
        if row.bare and "without" in how:
            allowed = {*row.bare, *(RULES.get(stage, stage) for stage in ANALYSIS)}
            extra = frozenset(job for job in extra if job[0] not in allowed)
        assert not extra, f"{how}: runs {sorted(extra)} for nothing"
        missed = row.expected - jobs
        assert not missed, f"{how}: does not run {sorted(missed)}"


def test_a_change_that_is_taken_back_finds_its_cells_again(base: Workspace, tmp_path: Path) -> None:
    shutil.copytree(base.folder, tmp_path / "run", symlinks=True)
    place = Place(Workspace(tmp_path / "run"))
    own = dict(OURS["grid"][1], protocols=["brief"])
    place.study({"protocols": {"brief": {"epochs": 2}}, "grid": [OURS["grid"][0], own]})
    outcome = place.workspace.snakemake()
    assert outcome.status == 0, outcome.text[-3000:]
    assert outcome.jobs["train"] == 1
    place.study()
    assert place.jobs() - stamped("ours.location") == REDONE
    assert place.workspace.snakemake().status == 0
    assert place.jobs() == frozenset()


@pytest.mark.parametrize("rule", ["train", "statistics"])
def test_a_rule_can_be_forced(base: Workspace, tmp_path: Path, rule: str) -> None:
    shutil.copytree(base.folder, tmp_path / "run", symlinks=True)
    place = Place(Workspace(tmp_path / "run"))
    counts = place.workspace.snakemake("-n", "--forcerun", rule).jobs - Counter({"stamp": 1})
    stages = ANALYSIS if rule == "train" else after(rule)
    downstream = dict.fromkeys([RULES[stage] for stage in stages], 1)
    if rule == "train":
        # Two cells have a source, and their specifications wait for it.
        downstream |= {"train": 6, "evaluate": 6, "ensembles": 1, "spec": 2}
    assert counts == downstream
    (cell,) = OWN
    folder = place.cell(cell)
    before = (folder / "train.json").read_bytes(), (folder / "receipts/train.json").read_bytes()
    target = f"results/cells/{folder.name}/train.json"
    outcome = place.workspace.snakemake(target, "--forcerun", "train", "--until", "train")
    assert outcome.status == 0
    # Trained indeed (it took another time), and to the same bits.
    assert (folder / "train.json").read_bytes() != before[0]
    assert (folder / "receipts/train.json").read_bytes() == before[1]


def test_trials_are_shared_by_seeds_and_kept_where_they_can_be(
    base: Workspace, tmp_path: Path
) -> None:
    shutil.copytree(base.folder, tmp_path / "run", symlinks=True)
    place = Place(Workspace(tmp_path / "run"))

    def write(rates: list[float], seeds: list[int]) -> Jobs:
        tuned = {"tune": {"learning_rates": rates, "epochs": 1, "holdout": 0.3}}
        own = {**OURS["grid"][1], "protocols": ["tuned"], "seeds": seeds}
        place.study({"protocols": {"tuned": tuned}, "grid": [OURS["grid"][0], own]})
        return frozenset(job for job in place.jobs() if job[0] in ("spec", "train", "tune"))

    def made(*cells: str) -> Jobs:
        return frozenset((rule, f"ours-lcnet_050-random-drop0-{c}") for c in cells for rule in MADE)

    chosen = frozenset({("tune", "ours-lcnet_050-random-drop0-tuned")})
    one, two, three = (f"trial.lr{rate}-seed0" for rate in ("0.001", "0.01", "0.03"))
    assert write([1e-3, 1e-2], [0]) == made("tuned-seed0", one, two) | chosen
    outcome = place.workspace.snakemake()
    assert outcome.status == 0, outcome.text[-3000:]
    assert place.jobs() == frozenset()
    assert not (place.cell("ours-lcnet_050-random-drop0-" + one) / "scores").exists()
    assert write([1e-3, 1e-2], [0, 1]) == made("tuned-seed1")
    # Another grid of rates is another choice; trials that it shares with the old one are there.
    assert write([1e-3, 1e-2, 3e-2], [0]) == made("tuned-seed0", three) | chosen
