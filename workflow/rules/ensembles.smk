"""Stored scores to ensembles: a job makes all those of many cells and lists them in its receipt.

The receipt alone is declared, and what is made of the same scores already is kept: so one more seed
or selection makes only its own. Where ensembles were lost, the job of their part declares them as well.
"""


rule ensembles:
    input:
        shard_inputs,
        stamp=stage_stamp("ensembles"),
    output:
        receipt=f"results/{STAGE['ensembles'].mark}",
    log:
        "results/{study}/logs/ensembles/{shard}.log",
    benchmark:
        "results/{study}/logs/ensembles/{shard}.tsv"
    conda:
        "../../envs/transfergrid.yaml"
    resources:
        mem_mb=growing(STAGE["ensembles"].memory_mb),
        runtime=growing(STAGE["ensembles"].minutes),
    message:
        "Making ensembles of {wildcards.study}, part {wildcards.shard}"
    shell:
        'python "$TRANSFERGRID"/ensembles.py --stamp {input.stamp:q} --receipt {output.receipt:q} > {log:q} 2>&1'


# Local, for a cluster's job that reads the rules again would find nothing lost.
for PART in outputs.lost_parts(FILES):

    rule:
        name:
            PART.rule
        input:
            [
                f"results/{name}"
                for name in outputs.shard_sources(PLAN.studies[PART.study], PART.shard)
            ],
            stamp=f"results/stamps/{PLAN.studies[PART.study].stamps['ensembles'][0]}",
        output:
            [f"results/{name}" for name in PART.lost],
            receipt=f"results/{PART.mark}",
        log:
            f"results/{PART.study}/logs/ensembles/{PART.shard}.log",
        benchmark:
            f"results/{PART.study}/logs/ensembles/{PART.shard}.tsv"
        localrule: True
        conda:
            "../../envs/transfergrid.yaml"
        message:
            f"Making {len(PART.lost)} ensembles of {PART.study} again, which were lost"
        shell:
            'python "$TRANSFERGRID"/ensembles.py --stamp {input.stamp:q} --receipt {output.receipt:q} > {log:q} 2>&1'

    workflow.ruleorder(PART.rule, "ensembles")
