"""leaks.csv: images that look like one that a network should not have learned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfergrid.planning.grid import ALL
from transfergrid.planning.passed_on import passed_on, scored_elsewhere
from transfergrid.planning.paths import origin_file
from transfergrid.reporting.records import read_cards
from transfergrid.reporting.tables import gathering

if TYPE_CHECKING:
    import pandas as pd


def leaks_table(study: Mapping[str, Any], results: Path, workers: int = 1) -> pd.DataFrame:
    """Return leaks.csv: equal and nearly equal images across splits, and across data sets.

    Args:
        study: The stamp's content.
        results: Root of all outputs.
        workers: Threads that compare the images of two data sets.

    Returns:
        The columns of its declaration: for each data set a row per pair of splits (of folds, per
        fold), and for each that another one was learned before, or that networks of another one
        are tested on, a row per split.
    """
    rows = [*_within(study, results), *_between(study, results, workers)]
    return gathering.frame(study, "leaks", rows, ("n_images", "n_equal", "n_near"))


def _within(study: Mapping[str, Any], results: Path) -> Iterator[dict[str, Any]]:
    for name, card in read_cards(study, results).items():
        told = card.get("twins", {})
        for row in told.get("across", ()):
            judged = told["threshold"] is not None
            yield {
                "dataset": name,
                "fold": row["fold"],
                "split": row["split"],
                "other_dataset": name,
                "other_split": row["other"],
                "n_images": row["images"],
                "n_equal": row["equal"],
                "n_near": row["near"] if judged else None,
                "flags": "" if judged else "not_judged",
            }


def _between(study: Mapping[str, Any], results: Path, workers: int) -> Iterator[dict[str, Any]]:
    # Heavy, and of use only where networks start from others that learned another data set.
    from transfergrid.data.admission import read_origin
    from transfergrid.data.leaks import between

    externals = study.get("externals", ())
    names = {one["dataset"]: one["tested_on"] for one in externals}
    names |= {entry["dataset_id"]: entry["dataset"] for entry in study["cells"]}
    # Of films that are only tested on, the others lie in no test.
    only_tests = {one["dataset"] for one in externals if one["split"] == "test"}
    before = passed_on(study["cells"])
    pairs = [*before, *scored_elsewhere(study["cells"], externals)]
    for pair in dict.fromkeys(pairs):
        target, source, folds = pair
        both = {"dataset": names[target], "other_dataset": names[source], "other_split": ALL}
        one, other = (read_origin(origin_file(key, results)) for key in (target, source))
        if one is None or other is None:
            yield {**both, "fold": ALL, "split": ALL, "flags": "no_record"}
            continue
        label = f"{names[target]} and {names[source]}"
        for leak in between(one, other, label, workers, folds):
            if leak.split in ("train", "valid") and target in only_tests and pair not in before:
                continue
            yield {
                **both,
                "other_split": leak.other,
                "fold": leak.fold,
                "split": leak.split,
                "n_images": leak.images,
                "n_equal": leak.equal,
                "n_near": leak.near,
                "flags": "" if leak.near is not None else "not_judged",
            }
