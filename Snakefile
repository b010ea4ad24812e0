"""TransferGrid: architecture × pretraining × truncation, every cell a training job."""

from snakemake.utils import min_version

min_version("9.19")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"


# After the plan, which bounds what is read and says what is wrong with it in a sentence. Where the
# command line names a study, the default one is not read at all: Snakemake would merge the two.
if not workflow.overwrite_configfiles and "studies" not in workflow.config_settings.config:

    configfile: "config.yaml"


include: "workflow/rules/stamps.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/weights.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/tune.smk"
include: "workflow/rules/specs.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/restore.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/ensembles.smk"
include: "workflow/rules/cams.smk"
include: "workflow/rules/activations.smk"
include: "workflow/rules/drift.smk"
include: "workflow/rules/reset.smk"
include: "workflow/rules/outlines.smk"
include: "workflow/rules/analyses.smk"
include: "workflow/rules/pictures.smk"
include: "workflow/rules/mistakes.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        leaves(),


onerror:
    if told := short_of_space(RESULTS):
        print(f"error: {told}", file=sys.stderr)
