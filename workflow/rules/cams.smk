"""Class activation maps, for studies that ask for them."""


rule cams:
    input:
        receipt="results/cells/{cell}/receipts/train.json",
        stamp=stage_stamp("cams"),
    output:
        "results/{study}/cams/{cell}.npz",
    log:
        "results/{study}/logs/cams/{cell}.log",
    conda:
        "../../envs/transfergrid.yaml"
    threads: 1
    resources:
        gpu=GPUS,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        notes=str(SCRATCH),
    message:
        "Mapping what {wildcards.cell} looks at"
    shell:
        'python "$TRANSFERGRID"/cams.py --cell {wildcards.cell:q} --stamp {input.stamp:q}'
        " --notes {params.notes:q} --output {output:q} --gpus {resources.gpu} --device $TRANSFERGRID_DEVICE"
        " --threads {threads} > {log:q} 2>&1"


rule panels:
    input:
        lambda wildcards: cam_records(planned(wildcards.study)),
        stamp=stage_stamp("panels"),
    output:
        table=report(
            "results/{study}/tables/cams.csv",
            caption="../report/cam_table.rst",
            category="1. Tables",
            subcategory="{study}",
            labels={"table": "cams"},
        ),
        receipt="results/{study}/receipts/panels.json",
    log:
        "results/{study}/logs/panels.log",
    conda:
        "../../envs/transfergrid.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    message:
        "Gathering where the maps of {wildcards.study} point"
    shell:
        'python "$TRANSFERGRID"/draw_cams.py --stamp {input.stamp:q} > {log:q} 2>&1'
