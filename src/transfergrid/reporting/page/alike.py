"""How alike networks are: what was compared, with what, and what may not be concluded, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from transfergrid.planning.state_pairs import PAIRS
from transfergrid.reporting.metric_words import MetricWords, metric_words
from transfergrid.reporting.page.methods import selection
from transfergrid.reporting.words import (
    count,
    known,
    level,
    listing,
    plural,
    plurals,
    split_of,
)

SPLIT = {"train": "training", "valid": "validation", "test": "test"}
APART: Mapping[str, str] = {
    "seeds": "two seeds of one pretraining and protocol",
    "sources": "two pretrainings by one protocol from one seed",
    "random": "random weights and loaded ones by one protocol from one seed",
    "drawn": "other pretrainings, one or both without loaded weights, by one protocol and seed",
    "protocols": "two protocols of one pretraining and seed",
    "several": "networks that differ in several of these",
}
"""What sets the two cells of a pair of agreement.csv apart."""
MOST = 12
"""Data sets, or files of layers, that are named one by one."""


@dataclass(frozen=True)
class SectionTable:
    """A short table of a section.

    Attributes:
        title: Its heading.
        heads: Headings of the columns, of which the first names the rows.
        numbers: Which columns hold numbers, by heading.
        rows: The cells, as they are printed.
    """

    title: str
    heads: tuple[str, ...]
    numbers: frozenset[str]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """A section of the page, but for its figures.

    Attributes:
        name: Its anchor.
        title: Its heading.
        lead: What it is about, in a sentence or two.
        facts: (what, words) in their order; the last says what may not be concluded.
        tables: Tables below these.
    """

    name: str
    title: str
    lead: str
    facts: tuple[tuple[str, str], ...]
    tables: tuple[SectionTable, ...] = ()


def sections(
    study: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    cards: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Section]:
    """Return the sections of a study that asks how alike its networks are; others have none.

    Args:
        study: The study's JSON.
        tables: The study's tables, by name.
        cards: Per data set name its card.json, where known.
    """
    found = []
    if len(tables.get("similarity", ())):
        found.append(features(study, tables["similarity"], cards))
    if len(tables.get("agreement", ())):
        found.append(predictions(study, tables["agreement"]))
    return found


def features(
    study: Mapping[str, Any],
    table: pd.DataFrame,
    cards: Mapping[str, Mapping[str, Any]] | None = None,
) -> Section:
    """Describe the comparison of activations.

    Args:
        study: The study's JSON.
        table: The rows of similarity.csv, at least one.
        cards: Per data set name its card.json, where known.
    """
    settings = study["resolved"]["similarity"]
    rows = table[table["measure"].notna()]
    facts = [
        ("Images", _images(rows)),
        ("Rows", _rows(rows)),
        ("Pairs", _pairs(table, PAIRS)),
        ("Weights", _checkpoint(study, rows, metric_words(study, cards))),
        (
            "Measures",
            "Mean CCA is the mean canonical correlation: 1 where one side is a linear map of the "
            "other, whatever their channels are called. Debiased linear CKA compares which images "
            "either side takes for similar. SVCCA, PWCCA, biased CKA and Procrustes stand in "
            "similarity.csv.",
        ),
        (
            "Floor",
            "What two networks reach that have nothing in common: the same rows, after all rows "
            "of a patient on one side were given to another patient, "
            f"{plural(settings['permutations'], 'time')} for each pair. Its band is the "
            "middle 95 % of that. It is far from 0 where rows are few for the channels.",
        ),
        (
            "Intervals",
            f"{level(float(study['evaluation']['confidence']))}, by a jackknife that leaves out "
            "groups of patients; a mean over seeds has the mean of their intervals. They do not "
            "hold what other seeds would do.",
        ),
        *_trouble(table),
        ("Not to be concluded", _features_do_not_say(table, rows)),
    ]
    lead = (
        "What two networks make of the same images, layer by layer, before and after training. "
        "A similarity is read against its floor, and against that of two seeds of one kind."
    )
    return Section("features", "Features", lead, tuple(facts))


def predictions(study: Mapping[str, Any], table: pd.DataFrame) -> Section:
    """Describe the comparison of predictions.

    Args:
        study: The study's JSON.
        table: The rows of agreement.csv, at least one.
    """
    # It brings scipy, which the pages of other studies do without.
    from transfergrid.similarity.predictions import THRESHOLD

    primary = str(study["evaluation"]["primary"])
    rows = table[table["measure"].notna() & table["task"].map(lambda task: not known(task))]
    facts = [
        ("Cases", _cases(rows)),
        ("Pairs", _pairs(table, APART)),
        ("Checkpoints", f"Those of {primary}, as in all scores: {selection(primary)}."),
        (
            "Right and wrong",
            f"A sign is called where its probability is above {THRESHOLD:g}, whatever its "
            "frequency; of exclusive classes the likeliest one is. Two networks agree on a case "
            "if both are right or both are wrong. Several tasks are compared one by one and "
            "averaged.",
        ),
        (
            "Baseline, ceiling",
            "Two independent networks with accuracies a and b agree on a share of "
            f"{_whole('ab + (1 − a)(1 − b)')}, and none of these accuracies on more than "
            f"{_whole('1 − |a − b|')}. The excess is what a pair has above the first, as a share "
            "of what is left up to 1.",
        ),
        (
            "Intervals",
            f"{level(float(study['evaluation']['confidence']))}, by patient; a mean over seeds "
            "has the mean of their intervals.",
        ),
        *_lost(table),
        *_few_patients(table),
        ("Not to be concluded", _predictions_do_not_say(table)),
    ]
    lead = (
        "Whether two networks are right and wrong about the same test studies. Good networks "
        "agree by being right, so an agreement is read against what independent networks of the "
        "same accuracies reach, and against that of two seeds of one kind."
    )
    return Section("predictions", "Predictions", lead, tuple(facts))


def _whole(formula: str) -> str:
    """Return a formula that no line break divides."""
    return formula.replace(" ", "\u00a0")


def _images(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "None: no pair could be compared."
    found = []
    for (dataset, split), part in rows.groupby(["dataset", "split"], sort=False):
        sizes = f"{plurals(part['images'], 'image')} of {plurals(part['patients'], 'patient')}"
        found.append(f"{sizes} in {split_of(str(dataset), SPLIT.get(str(split), str(split)))}")
    told = listing(_few(found))
    learned = " The networks were trained on these." if set(rows["split"]) == {"train"} else ""
    return f"{told}; the same for all networks of a data set.{learned}"


def _rows(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "None."
    sizes = rows.groupby(["layer", "depth"], sort=False)["n"].agg(["min", "max"]).reset_index()
    sizes = sizes.sort_values("depth", kind="stable")
    told = [
        f"{name}\u00a0{count(low)}" + (f" to {count(high)}" if high > low else "")
        for name, low, high in zip(sizes["layer"], sizes["min"], sizes["max"], strict=True)
    ]
    return (
        "A row is one position of one image, the same in all networks; few of many images, "
        f"because neighbours resemble each other. By layer: {listing(_few(told))}."
    )


def _pairs(table: pd.DataFrame, reasons: Mapping[str, str]) -> str:
    numbers = table.drop_duplicates(["pair", "left", "right"])["pair"].value_counts()
    told = [
        f"{count(numbers[name])} of {told}" for name, told in reasons.items() if name in numbers
    ]
    return f"{plural(int(numbers.sum()), 'pair')}, within a data set, network and cut: " + (
        f"{'; '.join(told)}."
    )


def _checkpoint(
    study: Mapping[str, Any], rows: pd.DataFrame, metrics: Mapping[str, MetricWords]
) -> str:
    used = [study["primary_metric"].get(str(name)) for name in dict.fromkeys(rows["dataset"])]
    named = dict.fromkeys(metrics[name].mean for name in used if name in metrics)
    by = f" by {listing(list(named))}" if named else ""
    calibrated = rows["flags"].fillna("").str.contains("calibrated").any()
    start = (
        " Drawn weights start, as their training did, with batch norms that have the statistics of "
        "the training images."
        if calibrated
        else ""
    )
    return (
        "Before training: as drawn or released, each seeing images in the way that its weights "
        f"expect.{start} After it: one checkpoint, the best{by} on the validation split, whatever "
        "the selection of the scores. The new classifier is part of neither."
    )


def _trouble(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Say which comparisons are weaker than the others."""
    flags = table.drop_duplicates(["pair", "left", "right", "layer"])["flags"].fillna("")
    sets = [set(str(text).split(";")) for text in flags]
    words = {
        ("short",): "have fewer than ten rows a channel, so that similarities are high by chance",
        ("cut_left", "cut_right"): "leave out directions in canonical correlations, because rows "
        "are too few",
        ("dead_left", "dead_right"): "have no value: a layer says the same of every image",
        ("not_finite",): "have no value: activations hold NaN or infinity",
        ("one_patient",): "have neither interval nor floor: the images are of one patient",
        ("uneven_patients",): "have a floor that may be too low or too high, because patients "
        "have unlike numbers of images",
    }
    told = [
        f"{count(number)} {text}"
        for kinds, text in words.items()
        if (number := sum(bool(found & set(kinds)) for found in sets))
    ]
    compared = int(table.drop_duplicates(["pair", "left", "right", "layer"])["layer"].notna().sum())
    found = _lost(table)
    if told:
        text = f"Of {count(compared)} comparisons of a layer {'; '.join(told)}."
        found.append(("Remarks", text))
    return found


def _lost(table: pd.DataFrame) -> list[tuple[str, str]]:
    lost = table[table["flags"].fillna("").str.contains("diverged")]
    number = len(lost.drop_duplicates(["pair", "left", "right"]))
    if not number:
        return []
    return [("Left out", f"{plural(number, 'pair')}, because a training diverged.")]


def _few_patients(table: pd.DataFrame) -> list[tuple[str, str]]:
    number = int(table["flags"].fillna("").str.contains("few_patients").sum())
    if not number:
        return []
    values = int(table["measure"].notna().sum())
    text = (
        f"{count(number)} of {count(values)} values rest on fewer than ten patients, so that their "
        "intervals are too narrow."
    )
    return [("Remarks", text)]


def _cases(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "None: no pair could be compared."
    found = [
        f"{plurals(part['n'], 'study', 'studies')} of {plurals(part['patients'], 'patient')} in "
        f"{split_of(str(dataset))}"
        for dataset, part in rows.groupby("dataset", sort=False)
    ]
    return f"{listing(_few(found))}, those with a label; the same for both networks of a pair."


def _features_do_not_say(table: pd.DataFrame, rows: pd.DataFrame) -> str:
    return (
        "A similarity that is not above its floor says nothing, and values of two layers are "
        "compared only together with their floors. High similarity does not show that two "
        "networks use the same signs, nor that either is good; low similarity does not show that "
        "one is worse, since a change that no later layer uses counts as well. That two sources "
        "differ is a finding only as far as they differ more than two seeds of one"
        f"{_reference(table)}. Nothing here is a test, no number is adjusted for how many there "
        "are, and what is similar on these images may not be on others."
    )


def _predictions_do_not_say(table: pd.DataFrame) -> str:
    return (
        "A high share of agreement alone shows nothing: where nearly all answers are right, or a "
        "sign is rare, any two networks agree. Agreement does not show that two networks look at "
        "the same signs. That two sources predict alike, or differ, is a finding only beside two "
        f"seeds of one{_reference(table)}. Other thresholds give other shares; the correlation of "
        "ranks in agreement.csv needs none. Nothing here is a test, and no number is adjusted for "
        "how many there are."
    )


def _reference(table: pd.DataFrame) -> str:
    there = "seeds" in set(table.loc[table["measure"].notna(), "pair"])
    return "" if there else ", and this study has no such pair"


def _few(told: list[str]) -> list[str]:
    more = len(told) - MOST
    return told if more <= 0 else [*told[:MOST], f"{more} more"]
