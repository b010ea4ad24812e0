"""What the columns of an unknown table are, its labels among them; each guess with its reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from transfergrid.commands.blanks import known_cells, words_for_nothing
from transfergrid.commands.films import Told
from transfergrid.commands.guess import FEWEST, TRUTH, Guess, columns_named, is_truth, spaced
from transfergrid.commands.guessed_parts import guess_parts, part_columns
from transfergrid.commands.guessed_people import (
    PEOPLE,
    guess_people,
    with_torn_studies,
    without_torn_studies,
)
from transfergrid.runtime.errors import UserError, listed

_IS_LABEL = r"(finding |image )?labels?|class(es)?|target|diagnosis|dx"
"""Of a column that nothing but labels can be in."""
LABEL = r"label|class|diagnos|finding|target|\bdx\b|outcome|patholog|categor"
NO_LABEL = ("No Finding", "no finding", "Normal", "normal", "none", "None")
_OFTEN = 2 * FEWEST
"""Images with a label above which a part of them seldom lacks it."""
MOST_CLASSES = 20
_MOST_LABELS = 100
_WORDS = {
    **dict.fromkeys(("yes", "y", "positive", "pos", "present"), 1),
    **dict.fromkeys(("no", "n", "negative", "neg", "absent"), 0),
}
"""Pairs of words that can only mean that something is there or not."""
_SEEN_FROM = r"lateral|\b(side|site|scanner|vendor|hospital|modality|reader)\b|manufact"
"""Of columns of two values that are how a film was made, and seldom a label."""
_DESCRIBED_BY = r"\bage\b|sex|gender|\b(fe)?male\b"
"""Of columns that a study compares patients by, and seldom learns."""


def guess_columns(
    frame: pd.DataFrame,
    image: str,
    headers: Mapping[str, Told] | None = None,
    known: Sequence[Guess] = (),
) -> list[Guess]:
    """Say what the other columns of a table are.

    Args:
        frame: Cells as text, blanks as null.
        image: The column of images.
        headers: What the headers of DICOM files say, by keyword.
        known: Guesses of patients, studies and views that have been made already.

    Returns:
        Guesses; with one of `split` or `folds` only where the table says which part a row is in.

    Raises:
        UserError: No column looks like labels, or that of patients is blank in places.
    """
    headers = headers or {}
    people = guess_people(frame, {image}, headers, PEOPLE, known)
    taken = {image, *(guess.value for guess in people if guess.value)}
    parts = guess_parts(frame, taken)
    taken |= {*part_columns(frame, taken)}
    labels = _labels(known_cells(frame), taken)
    shown = next(guess.value for guess in labels if guess.key == "label_columns")
    whole = without_torn_studies(headers, frame[shown])
    people = guess_people(frame, {image}, whole, PEOPLE, known)
    people = with_torn_studies(people, headers, frame)
    if [guess.key for guess in labels] == ["label_columns"]:  # of 0 and 1
        words = words_for_nothing(frame, labels[0].value)
        why = "what stands where a label is not known"
        labels += [Guess("label_values", dict.fromkeys(words), why)] if words else []
    return [*labels, *people, *parts]


def truth_columns(frame: pd.DataFrame, taken: Iterable[str]) -> list[str]:
    """Return the columns of 0 and 1 that are nothing else, and tell no age and no sex."""
    apart = {*taken, *columns_named(frame, _DESCRIBED_BY, taken)}
    return [name for name in frame.columns if name not in apart and is_truth(frame[name])]


def _labels(frame: pd.DataFrame, taken: set[str]) -> list[Guess]:
    open_ = [name for name in frame.columns if name not in taken]
    binary = truth_columns(frame, taken)
    kept = [name for name in binary if _enough(frame[name])]
    named = columns_named(frame, LABEL, taken)
    called = [name for name in named if re.fullmatch(_IS_LABEL, spaced(name), re.IGNORECASE)]
    # What a column called label says is meant, and not whether a film was portable.
    whole = [] if {*called} & {*kept} else [_one_column(frame, name, True) for name in called]
    for found in filter(None, whole):
        more = f"; columns of 0 and 1 are not learned: {listed(kept, 5)}" if kept else ""
        return [replace(found[0], why=found[0].why + more), *found[1:]]
    if kept:
        rare = [name for name in binary if name not in kept]
        why = "columns of 0 and 1, each a task" + _left_out(rare)
        unsure = [name for name in open_ if name not in binary and _is_unsure(frame[name])]
        why += f"; left out {listed(unsure, 5)}, with -1 as well" if unsure else ""
        return [Guess("label_columns", kept, why)]
    for name in [*named, *(other for other in open_ if other not in named)]:
        guesses = _one_column(frame, name, name in named)
        if guesses:
            return guesses
    unsure = [name for name in open_ if _is_unsure(frame[name])]
    told = f"; {listed(unsure, 5)} have -1, whose meaning `label_values` of a study says"
    raise UserError(
        f"none of the columns {listed(open_)} looks like labels (0 and 1 with {FEWEST} of each at "
        f"least, or 2 to {MOST_CLASSES} classes with as many images){told if unsure else ''}; add "
        "them, or write the study by hand (docs/data.md)."
    )


def _one_column(frame: pd.DataFrame, name: str, named: bool) -> list[Guess] | None:
    values = frame[name].dropna()
    barred = values.str.split("|").explode().str.strip()
    if len(barred) > len(values):
        if barred.nunique() > _MOST_LABELS or not (barred.value_counts() >= FEWEST).any():
            return None  # a text, or numbers
        none = next((word for word in NO_LABEL if (values == word).any()), None)
        told = f"cells of column '{name}' name several labels, divided by a bar"
        more = [Guess("no_label", none, "the label that stands for none")] if none else []
        more += _scored(values, none)
        return [
            Guess("label_columns", [name], told),
            Guess("label_separator", "|", "each label becomes a task"),
            *more,
        ]
    counts = values.value_counts()
    if not 2 <= len(counts) <= MOST_CLASSES or counts.min() < FEWEST or len(values) < len(frame):
        return None
    other = re.search(rf"{_DESCRIBED_BY}|{_SEEN_FROM}", spaced(name), re.IGNORECASE)
    if not named and (len(counts) > 2 or other):
        return None
    meant = {word: _WORDS.get(word.lower()) for word in sorted(counts.index)}
    if set(meant.values()) == {0, 1}:
        return [
            Guess("label_columns", [name], f"column '{name}' says {listed(list(meant))}"),
            Guess("label_values", meant, "what these words mean"),
        ]
    told = f"column '{name}' has {len(counts)} classes: {listed(counts.index.tolist(), 5)}"
    return [Guess("task_kind", "multiclass", told), Guess("label_columns", [name], "the same")]


def _scored(values: pd.Series, none: str | None) -> list[Guess]:
    """Name the labels that enough images have to be scored in each part, if some are rarer."""
    from transfergrid.data.manifest import identifiers

    labels = Counter(
        label.strip() for cell in values for label in cell.split("|") if label.strip() != none
    )
    names = sorted(labels)
    often = [names.index(label) for label in names if labels[label] >= _OFTEN]
    if len(often) == len(names):
        return []
    tasks = identifiers(names, "task")
    why = f"labels of at least {_OFTEN} images; the others are learned and not scored"
    return [Guess("score_tasks", [tasks[place] for place in often], why)]


def _is_unsure(column: pd.Series) -> bool:
    values = {str(value).lower() for value in column.dropna().unique()}
    return bool(values & {"-1", "-1.0"}) and values <= TRUTH | {"-1", "-1.0"}


def _enough(column: pd.Series) -> bool:
    positive = column.dropna().map(lambda value: str(value).lower() in ("1", "1.0", "true"))
    return min(int(positive.sum()), int((~positive).sum())) >= FEWEST


def _left_out(rare: Sequence[str]) -> str:
    if not rare:
        return ""
    return f"; left out {listed(list(rare), 5)}, with fewer than {FEWEST} of 0 or of 1"
