"""A bare workflow of the same jobs and files as a plan's: what Snakemake itself costs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from made_grid import STUDY

from transfergrid.planning.outputs import files_of, inputs_of, mark_of, scores_of, shard_mark
from transfergrid.planning.plan import Plan
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.specs import needs_of, spec_jobs
from transfergrid.runtime.atomic import write_json

BARE = '''
"""A workflow of the same jobs and files, its inputs plain lists: what Snakemake itself costs."""

import atexit
import gc
import json

# As TransferGrid does, so that what is compared is the workflow.
gc.set_threshold(50_000)
atexit.register(gc.freeze)

with open("lists.json") as file:
    LISTS = json.load(file)


rule all:
    input: LISTS["leaves"]


rule stamp:
    output: "results/stamps/{stamp}"
    shell: "touch {output}"


rule prepare:
    output: "results/cache/{dataset}/receipt.json"
    shell: "touch {output}"


for job in LISTS["specs"]:

    rule:
        name: job["rule"]
        input: ancient(job["inputs"])
        output: job["outputs"]
        shell: "touch {output}"


rule spec:
    input: lambda wildcards: ancient(LISTS["alone"][wildcards.cell])
    output: "results/cells/{cell}/spec.json"
    wildcard_constraints: cell=LISTS["pattern"]
    shell: "touch {output}"


rule train:
    input: ancient("results/cells/{cell}/spec.json")
    output: "results/cells/{cell}/train.json", "results/cells/{cell}/receipts/train.json"
    shell: "touch {output}"


rule evaluate:
    input: "results/cells/{cell}/receipts/train.json", LISTS["evaluate"]
    output:
        "results/cells/{cell}/scores/valid.npz",
        "results/cells/{cell}/scores/test.npz",
        "results/cells/{cell}/receipts/evaluate.json",
    shell: "touch {output}"


for stage in LISTS["stages"]:

    rule:
        name: stage["rule"]
        input: stage["inputs"]
        output: stage["outputs"]
        shell: "touch {output}"
'''


def write_bare(folder: Path, plan: Plan, trained: bool = False) -> None:
    """Write a Snakefile of the same jobs and files as the plan's, without the library.

    Args:
        folder: Where to.
        plan: The plan.
        trained: Whether its cells are trained, so that no specification is to be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (planned,) = plan.studies.values()
    specs = spec_jobs(plan, () if trained else plan.cells)
    whole = [stage for stage in planned.stages if stage.per == "study"]
    stages = [
        _job(planned, s.rule_name, s.name, inputs_of(planned, s), files_of(STUDY, s)) for s in whole
    ]
    stages += [
        _job(
            planned,
            f"ensembles_{shard}",
            "ensembles",
            scores_of(cells),
            [shard_mark(planned, shard)],
        )
        for shard, cells in planned.shards.items()
    ]
    lists = {
        "evaluate": f"results/stamps/{plan.evaluate_stamp[0]}",
        "specs": [
            {"rule": job.rule, "inputs": _placed(job.needs), "outputs": _placed(job.files)}
            for job in specs.together
        ],
        "alone": {name: _placed(needs_of(plan.cells[name])) for name in specs.alone},
        "pattern": specs.pattern,
        "stages": stages,
        "leaves": _placed(
            [*(f"stamps/{s}" for s in plan.stamps), *(mark_of(STUDY, s) for s in whole)]
        ),
    }
    write_json(folder / "lists.json", lists)
    (folder / "Snakefile").write_text(BARE.lstrip(), encoding="utf-8")


def _job(
    study: PlannedStudy, rule: str, stage: str, inputs: Iterable[str], outputs: Iterable[str]
) -> dict[str, Any]:
    stamp = f"stamps/{study.stamps[stage][0]}"
    return {"rule": rule, "inputs": _placed([stamp, *inputs]), "outputs": _placed(outputs)}


def _placed(names: Iterable[str]) -> list[str]:
    return [f"results/{name}" for name in names]


def mirror(made: Path, bare: Path) -> None:
    """Give the bare workflow files of the same names and times, empty."""
    for path in _files(made / "results"):
        copy = bare / path.relative_to(made)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.touch()
        times = path.stat()
        os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))


def _files(folder: Path) -> Iterable[Path]:
    return (Path(root, name) for root, _, names in os.walk(folder) for name in names)
