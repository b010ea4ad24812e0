"""The plan of this run, and what several rules share."""

import shlex
import sys
from pathlib import Path

from transfergrid.planning import plan as planning
from transfergrid.runtime.errors import UserError

try:
    PLAN = planning.plan_run(workflow.overwrite_configfiles, workflow.config_settings.config)
except UserError as error:
    raise WorkflowError(str(error)) from None

SCRATCH = Path(".snakemake") / "transfergrid"
PLAN.write_scratch(SCRATCH)
for sentence in PLAN.warnings:
    logger.warning(f"Warning: {sentence}")

# Neither is part of a cell's identity, and neither is tracked: a GPU may do what a CPU began.
DEVICES = {study.study.config["device"] for study in PLAN.studies.values()}
GPUS = int(DEVICES != {"cpu"})

# What depends on the machine goes in front of every command and so stays out of the rules' text,
# which Snakemake compares. A conda environment holds what the library needs, not the library;
# otherwise programs run with the interpreter that runs Snakemake, activated or not.
USES_CONDA = any(
    str(method) == "conda" for method in workflow.deployment_settings.deployment_method
)
ROOT = Path(workflow.basedir)
PREFIX = [
    f"TRANSFERGRID={shlex.quote(str(ROOT / 'workflow' / 'scripts'))}",
    f"TRANSFERGRID_DEVICE={'cuda' if DEVICES == {'cuda'} else 'auto'}",
    (
        f"PYTHONPATH={shlex.quote(str(ROOT / 'src'))}:$(printenv PYTHONPATH || true)"
        if USES_CONDA
        else f'PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"'
    ),
]
# Snakemake formats the prefix like any command, so braces in a path are doubled.
shell.prefix("".join(f"export {part}; " for part in PREFIX).replace("{", "{{").replace("}", "}}"))


wildcard_constraints:
    cell=planning.CELL,
    dataset_id=planning.DATASET_ID,
    weights_id=planning.WEIGHTS_ID,
    stamp=planning.STAMP,
    study="|".join(PLAN.studies),
    selection=r"last|best|top\d+(_per_task)?",


localrules:
    all,


def stage_stamp(stage):
    """Return an input function for a stage's stamp in the wildcards' study."""
    return lambda wildcards: f"results/stamps/{PLAN.studies[wildcards.study].stamps[stage][0]}"


def location_stamp(name):
    """Return the stamp that says where a data set or a weight file lies."""
    return f"results/stamps/{PLAN.locations[name]}"


def leaves():
    """Return every file that a finished run has, so that none is missed without metadata."""
    files = [f"results/stamps/{stamp}" for stamp in PLAN.stamps]
    for cell in PLAN.cells:
        files += [
            f"results/cells/{cell}/spec.json",
            f"results/cells/{cell}/receipts/train.json",
            f"results/cells/{cell}/receipts/evaluate.json",
        ]
    for study in PLAN.studies.values():
        files += ensembles(study)
        files += collect(
            "results/{study}/{item}",
            study=study.name,
            item=["tables/contrasts.csv", "report.html"],
        )
    return files


def ensembles(study):
    """Return the test ensembles of a study's targets, all selections."""
    return collect(
        "results/{study}/ensemble/{cell}/{selection}/test.parquet",
        study=study.name,
        cell=[cell.name for cell in study.targets],
        selection=study.selections,
    )


def spec_sources(wildcards):
    """Return what must exist before a cell can be trained."""
    cell = PLAN.cell(wildcards.cell)
    files = [f"results/cache/{cell.dataset_id}/receipt.json"]
    if cell.weights_id:
        files.append(f"results/weights/{cell.weights_id}/receipt.json")
    if cell.source_cell:
        files.append(f"results/cells/{cell.source_cell}/receipts/train.json")
    return ancient(files)


def table_sources(wildcards):
    """Return what the tables are made of; the program gets the stamp, not these paths."""
    study = PLAN.studies[wildcards.study]
    receipts = [f"results/cells/{cell.name}/receipts/evaluate.json" for cell in study.cells]
    return ensembles(study) + receipts
