"""How trained cells score with one layer at a time put back to its start."""


rule reset:
    input:
        weighing_sources("reset_id"),
    output:
        receipt="results/weighings/{reset_id}/receipt.json",
    log:
        "results/weighings/logs/{reset_id}.log",
    benchmark:
        "results/weighings/logs/{reset_id}.tsv"
    conda:
        "../../envs/transfergrid.yaml"
    threads: 1
    resources:
        gpu=GPUS,
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        notes=str(SCRATCH),
    message:
        "Putting layers back {wildcards.reset_id}"
    shell:
        'python "$TRANSFERGRID"/reset.py --id {wildcards.reset_id:q} --notes {params.notes:q}'
        " --gpus {resources.gpu} --device $TRANSFERGRID_DEVICE --threads {threads} > {log:q} 2>&1"
