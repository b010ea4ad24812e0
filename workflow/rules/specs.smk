"""The specifications of cells that are not trained: who writes them, and what they wait for."""

# One for the many cells that wait for the same; none in a job of a cluster, whose specification is
# there.
for SPEC_JOB in SPECS.together:

    rule:
        name:
            SPEC_JOB.rule
        input:
            ancient([f"results/{name}" for name in SPEC_JOB.needs]),
        output:
            [f"results/{name}" for name in SPEC_JOB.files],
        log:
            f"results/stamps/logs/{SPEC_JOB.rule}.log",
        localrule: True
        conda:
            "../../envs/transfergrid.yaml"
        params:
            planned=str(SCRATCH / SPEC_JOB.planned),
        message:
            f"Writing {len(SPEC_JOB.cells)} specifications"
        shell:
            'python "$TRANSFERGRID"/spec.py --planned {params.planned:q} {output:q} > {log:q} 2>&1'


rule spec:
    input:
        spec_sources,
    output:
        "results/cells/{cell}/spec.json",
    log:
        "results/cells/{cell}/logs/spec.log",
    wildcard_constraints:
        cell=ids.CELL if FORCED else SPECS.pattern,
    localrule: True
    conda:
        "../../envs/transfergrid.yaml"
    params:
        spec=lambda wildcards: planned_cell(wildcards.cell).spec,
    shell:
        "(printf %s {params.spec:q} > {output:q}.part && sync {output:q}.part"
        " && mv {output:q}.part {output:q} || {{ rm -f {output:q}.part; echo"
        " 'error: spec.json cannot be written, for the reason above; mend it and run again.'"
        "; exit 1; }}) > {log:q} 2>&1"
