"""Kept checkpoints to stored scores, stored scores to ensembles."""


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
    # Scores of a finished cell are worth more than the start of another.
    priority: 1
    conda:
        "../../envs/transfergrid.yaml"
    threads: 1
    resources:
        gpu=GPUS,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
    message:
        "Scoring {wildcards.cell}"
    shell:
        'python "$TRANSFERGRID"/evaluate.py --cell {wildcards.cell:q} --stamp {input.stamp:q}'
        " --gpus {resources.gpu} --device $TRANSFERGRID_DEVICE --threads {threads} > {log:q} 2>&1"


rule ensemble:
    input:
        receipt="results/cells/{cell}/receipts/evaluate.json",
        stamp=stage_stamp("ensemble"),
    output:
        valid="results/{study}/ensemble/{cell}/{selection}/valid.parquet",
        test="results/{study}/ensemble/{cell}/{selection}/test.parquet",
    log:
        "results/{study}/logs/ensemble/{cell}.{selection}.log",
    group:
        "ensemble"
    conda:
        "../../envs/transfergrid.yaml"
    shell:
        'python "$TRANSFERGRID"/ensemble.py --cell {wildcards.cell:q}'
        " --selection {wildcards.selection:q} --stamp {input.stamp:q}"
        " --valid {output.valid:q} --test {output.test:q} > {log:q} 2>&1"
