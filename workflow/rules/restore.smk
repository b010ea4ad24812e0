"""Records of a trained cell that were lost, from the copy that its training left.

Only a file that is gone is asked for: training writes them, and declares none of them, because
Snakemake would remove them before a training that was killed goes on.
"""


rule restore:
    input:
        ancient("results/cells/{cell}/train.json"),
    output:
        "results/cells/{cell}/{record}",
    log:
        "results/cells/{cell}/logs/restore.{record}.log",
    wildcard_constraints:
        record="|".join(map(re.escape, outputs.KEPT)),
    localrule: True
    conda:
        "../../envs/transfergrid.yaml"
    shell:
        'python "$TRANSFERGRID"/restore.py {output:q} > {log:q} 2>&1'
