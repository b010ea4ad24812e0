"""How far the weights of trained cells have moved from where they started."""


rule drift:
    input:
        weighing_sources("drift_id"),
    output:
        receipt="results/weighings/{drift_id}/receipt.json",
    log:
        "results/weighings/logs/{drift_id}.log",
    benchmark:
        "results/weighings/logs/{drift_id}.tsv"
    conda:
        "../../envs/transfergrid.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        notes=str(SCRATCH),
    message:
        "Comparing weights {wildcards.drift_id}"
    shell:
        'python "$TRANSFERGRID"/drift.py --id {wildcards.drift_id:q} --notes {params.notes:q} > {log:q} 2>&1'
