"""Stamps: a small file for each state of a stage's code and settings."""


rule stamp:
    output:
        "results/stamps/{stamp}",
    log:
        "results/stamps/logs/{stamp}.log",
    localrule: True
    conda:
        "../../envs/transfergrid.yaml"
    params:
        scratch=str(SCRATCH),
    shell:
        'python "$TRANSFERGRID"/stamp.py --scratch {params.scratch:q} --output {output:q} > {log:q} 2>&1'
