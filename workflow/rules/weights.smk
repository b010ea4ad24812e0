"""Released weights to a checked safetensors file. Local: the only rule that may need a network."""


rule weights:
    output:
        receipt="results/weights/{weights_id}/receipt.json",
    log:
        "results/weights/logs/{weights_id}.log",
    benchmark:
        "results/weights/logs/{weights_id}.tsv"
    localrule: True
    conda:
        "../../envs/transfergrid.yaml"
    params:
        notes=str(SCRATCH),
    message:
        "Preparing weights {wildcards.weights_id}"
    shell:
        'python "$TRANSFERGRID"/weights.py --id {wildcards.weights_id:q} --notes {params.notes:q} > {log:q} 2>&1'
