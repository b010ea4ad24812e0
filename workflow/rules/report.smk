"""Tables to figures, and all of it to one page."""


rule figures:
    input:
        lambda wildcards: cam_results(planned(wildcards.study)),
        cells="results/{study}/tables/cells.csv",
        calibration="results/{study}/tables/calibration.csv",
        contrasts="results/{study}/tables/contrasts.csv",
        correlations="results/{study}/tables/correlations.csv",
        findings="results/{study}/tables/findings.csv",
        stamp=stage_stamp("figures"),
    output:
        [
            report(
                f"results/{{study}}/figures/{figure}.svg",
                caption=f"../report/{figure}.rst",
                category="2. Figures",
                subcategory="{study}",
                labels={"figure": figure},
            )
            for figure in planning.FIGURES
        ],
        receipt="results/{study}/receipts/figures.json",
    log:
        "results/{study}/logs/figures.log",
    conda:
        "../../envs/transfergrid.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    message:
        "Drawing the figures of {wildcards.study}"
    shell:
        'python "$TRANSFERGRID"/draw_figures.py --stamp {input.stamp:q} > {log:q} 2>&1'


rule page:
    input:
        # With the receipt, which the page compares them with.
        [f"results/{{study}}/{name}" for name in outputs.STAGE_FILES["figures"]],
        lambda wildcards: cam_results(planned(wildcards.study)),
        sources="results/{study}/tables/sources.csv",
        bootstrap="results/{study}/tables/bootstrap.csv",
        tuning="results/{study}/tables/tuning.csv",
        calibration="results/{study}/tables/calibration.csv",
        stamp=stage_stamp("report"),
    output:
        page=report(
            "results/{study}/report.html",
            caption="../report/page.rst",
            category="3. Page",
            subcategory="{study}",
            labels={"page": "report"},
        ),
        receipt="results/{study}/receipts/report.json",
    log:
        "results/{study}/logs/page.log",
    conda:
        "../../envs/transfergrid.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    message:
        "Writing the report of {wildcards.study}"
    shell:
        'python "$TRANSFERGRID"/write_page.py --stamp {input.stamp:q} --output {output.page:q} > {log:q} 2>&1'
