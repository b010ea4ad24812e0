"""All cells of a study to its tables."""


rule tables:
    input:
        table_sources,
        stamp=stage_stamp("tables"),
    output:
        cells=report(
            "results/{study}/tables/cells.csv",
            caption="../report/cells.rst",
            category="1. Tables",
            subcategory="{study}",
            labels={"table": "cells"},
        ),
        sources=report(
            "results/{study}/tables/sources.csv",
            caption="../report/sources.rst",
            category="1. Tables",
            subcategory="{study}",
            labels={"table": "sources"},
        ),
        bootstrap=report(
            "results/{study}/tables/bootstrap.csv",
            caption="../report/bootstrap.rst",
            category="1. Tables",
            subcategory="{study}",
            labels={"table": "bootstrap"},
        ),
        tuning=report(
            "results/{study}/tables/tuning.csv",
            caption="../report/tuning.rst",
            category="1. Tables",
            subcategory="{study}",
            labels={"table": "tuning"},
        ),
        calibration=report(
            "results/{study}/tables/calibration.csv",
            caption="../report/calibration_table.rst",
            category="1. Tables",
            subcategory="{study}",
            labels={"table": "calibration"},
        ),
        receipt="results/{study}/receipts/tables.json",
    log:
        "results/{study}/logs/tables.log",
    conda:
        "../../envs/transfergrid.yaml"
    threads: 8
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    message:
        "Writing the tables of {wildcards.study}"
    shell:
        'python "$TRANSFERGRID"/make_tables.py --stamp {input.stamp:q} --threads {threads} > {log:q} 2>&1'
