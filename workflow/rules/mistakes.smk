"""Films of the most confident errors on labels, for studies that ask for them."""


rule mistakes:
    input:
        stage_inputs("mistakes"),
        stamp=stage_stamp("mistakes"),
    output:
        "results/{study}/mistakes.json",
        f"results/{STAGE['mistakes'].mark}",
    log:
        "results/{study}/logs/mistakes.log",
    benchmark:
        "results/{study}/logs/mistakes.tsv"
    conda:
        "../../envs/transfergrid.yaml"
    threads: 1
    resources:
        mem_mb=growing(STAGE["mistakes"].memory_mb),
        runtime=growing(STAGE["mistakes"].minutes),
    message:
        "Looking for the most confident errors of {wildcards.study}"
    shell:
        'python "$TRANSFERGRID"/mistakes.py --stamp {input.stamp:q} --threads {threads} > {log:q} 2>&1'
