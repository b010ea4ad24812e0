"""What the frozen layers of a network make of all images, once for all cells that train on it."""


rule features:
    input:
        features_sources,
    output:
        receipt="results/features/{features_id}/receipt.json",
    log:
        "results/features/logs/{features_id}.log",
    benchmark:
        "results/features/logs/{features_id}.tsv"
    conda:
        "../../envs/transfergrid.yaml"
    threads: 1
    resources:
        gpu=GPUS,
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        notes=str(SCRATCH),
    message:
        "Computing features {wildcards.features_id}"
    shell:
        'python "$TRANSFERGRID"/features.py --id {wildcards.features_id:q} --notes {params.notes:q}'
        " --gpus {resources.gpu} --device $TRANSFERGRID_DEVICE --threads {threads} > {log:q} 2>&1"
