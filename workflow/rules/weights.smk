"""Released weights to a checked safetensors file. Local: the only rule that may need a network."""


localrules:
    weights,


rule weights:
    input:
        location=lambda wildcards: ancient(location_stamp(wildcards.weights_id)),
    output:
        receipt="results/weights/{weights_id}/receipt.json",
    log:
        "results/weights/logs/{weights_id}.log",
    conda:
        "../../envs/transfergrid.yaml"
    message:
        "Preparing weights {wildcards.weights_id}"
    shell:
        'python "$TRANSFERGRID"/weights.py --location {input.location:q} > {log:q} 2>&1'
