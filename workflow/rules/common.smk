"""The plan of this run, and what several rules share."""

import os
import re
import shlex
import sys
from pathlib import Path
from string import Template

from transfergrid.catalog.figures import FIGURES
from transfergrid.catalog.kinds import dataset_kind
from transfergrid.catalog.stages import STAGE
from transfergrid.catalog.tables import ANALYSES
from transfergrid.planning import ids, imported, listed, neighbours, outputs, shards, specs
from transfergrid.planning.many import MANY
from transfergrid.planning.paths import PROJECT, RESULTS, RULES, SCRIPTS, TEMPLATES
from transfergrid.planning.plan import Plan, plan_run
from transfergrid.planning.rights import rights_warning
from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.devices import gpu_limit_warning
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.faults import failure, short_of_space
from transfergrid.runtime.gpus import count_visible
from transfergrid.runtime.program import collect_rarely

# Up to half of a dry run, where a grid of thousands of cells is hundreds of thousands of objects.
collect_rarely()

# The root's Snakefile names its own.
DEFAULT_STUDY = globals().get("DEFAULT_STUDY", "config/config.yaml")
# In a module, Snakemake's own notions of files, folders and handlers are the importing workflow's.
IMPORTED = not workflow.modifier.is_main_snakefile()
HERE = workflow.current_basedir


def planned_run():
    """Return the plan of what the command line, or a workflow that imports this one, asks for."""
    files, settings = workflow.overwrite_configfiles, workflow.config_settings.config
    if not IMPORTED:
        return plan_run(files or [DEFAULT_STUDY], settings)
    if workflow.modifier.path_modifier.replace_prefix("results/x") != "results/x":
        raise UserError(
            "TransferGrid cannot be imported with prefix: or replace_prefix:, because its programs "
            "write to results/; leave it out, and choose a folder with --directory."
        )
    whole = config is workflow.modifier.parent_modifier.globals["config"]
    handed = config if workflow.modifier.skip_configfile else None
    return imported.plan_imported(
        imported.Handed(handed, workflow.configfiles, files, settings, whole)
    )


try:
    if HERE.get_path_or_uri(secret_free=True) != str(RULES):
        imported.check_rules(lambda name: workflow.sourcecache.open(HERE.join(name)).read())
    PLAN = planned_run()
except UserError as error:
    # A queued job of a cluster parses the study again, which may be half saved by then; what train
    # and evaluate need is in the cell's folder.
    if not workflow.remote_exec:
        raise WorkflowError(str(error)) from None
    PLAN = Plan({})
for PLACE in (workflow.basedir, str(PROJECT)):
    if set(PLACE) & set("{}"):
        raise WorkflowError(f"Snakemake cannot run from {PLACE}: rename it without braces.")

SCRATCH = neighbours.NOTES
CLOSED = rights_warning(RESULTS)
try:
    PLAN.write_scratch(SCRATCH)
except OSError as error:
    raise WorkflowError(CLOSED or failure(error) or str(error)) from None
# Where a rule is forced, every cell has its specification's job, so that what is forced reaches what
# starts from it. Snakemake says what is forced only once the rules have been read, so this looks at
# the command line. A cluster's job writes no specification.
FORCED = not workflow.remote_exec and any(
    re.match(r"-[fknp]*[FR]|--force[ar]", word) for word in sys.argv[1:]
)
# Only after letters that take no value: -sNew and -dresults_new are not dry runs.
DRY_RUN = any(re.match(r"-[fFkp]*n|--dry-?r", word) for word in sys.argv[1:])
# Imported as tg_*, for example, it is tg_train.
TRAIN = workflow.modifier.modify_rulename("train")
SPECS = specs.SpecJobs()
if not (FORCED or workflow.remote_exec):
    SPECS = specs.spec_jobs(PLAN, specs.untrained(PLAN, specs.on_disk(RESULTS)))
FILES = outputs.wanted_files(PLAN, RESULTS)
LOST = outputs.told_lost(FILES.lost, RESULTS)
for sentence in [*PLAN.warnings, *LOST, *([CLOSED] if CLOSED else [])]:
    logger.warning(f"Warning: {sentence}")

# Neither is part of a cell's identity, and neither is tracked: a GPU may do what a CPU began.
DEVICES = {study.study.config["device"] for study in PLAN.studies.values()}
# A cluster's job has the device that it was queued for, whatever the study says by then.
QUEUED_FOR = os.environ.get("TRANSFERGRID_DEVICES", "")
if workflow.remote_exec and QUEUED_FOR:
    DEVICES = set(QUEUED_FOR.split())
os.environ.update(TRANSFERGRID_DEVICES=" ".join(sorted(DEVICES)))
GPUS = int(DEVICES != {"cpu"})

# What depends on the machine goes in front of every command and so stays out of the rules' text,
# which Snakemake compares. A conda environment holds what the library needs, not the library;
# otherwise programs run with the interpreter that runs Snakemake, activated or not.
USES_CONDA = any(
    str(method) == "conda" for method in workflow.deployment_settings.deployment_method
)
PREFIX = [
    f"TRANSFERGRID={shlex.quote(str(SCRIPTS))}",
    f"TRANSFERGRID_DEVICE={'cuda' if DEVICES == {'cuda'} else 'auto'}",
    (
        f"PYTHONPATH={shlex.quote(str(PROJECT / 'src'))}:$(printenv PYTHONPATH || true)"
        if USES_CONDA
        else f'PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"'
    ),
]


class Shell(shell):
    """Snakemake's, with a prefix that is not that of the rules of a workflow that imports this one."""


# Slurm sends SIGTERM to every process of a job. The shell must outlive it: a job whose shell is gone
# counts as ended, and its training would be killed while it saves its state.
Shell.prefix("trap : TERM; " + "".join(f"export {part}; " for part in PREFIX))
# What the rules' commands are run by.
shell = Shell


def begin():
    """Leave what the jobs of this run have to know, and say what is wrong before they start."""
    if CLOSED:
        raise WorkflowError(CLOSED)
    try:
        specs.write_planned(PLAN, SPECS.together, SCRATCH)
        if not workflow.remote_exec:
            listed.write_neighbours(listed.of_plan(PLAN, to_train()), SCRATCH)
    except OSError as error:
        raise WorkflowError(failure(error) or str(error)) from None
    # A training that had ended when its run was killed is not done again, unless the user forces
    # it. The environment tells a cluster's jobs, which do not see the command line.
    if (
        workflow.dag_settings.forceall
        or workflow.dag_settings.forcetargets
        or workflow.dag_settings.forcerun
    ):
        os.environ.update(TRANSFERGRID_FRESH="1")
    limit = workflow.resource_settings.resources.get("gpu")
    granted = getattr(limit, "value", limit)
    if workflow.local_exec and (GPUS or granted):
        warning = gpu_limit_warning(granted, count_visible(bool(GPUS)), bool(GPUS))
        if warning:
            logger.warning(f"Warning: {warning}")


def end_badly():
    """Say so if the reason may be a disk that is full."""
    if told := short_of_space(RESULTS):
        print(f"error: {told}", file=sys.stderr)


def end_well():
    """Say where the pages are that were asked for, below hundreds of lines on jobs."""
    page = workflow.modifier.modify_rulename("page")
    studies = {job.wildcards.study for job in workflow.dag.jobs if job.rule.name == page}
    for name in sorted(studies):
        logger.info(f"The page of {name}: {RESULTS / name / 'report.html'}")


onstart:
    begin()


onerror:
    end_badly()


onsuccess:
    end_well()


if IMPORTED:
    imported.also_on(workflow, "onstart", begin)
    imported.also_on(workflow, "onerror", end_badly)
    imported.also_on(workflow, "onsuccess", end_well)


wildcard_constraints:
    cell=ids.CELL,
    dataset_id=ids.DATASET_ID,
    weights_id=ids.WEIGHTS_ID,
    features_id=ids.FEATURES_ID,
    state_id=ids.STATE_ID,
    drift_id=ids.DRIFT_ID,
    reset_id=ids.RESET_ID,
    outlines_id=ids.OUTLINES_ID,
    external_id=ids.EXTERNAL_ID,
    tuning_id=ids.TUNING_ID,
    stamp=ids.STAMP,
    study=ids.STUDY,
    selection=r"last|best|top\d+(_per_task)?",
    shard=shards.PATTERN,
    figure=r"[A-Za-z0-9_]+",


def to_train():
    """Return the cells that this run is to train, and that a job may train ahead: none if forced.

    Not all of the plan: the user may have asked for a few files.
    """
    jobs = [] if FORCED else workflow.dag.needrun_jobs()
    return [job.wildcards.cell for job in jobs if job.rule.name == TRAIN]


def stage_stamp(stage):
    """Return an input function for a stage's stamp in the wildcards' study."""
    return lambda wildcards: f"results/stamps/{planned(wildcards.study).stamps[stage][0]}"


def planned(name):
    """Return a study of this run by name."""
    if name not in PLAN.studies:
        raise WorkflowError(f"study '{name}' is not in this run; name its file with --configfile.")
    return PLAN.studies[name]


def planned_cell(name):
    """Return a cell of this run by name."""
    try:
        return PLAN.cell(name)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def is_drawn(dataset_id):
    """Tell whether a data set is drawn as needed."""
    return any(
        data.id == dataset_id and kind is not None and not kind.rooted
        for study in PLAN.studies.values()
        for data in study.datasets.values()
        for kind in [dataset_kind(data.declaration["kind"])]
    )


def leaves():
    """Return what a run asks for: every file of a finished one, the list that `plan` has too.

    Which figures there are, a receipt says. Snakemake's report shows what is asked for, so then they
    all are; a run asks for those that were lost alone.
    """
    drawn = []
    if any(word.partition("=")[0] == "--report" for word in sys.argv):
        for study in PLAN.studies.values():
            drawn += outputs.drawn_figures(study, RESULTS)
    return [f"results/{name}" for name in dict.fromkeys([*FILES.wanted, *drawn])]


def stage_inputs(stage):
    """Return an input function for what a stage of the wildcards' study waits for."""

    def inputs(wildcards):
        found = outputs.inputs_of(planned(wildcards.study), STAGE[stage])
        return [f"results/{name}" for name in found]

    return inputs


def page_inputs(wildcards):
    """Return what the page of the wildcards' study waits for, figures that were lost among it."""
    lost = outputs.lost_figures(FILES, wildcards.study)
    return [*stage_inputs("report")(wildcards), *(f"results/{name}" for name in lost)]


def shard_inputs(wildcards):
    """Return what the ensembles of a part of the wildcards' study are made of."""
    study = planned(wildcards.study)
    if wildcards.shard not in study.shards:
        raise WorkflowError(f"study '{wildcards.study}' has no part '{wildcards.shard}' any more.")
    return [f"results/{name}" for name in outputs.shard_sources(study, wildcards.shard)]


def growing(amount):
    """Return a resource that grows with every attempt; in a dry run there is only the first.

    Snakemake calls it for every job, which would be a tenth of a dry run.
    """
    return amount if DRY_RUN else lambda wildcards, attempt: amount * attempt


def where_many(threads):
    """Return a number of threads that a stage asks for if its study has many cells, else one."""
    return lambda wildcards: threads if len(planned(wildcards.study).entries) >= MANY else 1


def caption(kind, name, text):
    """Return a file with one thing's caption for Snakemake's report, filled into its template.

    Snakemake tells a template the rule's parameters, but not which of the rule's files it is for.
    """
    template = (TEMPLATES / f"{kind}.rst").read_text(encoding="utf-8")
    file = SCRATCH.absolute() / "captions" / f"{name}.{kind}.rst"
    filled = Template(template).substitute(name=name, caption=text)
    if not file.exists() or file.read_text(encoding="utf-8") != filled:
        write_text(file, filled)
    return str(file)


def figure_caption(name):
    """Return a figure's caption for Snakemake's report."""
    own = "A figure of the study's own, whose caption stands in the report."
    return next((figure.caption for figure in FIGURES if figure.name == name), own)


def spec_sources(wildcards):
    """Return what must exist before a cell can be trained."""
    needs = specs.needs_of(planned_cell(wildcards.cell))
    return unless_forced([f"results/{name}" for name in needs])


def features_sources(wildcards):
    """Return what must exist before features of frozen layers can be computed."""
    origins = specs.origins_of(PLAN.feature(wildcards.features_id))
    return unless_forced([f"results/{name}" for name in origins])


def state_sources(wildcards):
    """Return what must exist before the activations of a state can be stored."""
    return stored_sources(PLAN.state(wildcards.state_id))


def weighing_sources(wildcard):
    """Return an input function for what a measurement of weights, named by a wildcard, needs."""
    return lambda wildcards: stored_sources(PLAN.weighing(wildcards[wildcard]))


def stored_sources(stored):
    """Return what must exist before something can be stored of a network.

    The age of images and initial weights does not count, for their content is in its name. What is
    missing is no reason to store anything again, so it is not ancient: Snakemake would make it.
    """
    images, trained = specs.sources_of(stored)
    files = [f"results/{name}" for name in images]
    aged = [ancient(file) if os.path.exists(file) else file for file in files]
    return [*aged, *(f"results/{name}" for name in trained)]


def trial_records(wildcards):
    """Return the records of the trials that a learning rate is chosen by."""
    cells = PLAN.tuning(wildcards.tuning_id).trials.values()
    return unless_forced([f"results/cells/{cell}/train.json" for cell in cells])


def spec_file(wildcards):
    """Return the one thing that training depends on."""
    return unless_forced(f"results/cells/{wildcards.cell}/spec.json")


def unless_forced(files):
    """Return files whose age does not count, but for --forcerun train.

    There it must: Snakemake looks no further than the first forced training of a chain, and the
    cells that start from it would be left out.
    """
    return files if TRAIN in workflow.dag_settings.forcerun else ancient(files)
