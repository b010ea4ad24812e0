"""A cell's training.

train reads spec.json and nothing else of this file or the study: a cluster job parses the workflow
again, and by then the study may have been edited.
"""


rule train:
    input:
        # As text where it can be: a function is called for every cell.
        spec=spec_file if FORCED else ancient("results/cells/{cell}/spec.json"),
    output:
        record="results/cells/{cell}/train.json",
        receipt="results/cells/{cell}/receipts/train.json",
    log:
        "results/cells/{cell}/logs/train.log",
    benchmark:
        "results/cells/{cell}/logs/train.tsv"
    conda:
        "../../envs/transfergrid.yaml"
    # Two one-thread trainings beat one with two threads; raise with --set-threads train=N.
    threads: 1
    resources:
        gpu=GPUS,
        mem_mb=growing(4000),
        runtime=growing(720),
    message:
        "Training {wildcards.cell}"
    shell:
        'python "$TRANSFERGRID"/train.py --spec {input.spec:q} --gpus {resources.gpu} --device $TRANSFERGRID_DEVICE'
        " --threads {threads} > {log:q} 2>&1"
