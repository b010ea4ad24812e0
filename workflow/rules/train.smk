"""A cell's specification, then its training.

train reads spec.json and nothing else of this file or the study: a cluster job parses the workflow
again, and by then the study may have been edited.
"""


localrules:
    spec,


rule spec:
    input:
        spec_sources,
    output:
        "results/cells/{cell}/spec.json",
    log:
        "results/cells/{cell}/logs/spec.log",
    conda:
        "../../envs/transfergrid.yaml"
    params:
        spec=lambda wildcards: planned_cell(wildcards.cell).spec,
    shell:
        "(printf %s {params.spec:q} > {output:q}.part && sync {output:q}.part"
        " && mv {output:q}.part {output:q} || {{ rm -f {output:q}.part; echo"
        " 'error: spec.json cannot be written, for the reason above; mend it and run again.'"
        "; exit 1; }}) > {log:q} 2>&1"


rule train:
    input:
        spec=spec_file,
    output:
        record="results/cells/{cell}/train.json",
        receipt="results/cells/{cell}/receipts/train.json",
    log:
        "results/cells/{cell}/logs/train.log",
    conda:
        "../../envs/transfergrid.yaml"
    # Two one-thread trainings beat one with two threads; raise with --set-threads train=N.
    threads: 1
    resources:
        gpu=GPUS,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 720 * attempt,
    message:
        "Training {wildcards.cell}"
    shell:
        'python "$TRANSFERGRID"/train.py --spec {input.spec:q} --gpus {resources.gpu} --device $TRANSFERGRID_DEVICE'
        " --threads {threads} > {log:q} 2>&1"
