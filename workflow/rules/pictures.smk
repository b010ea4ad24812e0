"""Test films with the outlines of true and predicted masks, for studies with masks.

What was marked is kept as long as its cell is there: a picture needs weights, which the user may free.
"""


rule pictures:
    input:
        stage_inputs("pictures"),
        stamp=stage_stamp("pictures"),
    output:
        # The job reads them, so neither is removed first, and both are put back if it fails.
        update("results/{study}/pictures.json"),
        update(f"results/{STAGE['pictures'].mark}"),
    log:
        "results/{study}/logs/pictures.log",
    benchmark:
        "results/{study}/logs/pictures.tsv"
    conda:
        "../../envs/transfergrid.yaml"
    threads: 1
    resources:
        gpu=GPUS,
        mem_mb=growing(STAGE["pictures"].memory_mb),
        runtime=growing(STAGE["pictures"].minutes),
    message:
        "Drawing what networks of {wildcards.study} mark on films"
    shell:
        'python "$TRANSFERGRID"/pictures.py --stamp {input.stamp:q} --gpus {resources.gpu}'
        " --device $TRANSFERGRID_DEVICE --threads {threads} > {log:q} 2>&1"
