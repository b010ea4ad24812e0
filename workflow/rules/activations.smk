"""Activations of networks at a few positions of many images: initial weights and checkpoints."""


rule activations:
    input:
        state_sources,
    output:
        receipt="results/activations/{state_id}/receipt.json",
    log:
        "results/activations/logs/{state_id}.log",
    benchmark:
        "results/activations/logs/{state_id}.tsv"
    conda:
        "../../envs/transfergrid.yaml"
    threads: 1
    resources:
        gpu=GPUS,
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        notes=str(SCRATCH),
    message:
        "Storing activations {wildcards.state_id}"
    shell:
        'python "$TRANSFERGRID"/activations.py --id {wildcards.state_id:q} --notes {params.notes:q}'
        " --gpus {resources.gpu} --device $TRANSFERGRID_DEVICE --threads {threads} > {log:q} 2>&1"
