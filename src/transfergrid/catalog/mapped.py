"""The table of class activation maps, with the stage that makes it."""

from __future__ import annotations

from transfergrid.catalog.records import Column, Table, analysis

CAMS = Table(
    name="cams",
    rows=(
        "Where a study asks for class activation maps (`cams`): one row per cell and task whose "
        "regions are known, or one row without a task where none is."
    ),
    caption=(
        "One row per cell and task: how often the class activation map's highest point lies "
        "in the true region (pointing game) and how far the map's region, by Otsu's "
        "threshold, overlaps it (IoU), over all positive test films with a known region. "
        "Intervals are by patient. ``_random`` is what random maps of the same size reach; "
        "``map_px`` is the map's size."
    ),
    columns=(
        Column(
            "cell, dataset, architecture, pretraining, truncation, protocol, seed, status",
            "as above",
        ),
        Column("task", "the label that the map is of"),
        Column("n, n_patients", "test films with a marked region, and their patients"),
        Column(
            "pointing, pointing_low, pointing_high",
            (
                "share of films whose map is highest inside the region (pointing game), and "
                "its interval"
            ),
        ),
        Column("pointing_random", "the same for random maps"),
        Column(
            "iou, iou_low, iou_high",
            (
                "mean intersection over union of the map's bright part and the region, and "
                "its interval"
            ),
        ),
        Column("blank", "share of films whose map is nowhere positive: it points nowhere"),
        Column("iou_random", "as `iou`, for random maps"),
        Column("map_px", "size of the last feature map, `height x width`"),
        Column("method", "how the map was made"),
        Column("step", "optimiser step of the checkpoint"),
        Column("region", "how the map's bright part is found"),
    ),
)

POINTING = analysis(
    "pointing",
    "reporting.tables.pointing:pointing",
    CAMS,
    title="Gathering where the maps of {wildcards.study} point",
    reads=("gather", "cams"),
    holds=("cams", "evaluation.confidence"),
    asked_by="cams",
)
