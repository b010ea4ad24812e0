"""All cells of a study, handed on when they are scored; then its tables, a stage at a time.

The stages are declared in src/transfergrid/catalog: one rule is written here for all of them.
"""


rule gather:
    input:
        stage_inputs("gather"),
        stamp=stage_stamp("gather"),
    output:
        f"results/{STAGE['gather'].mark}",
    log:
        "results/{study}/logs/gather.log",
    benchmark:
        "results/{study}/logs/gather.tsv"
    localrule: True
    conda:
        "../../envs/transfergrid.yaml"
    message:
        "Gathering the cells of {wildcards.study}"
    shell:
        'python "$TRANSFERGRID"/gather.py --stamp {input.stamp:q} > {log:q} 2>&1'


for STAGE_OF_TABLES in ANALYSES:

    rule:
        name:
            STAGE_OF_TABLES.name
        input:
            stage_inputs(STAGE_OF_TABLES.name),
            stamp=stage_stamp(STAGE_OF_TABLES.name),
        output:
            [
                report(
                    f"results/{{study}}/{table.file}",
                    caption=caption("table", table.name, table.caption),
                    category="1. Tables",
                    subcategory="{study}",
                    labels={"table": table.name},
                )
                for table in STAGE_OF_TABLES.tables
            ],
            receipt=f"results/{STAGE_OF_TABLES.mark}",
        log:
            f"results/{{study}}/logs/{STAGE_OF_TABLES.name}.log",
        benchmark:
            f"results/{{study}}/logs/{STAGE_OF_TABLES.name}.tsv"
        conda:
            "../../envs/transfergrid.yaml"
        # A few cells are read by one process: others would keep a core from another stage.
        threads: where_many(STAGE_OF_TABLES.threads)
        resources:
            mem_mb=growing(STAGE_OF_TABLES.memory_mb),
            runtime=growing(STAGE_OF_TABLES.minutes),
        message:
            STAGE_OF_TABLES.title
        shell:
            'python "$TRANSFERGRID"/analyse.py --stamp {input.stamp:q} --threads {threads} > {log:q} 2>&1'
