"""What a reader must know before any number: banners, the summary line, what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from transfergrid.catalog.axes import RUN
from transfergrid.catalog.mask_metrics import LEAST_PATIENTS
from transfergrid.planning.grid import ALL
from transfergrid.reporting.flags import flags_of
from transfergrid.reporting.folds import answered, trained
from transfergrid.reporting.page.elsewhere_rows import backwards
from transfergrid.reporting.page.groups import near
from transfergrid.reporting.page.mask_state_rows import never_marked
from transfergrid.reporting.records import CellRecord
from transfergrid.reporting.words import listing, plural
from transfergrid.statistics.named import WITHOUT

PRELIMINARY = "every answer is preliminary and may change once all cells are there."


@dataclass(frozen=True)
class Note:
    """A banner: ``kind`` is ``warning`` or ``remark``."""

    kind: str
    title: str
    text: str


@dataclass(frozen=True)
class Failed:
    """A cell without numbers, why, and the last line of its log where that says more."""

    cell: str
    status: str
    reason: str
    log: str = ""


@dataclass(frozen=True)
class Snapshot:
    """What the page of a study that is not finished knows beside its tables.

    Attributes:
        when: When it was taken, as text.
        unfinished: Per cell without a result, where it stood at that time.
    """

    when: str
    unfinished: Mapping[str, Failed]


def notes(
    study: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    cards: Mapping[str, Mapping[str, Any]],
    snapshot: Snapshot | None = None,
    contents: Mapping[str, Mapping[str, int]] | None = None,
) -> list[Note]:
    """Return the banners of a study, gravest first.

    Args:
        study: The study's JSON.
        tables: The study's tables.
        cards: Per dataset its card.json.
        snapshot: Given where the study is not finished.
        contents: Per dataset how many cells were trained on each content of it.
    """
    cells = tables["cells"]
    targets = {name: card for name, card in cards.items() if name in set(cells["dataset"])}
    found = [
        _mixed(contents or {}),
        _phantom(targets),
        _slice(study.get("slice")),
        _unfinished(trained(cells), snapshot),
        _patients(targets),
        _learned_before(tables["leaks"]),
        _shortcuts(tables.get("shortcuts")),
        _backwards(tables.get("external"), study),
        _never_marked(tables, study),
        _one_seed(cells),
        _folds(trained(cells), cards),
        *_few(answered(cells), cards),
        *(
            Note("remark", name, " ".join(own))
            for name, card in cards.items()
            if (own := _own(card))
        ),
    ]
    return [note for note in found if note is not None]


def _own(card: Mapping[str, Any]) -> list[str]:
    # Unknown patients and drawn images have warnings of their own.
    warned = ("Patients are unknown", "The images are drawn")
    return [str(text) for text in card.get("notes", []) if not str(text).startswith(warned)]


def _mixed(contents: Mapping[str, Mapping[str, int]]) -> Note | None:
    """Say where cells that are compared were trained on different images."""
    mixed = {name: found for name, found in contents.items() if len(found) > 1}
    if not mixed:
        return None
    told = [
        f"{listing([plural(count, 'cell') for count in found.values()])} of {name} were trained "
        f"on {len(found)} different contents of it"
        for name, found in mixed.items()
    ]
    return Note(
        "warning",
        "Data that changed",
        f"{'; '.join(told)}: images, labels or their decoding changed in between, so a difference "
        "between such cells may be one of the data. Remove the cells of all contents but one and "
        "run the study again.",
    )


def _phantom(cards: Mapping[str, Mapping[str, Any]]) -> Note | None:
    drawn = [name for name, card in cards.items() if card.get("synthetic")]
    if not drawn:
        return None
    return Note(
        "warning",
        "Phantom data",
        f"The test images of {listing(drawn)} are drawn by a program. This page proves that the "
        "machinery works; it makes no medical claim.",
    )


def _slice(part: Mapping[str, Any] | None) -> Note | None:
    """Say what a slice of a study leaves out."""
    if not part:
        return None
    text = (
        f"This page holds {part['kept']} of the study's {plural(part['whole'], 'cell')}, those "
        "that the option 'only' asked for."
    )
    lost = [
        f"{axis} {listing([str(value) for value in values])}"
        for axis, values in part["left_out"].items()
    ]
    if lost:
        text += f" Left out: {'; '.join(lost)}."
    if part["questions"]:
        text += f" Without them there is no answer to: {listing(list(part['questions']))}."
    return Note("warning", "A slice of the study", text)


def _unfinished(cells: pd.DataFrame, snapshot: Snapshot | None) -> Note | None:
    status = cells.drop_duplicates("cell").set_index("cell")["status"]
    missing = int((status == "missing").sum())
    if snapshot is None and not missing:
        return None
    if snapshot is None:
        text = f"{plural(missing, 'cell is', 'cells are')} missing from this page"
        return Note("warning", "Unfinished", f"{text}; {PRELIMINARY}")
    have = f"Taken on {snapshot.when}: {len(status) - missing} of {len(status)} cells have results"
    if not missing:
        return Note("remark", "Snapshot", f"{have}.")
    found = [entry.status for cell, entry in snapshot.unfinished.items() if cell in status.index]
    told = listing([f"{number} {word}" for word, number in Counter(found).items()])
    text = f"{have}. The others are listed below: {told}; {PRELIMINARY}"
    return Note("warning", "Snapshot", text)


def _patients(cards: Mapping[str, Mapping[str, Any]]) -> Note | None:
    unknown = [name for name, card in cards.items() if card.get("patients") == "unknown"]
    if not unknown:
        return None
    grouped = [name for name in unknown if cards[name].get("group")]
    joined = f" Of {listing(grouped)}, images that look alike count as one." if grouped else ""
    return Note(
        "warning",
        "Patients unknown",
        f"{listing(unknown)} {'do' if len(unknown) > 1 else 'does'} not say which images belong to "
        "one patient. Each study, or each image where studies are unknown too, counts as a "
        "patient: if patients have several, intervals are too narrow, and a patient may be in more "
        f"than one split.{joined}",
    )


def _learned_before(leaks: pd.DataFrame) -> Note | None:
    """Say where networks had learned images of the data set that they are tested on."""
    others = leaks[(leaks["dataset"] != leaks["other_dataset"]) & leaks["n_images"].notna()]
    found = others[(others["n_equal"] > 0) | (others["n_near"] > 0)]
    if found.empty:
        return None
    told = [_told(row) for row in found.to_dict("records")]
    return Note(
        "warning",
        "Images learned before",
        f"Networks that start from one data set have seen images of another: {'; '.join(told)}. "
        "`transfergrid leaks` lists them.",
    )


def _shortcuts(shortcuts: pd.DataFrame | None) -> Note | None:
    """Say where a column of the data set's table predicts a label nearly as well as a network."""
    told = near(shortcuts)
    if not told:
        return None
    return Note(
        "warning",
        "Shortcuts",
        "Labels can be predicted without looking at a film, better than by chance and at least "
        "half as far beyond it as a network does, or a network is not shown to do better: "
        f"{told}. Such a network may have learned the column in place of the sign.",
    )


def _backwards(external: pd.DataFrame | None, study: Mapping[str, Any]) -> Note | None:
    """Say where networks rank patients of another hospital the wrong way round."""
    told = backwards(external, str(study["evaluation"]["primary"])) if external is not None else ""
    if not told:
        return None
    return Note(
        "warning",
        "Below chance elsewhere",
        f"The AUROC on films of other hospitals lies below one half with its interval: {told}. "
        "Such a network has learned something that goes with the finding at home and against it "
        "there, such as how ill patients are photographed; or labels mean the opposite there, or "
        "black is white. Look at films of both before anything is concluded.",
    )


def _never_marked(tables: Mapping[str, pd.DataFrame], study: Mapping[str, Any]) -> Note | None:
    """Say which structures networks never find, which means over films may hide."""
    told = never_marked(tables.get("mask_states"), tables["cells"], study)
    return Note("warning", "Never marked", told) if told else None


def _told(row: Mapping[Any, Any]) -> str:
    """Say how many images of a split are among those of another data set."""
    split = "" if row["split"] == ALL else f", {row['split']}"
    split += "" if row["fold"] == ALL else f" of fold {row['fold']}"
    nearly = "" if pd.isna(row["n_near"]) else f" and {int(row['n_near'])} nearly so"
    return (
        f"of {plural(int(row['n_images']), 'image')} of {row['dataset']}{split}, "
        f"{int(row['n_equal'])} are equal to one of {row['other_dataset']}{nearly}"
    )


def _one_seed(cells: pd.DataFrame) -> Note | None:
    if cells["seed"].nunique() > 1:
        return None
    return Note(
        "remark",
        "One seed",
        "Every network was trained once. Intervals hold what the choice of patients does, not "
        "what another seed would do.",
    )


def _folds(cells: pd.DataFrame, cards: Mapping[str, Mapping[str, Any]]) -> Note | None:
    """Say what a number is where cells are folds, and which of them a slice has."""
    folds = cells[cells["fold"] != ALL]
    if folds.empty:
        return None
    told, whole = [], True
    for name, rows in folds.groupby("dataset"):
        there = sorted(set(rows["fold"]), key=int)
        k = int(cards.get(str(name), {}).get("folds", len(there)))
        whole &= len(there) == k
        only = f" (here only fold{'s' * (len(there) > 1)} {listing(there)})" * (len(there) < k)
        told.append(f"{name} in {k} folds{only}")
    tested = "every patient is" if whole else "patients of the folds that are here are"
    return Note(
        "remark",
        "Cross-validation",
        f"{listing(told)}: {tested} tested once, by a network that has not seen them. What is "
        "shown is the mean over folds of each fold's score; the single folds are folded away with "
        "their network. They share training patients, so they are no sample.",
    )


_OF_CLASSES = {
    "few_positives": "fewer than 30 patients with positives",
    "few_negatives": "fewer than 30 patients with negatives",
    "scarce_positives": "fewer than 5 patients with positives: intervals rest on a model",
    "scarce_negatives": "fewer than 5 patients with negatives: intervals rest on a model",
    "single_class": "a single class in the test split, so no score",
    "no_variance": "scores without variance between patients",
    "undefined": "no value of the metric, though both classes are there",
    "no_threshold": "no operating point, because the validation split has a single class",
}
_OF_MASKS = {
    "few_patients": (
        f"fewer than {LEAST_PATIENTS} patients, so an interval may miss what a few films that fail "
        "would do to the mean"
    ),
    "no_variance": "scores without variance between patients",
    "undefined": "no value of the metric, because no film counts",
}
"""Flags of a score, in words, gravest first."""


def _few(cells: pd.DataFrame, cards: Mapping[str, Mapping[str, Any]]) -> list[Note | None]:
    """Say where patients are few: those of a class, or of data sets with masks all of them."""
    masked = cells["dataset"].isin([name for name, card in cards.items() if card.get("masks")])
    found = []
    for title, rows, words in (
        ("Small classes", cells[~masked], _OF_CLASSES),
        ("Few patients", cells[masked], _OF_MASKS),
    ):
        flags = {flag for text in rows["flags"] for flag in flags_of(text)}
        parts = [
            f"{listing(tasks)}: {text}"
            for kind, text in words.items()
            if (tasks := _flagged(flags, kind))
        ]
        parts += [
            f"{listing(_flagged(flags, fold))}: the patients of fold {fold.removeprefix(WITHOUT)} "
            "lack a class, or have one patient of it, so the mean is over the other folds"
            for fold in sorted({name for name, _ in flags if name.startswith(WITHOUT)})
        ]
        found.append(Note("remark", title, "; ".join(parts) + ".") if parts else None)
    return found


def _flagged(flags: set[tuple[str, str]], kind: str) -> list[str]:
    """Return the tasks that have a flag."""
    return sorted(task for name, task in flags if name == kind)


def summary(
    cells: pd.DataFrame,
    cards: Mapping[str, Mapping[str, Any]] | None = None,
    trainings: pd.DataFrame | None = None,
) -> list[tuple[str, str]]:
    """Return the study's size as (number, what) pairs.

    Args:
        cells: Rows of cells.csv under the primary selection, single folds left out.
        cards: Per dataset its card.json, which says whether its patients are known.
        trainings: Rows of what was trained, where folds are; None for `cells`.
    """
    done, every = cells[cells["score"].notna()], cells if trainings is None else trainings
    # A fold that lacks a class has no mean over tasks, and still is in that of its run.
    folded = (every["fold"] != ALL) & (every["status"] == "finished")
    ended = int((every["score"].notna() | folded).sum())
    pairs = [
        (f"{ended} of {len(every)}" if ended < len(every) else str(len(every)), "cells"),
        *_sizes(cells),
    ]
    if folds := set(every["fold"]) - {ALL}:
        pairs.insert(1, (str(len(cells)), "run" if len(cells) == 1 else "runs"))
        pairs.append((str(len(folds)), "fold" if len(folds) == 1 else "folds"))
    for dataset, rows in done.groupby("dataset", sort=False):
        card = (cards or {}).get(str(dataset), {})
        what = "patients"
        if card.get("patients") == "unknown":  # each of these counts as a patient
            what = "studies" if card.get("studies") == "known" else "images"
            what = "films" if card.get("masks") else what
            what = "groups of alike images" if card.get("group") else what
        pairs.append((f"{int(rows['n_patients'].max()):,}", f"test {what}, {dataset}"))
    return pairs


def _sizes(cells: pd.DataFrame) -> list[tuple[str, str]]:
    """Count the values of each axis, except those on which nothing is compared."""
    found = []
    for axis in RUN:
        if axis == "dataset":
            continue
        number = int(cells[axis].nunique())
        if number > 1 or axis not in ("truncation", "protocol"):
            found.append((str(number), axis if number == 1 else f"{axis}s"))
    return found


def failed(
    cells: pd.DataFrame,
    sources: pd.DataFrame,
    records: Mapping[str, CellRecord],
    snapshot: Snapshot | None = None,
) -> list[Failed]:
    """Return every target and source without a result, and what is known of the reason."""
    unfinished = snapshot.unfinished if snapshot else {}
    found = []
    for table in (cells, sources):
        bad = table[table["status"] != "finished"]
        for cell, status in zip(bad["cell"], bad["status"], strict=True):
            record = records.get(cell)
            told = record.train.get("reason") if record else None
            default = "not trained or not scored yet" if status == "missing" else "not recorded"
            reason, log = str(told or default), record.log if record else ""
            log = "" if log in reason else log
            found.append(unfinished.get(cell) or Failed(cell, status, reason, log))
    return found
