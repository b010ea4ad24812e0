"""The table of images that look like one that a network should not have learned."""

from __future__ import annotations

from transfergrid.catalog.records import Column, Table

LEAKS = Table(
    name="leaks",
    rows=(
        "One row per data set and pair of splits of which one should not know the other; where a "
        "data set is cut into folds, one per fold, whose test part is compared with all others. "
        "Then, for each data set on which networks are tested that learned another one (before, or "
        "in place of it: `external`), one row per split, compared with all images of that other "
        "data set; where both are cut into folds, one row per fold, compared with the parts that "
        "were learned for it."
    ),
    caption=(
        "One row per data set and pair of splits, and per split and data set that networks learned "
        "before: how many images are there again, equal pixel by pixel, or nearly equal by their "
        "difference hashes. ``transfergrid leaks`` lists the pairs."
    ),
    columns=(
        Column(
            "dataset, fold, split", "the images that are looked for; `all` stands for every one"
        ),
        Column("other_dataset, other_split", "where they are looked for"),
        Column("n_images", "images that are looked for"),
        Column(
            "n_equal",
            "how many of them are there as well, equal pixel by pixel as cached (or, between two "
            "data sets, byte for byte as files)",
        ),
        Column(
            "n_near",
            "how many others have a nearly equal one there: both difference hashes, along rows and "
            "along columns, at most 24 of 256 bits apart",
        ),
        Column("flags", "notes, separated by `;`"),
    ),
    flags=(
        Column(
            "not_judged",
            "images below 28 px, or so alike that hashes do not tell them apart: only equal ones "
            "are counted",
        ),
        Column("no_record", "the record of a data set's images is missing: nothing was compared"),
    ),
)
