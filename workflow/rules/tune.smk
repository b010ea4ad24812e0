"""Trials of learning rates to the one that a tuned cell trains with."""


rule tune:
    input:
        trial_records,
    output:
        "results/tuning/{tuning_id}/tuning.json",
    log:
        "results/tuning/logs/{tuning_id}.log",
    benchmark:
        "results/tuning/logs/{tuning_id}.tsv"
    localrule: True
    conda:
        "../../envs/transfergrid.yaml"
    params:
        trials=lambda wildcards: PLAN.tuning(wildcards.tuning_id).text,
    message:
        "Choosing the learning rate of {wildcards.tuning_id}"
    shell:
        'python "$TRANSFERGRID"/tune.py --trials {params.trials:q} --output {output:q} > {log:q} 2>&1'
