"""Class activation maps, for studies that ask for them."""


rule cams:
    input:
        receipt="results/cells/{cell}/receipts/train.json",
        stamp=stage_stamp("cams"),
    output:
        "results/{study}/cams/{cell}.npz",
    log:
        "results/{study}/logs/cams/{cell}.log",
    benchmark:
        "results/{study}/logs/cams/{cell}.tsv"
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
        "Mapping what {wildcards.cell} looks at"
    shell:
        'python "$TRANSFERGRID"/cams.py --cell {wildcards.cell:q} --stamp {input.stamp:q}'
        " --notes {params.notes:q} --output {output:q} --gpus {resources.gpu} --device $TRANSFERGRID_DEVICE"
        " --threads {threads} > {log:q} 2>&1"
