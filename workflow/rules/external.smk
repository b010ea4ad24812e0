"""What a trained cell says of the films of another hospital: the scores of its checkpoints there."""


rule external:
    input:
        weighing_sources("external_id"),
    output:
        receipt="results/weighings/{external_id}/receipt.json",
    log:
        "results/weighings/logs/{external_id}.log",
    benchmark:
        "results/weighings/logs/{external_id}.tsv"
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
        "Scoring elsewhere {wildcards.external_id}"
    shell:
        'python "$TRANSFERGRID"/external.py --id {wildcards.external_id:q} --notes {params.notes:q}'
        " --gpus {resources.gpu} --device $TRANSFERGRID_DEVICE --threads {threads} > {log:q} 2>&1"
