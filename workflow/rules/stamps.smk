"""Stamps: a small file for each state of a stage's code and settings."""


localrules:
    stamp,


rule stamp:
    output:
        "results/stamps/{stamp}",
    log:
        "results/stamps/logs/{stamp}.log",
    conda:
        "../../envs/transfergrid.yaml"
    params:
        scratch=str(SCRATCH),
    shell:
        'python "$TRANSFERGRID"/stamp.py --scratch {params.scratch:q} --output {output:q} > {log:q} 2>&1'
