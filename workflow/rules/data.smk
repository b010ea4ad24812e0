"""Source images to an immutable cache, once per data set and size."""


rule prepare:
    output:
        receipt="results/cache/{dataset_id}/receipt.json",
    log:
        "results/cache/logs/{dataset_id}.log",
    benchmark:
        "results/cache/logs/{dataset_id}.tsv"
    conda:
        "../../envs/transfergrid.yaml"
    # Drawing is one thread of Python; decoding is not.
    threads: lambda wildcards: 1 if is_drawn(wildcards.dataset_id) else 8
    resources:
        mem_mb=growing(2000),
        runtime=growing(240),
    params:
        notes=str(SCRATCH),
    message:
        "Decoding data set {wildcards.dataset_id} with {threads} threads"
    shell:
        'python "$TRANSFERGRID"/prepare.py --id {wildcards.dataset_id:q} --notes {params.notes:q}'
        " --threads {threads} > {log:q} 2>&1"
