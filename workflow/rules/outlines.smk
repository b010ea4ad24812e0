"""What a trained cell's selections mark, compared with true masks anew: outlines, and films at their own size."""


rule outlines:
    input:
        weighing_sources("outlines_id"),
    output:
        receipt="results/weighings/{outlines_id}/receipt.json",
    log:
        "results/weighings/logs/{outlines_id}.log",
    benchmark:
        "results/weighings/logs/{outlines_id}.tsv"
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
        "Comparing masks {wildcards.outlines_id}"
    shell:
        'python "$TRANSFERGRID"/outlines.py --id {wildcards.outlines_id:q} --notes {params.notes:q}'
        " --gpus {resources.gpu} --device $TRANSFERGRID_DEVICE --threads {threads} > {log:q} 2>&1"
