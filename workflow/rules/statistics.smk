"""The study's questions, answered."""


rule statistics:
    input:
        cells="results/{study}/tables/cells.csv",
        stamp=stage_stamp("statistics"),
    output:
        contrasts=report(
            "results/{study}/tables/contrasts.csv",
            caption="../report/contrasts.rst",
            category="1. Tables",
            subcategory="{study}",
            labels={"table": "contrasts"},
        ),
        correlations=report(
            "results/{study}/tables/correlations.csv",
            caption="../report/correlations.rst",
            category="1. Tables",
            subcategory="{study}",
            labels={"table": "correlations"},
        ),
        findings=report(
            "results/{study}/tables/findings.csv",
            caption="../report/findings.rst",
            category="1. Tables",
            subcategory="{study}",
            labels={"table": "findings"},
        ),
        claims=report(
            "results/{study}/tables/claims.csv",
            caption="../report/claims.rst",
            category="1. Tables",
            subcategory="{study}",
            labels={"table": "claims"},
        ),
        sensitivity=report(
            "results/{study}/tables/sensitivity.csv",
            caption="../report/sensitivity.rst",
            category="1. Tables",
            subcategory="{study}",
            labels={"table": "sensitivity"},
        ),
        receipt="results/{study}/receipts/statistics.json",
    log:
        "results/{study}/logs/statistics.log",
    conda:
        "../../envs/transfergrid.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    message:
        "Answering the questions of {wildcards.study}"
    shell:
        'python "$TRANSFERGRID"/answer.py --stamp {input.stamp:q} > {log:q} 2>&1'
