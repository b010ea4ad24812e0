"""The stages: the nodes of the graph from source to report.

Rules, ``rule all``, stamps, fingerprints, `plan`, `watch`, `snapshot`, `prune` and the benchmarks
loop over them. Some (``spec``, ``restore``, ``figure``) only bring back what others made, and
have no code that a result depends on.
"""

from __future__ import annotations

from transfergrid.catalog.records import Stage, receipt_of
from transfergrid.catalog.tables import ANALYSES

CELL = "cells/{cell}"

STAGES: tuple[Stage, ...] = (
    Stage("prepare", "dataset", "cache/{dataset_id}/receipt.json", code=("data.cache",)),
    Stage("weights", "weights", "weights/{weights_id}/receipt.json", code=("models.pretraining",)),
    Stage("spec", "cell", f"{CELL}/spec.json", reads=("prepare", "weights", "train", "tune")),
    Stage(
        "tune",
        "tuning",
        "tuning/{tuning_id}/tuning.json",
        reads=("train",),
        code=("training.choice",),
    ),
    Stage(
        "train",
        "cell",
        f"{CELL}/train.json",
        reads=("spec",),
        writes=(f"{CELL}/receipts/train.json",),
        code=("training.loop",),
    ),
    Stage("restore", "cell", f"{CELL}/{{record}}", reads=("train",)),
    Stage(
        "evaluate",
        "cell",
        f"{CELL}/receipts/evaluate.json",
        reads=("train",),
        writes=(f"{CELL}/scores/valid.npz", f"{CELL}/scores/test.npz"),
        code=("evaluation.predict", "evaluation.ahead"),
    ),
    Stage(
        "ensemble",
        "ensemble",
        "{study}/ensemble/{cell}/{selection}/test.parquet",
        reads=("evaluate",),
        writes=("{study}/ensemble/{cell}/{selection}/valid.parquet",),
        code=("evaluation.ensemble",),
    ),
    Stage(
        "cams",
        "cell",
        "{study}/cams/{cell}.npz",
        reads=("train",),
        code=("evaluation.cam",),
        holds=("films", "regions"),
        asked_by="cams",
    ),
    Stage(
        "gather",
        "study",
        "{study}/gathered.json",
        reads=("evaluate", "ensemble"),
        code=("runtime.sealed",),
        holds=("cells",),
    ),
    *ANALYSES,
    Stage(
        "figures",
        "study",
        receipt_of("figures"),
        reads=("cells", "calibration", "statistics", "pointing", "cams"),
        code=("reporting.figures.files",),
        holds=("evaluation.primary", "evaluation.confidence", "claims", "mapped"),
    ),
    Stage("figure", "figure", "{study}/figures/{figure}.svg", reads=("figures",)),
    Stage(
        "report",
        "study",
        receipt_of("report"),
        reads=("gather", *(stage.name for stage in ANALYSES), "figures", "cams"),
        writes=("{study}/report.html",),
        code=("reporting.page.page",),
        holds=(
            "tunings",
            "evaluation",
            "questions",
            "claims",
            "title",
            "description",
            "recipes",
            "resolved",
            "slice",
            "source",
            "benchmark",
            "templates",
        ),
        rule="page",
    ),
)
"""Every stage; each stands after those of a study that it reads."""

STAGE = {stage.name: stage for stage in STAGES}
"""The stages by name."""
