"""Source images to an immutable cache, once per data set and size."""


rule prepare:
    input:
        # Where the data lie is no reason to decode them again.
        location=lambda wildcards: ancient(location_stamp(wildcards.dataset_id)),
    output:
        receipt="results/cache/{dataset_id}/receipt.json",
    log:
        "results/cache/logs/{dataset_id}.log",
    conda:
        "../../envs/transfergrid.yaml"
    threads: 8
    resources:
        mem_mb=2000,
        runtime=240,
    message:
        "Decoding data set {wildcards.dataset_id} with {threads} threads"
    shell:
        'python "$TRANSFERGRID"/prepare.py --location {input.location:q} --threads {threads} > {log:q} 2>&1'
