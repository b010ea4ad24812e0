"""Tables to figures, and all of it to one page.

Which figures a study has, its receipt says: one with nothing to show is not drawn. Rule figure brings
back a figure that was lost, and puts all of them into Snakemake's report.
"""


rule figures:
    input:
        stage_inputs("figures"),
        stamp=stage_stamp("figures"),
    output:
        f"results/{STAGE['figures'].mark}",
    log:
        "results/{study}/logs/figures.log",
    benchmark:
        "results/{study}/logs/figures.tsv"
    conda:
        "../../envs/transfergrid.yaml"
    resources:
        mem_mb=growing(STAGE["figures"].memory_mb),
        runtime=growing(STAGE["figures"].minutes),
    message:
        "Drawing the figures of {wildcards.study}"
    shell:
        'python "$TRANSFERGRID"/draw_figures.py --stamp {input.stamp:q} > {log:q} 2>&1'


rule figure:
    input:
        ancient(f"results/{STAGE['figures'].mark}"),
        stamp=lambda wildcards: ancient(stage_stamp("figures")(wildcards)),
    output:
        # Drawing all figures may have brought it back, and the page reads it: it is not removed first.
        report(
            update(f"results/{STAGE['figure'].mark}"),
            caption="../report/figure.rst",
            category="2. Figures",
            subcategory="{study}",
            labels={"figure": "{figure}"},
        ),
    log:
        "results/{study}/logs/figure.{figure}.log",
    localrule: True
    conda:
        "../../envs/transfergrid.yaml"
    params:
        caption=lambda wildcards: figure_caption(wildcards.figure),
    message:
        "Drawing {wildcards.figure} of {wildcards.study} again, which was lost"
    shell:
        'python "$TRANSFERGRID"/draw_figures.py --stamp {input.stamp:q} --figure {wildcards.figure:q}'
        " > {log:q} 2>&1"


rule page:
    input:
        page_inputs,
        stamp=stage_stamp("report"),
    output:
        page=report(
            "results/{study}/report.html",
            caption="../report/page.rst",
            category="3. Page",
            subcategory="{study}",
            labels={"page": "report"},
        ),
        receipt=f"results/{STAGE['report'].mark}",
    log:
        "results/{study}/logs/page.log",
    benchmark:
        "results/{study}/logs/page.tsv"
    conda:
        "../../envs/transfergrid.yaml"
    resources:
        mem_mb=growing(STAGE["report"].memory_mb),
        runtime=growing(STAGE["report"].minutes),
    message:
        "Writing the report of {wildcards.study}"
    shell:
        'python "$TRANSFERGRID"/write_page.py --stamp {input.stamp:q} --output {output.page:q} > {log:q} 2>&1'
