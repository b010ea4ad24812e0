"""Kept checkpoints to stored scores."""


rule evaluate:
    input:
        receipt="results/cells/{cell}/receipts/train.json",
        stamp=f"results/stamps/{PLAN.evaluate_stamp[0]}",
    output:
        valid="results/cells/{cell}/scores/valid.npz",
        test="results/cells/{cell}/scores/test.npz",
        receipt="results/cells/{cell}/receipts/evaluate.json",
    log:
        "results/cells/{cell}/logs/evaluate.log",
    benchmark:
        "results/cells/{cell}/logs/evaluate.tsv"
    # Scores of a finished cell are worth more than the start of another.
    priority: 1
    conda:
        "../../envs/transfergrid.yaml"
    threads: 1
    resources:
        gpu=GPUS,
        mem_mb=growing(4000),
        runtime=growing(120),
    message:
        "Scoring {wildcards.cell}"
    shell:
        'python "$TRANSFERGRID"/evaluate.py --cell {wildcards.cell:q} --stamp {input.stamp:q}'
        " --gpus {resources.gpu} --device $TRANSFERGRID_DEVICE --threads {threads} > {log:q} 2>&1"
