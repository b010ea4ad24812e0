"""What the columns of an unknown table may be, each guess with its reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from transfergrid.commands.blanks import known_cells, words_for_nothing
from transfergrid.commands.films import Told
from transfergrid.runtime.errors import UserError, listed

PATIENT = (
    r"(?<!in)(?<!out)patient|subject(?!iv)|participant|\bpid\b|person(?!n)|\bmrn\b|\bpat ?id\b|"
    r"\bcase ?id\b"
)
STUDY = r"study|exam(?!ple)|accession|visit"
VIEW = r"(?<!re)(?<!inter)view|projection|(?<!com)position"
PRIVATE = (
    r"name|birth|date|time|weight|size|height|position|descri|age|sex|gender|initial|address|phone|"
    r"history|comment|orient|\brace\b|ethnic|smok|status|type|class"
)
"""Of columns that tell something of a patient or a study, and not which one it is."""
_NAME = re.compile(r"\bnames?\b", re.IGNORECASE)
SPLIT = r"split|subset|partition|\bset\b|fold"
FOLD = r"\bfolds?\b"
_PARTED = r"\b(split|subset|partition|folds?|(?<!data )set)\b"
"""Of columns that say which part a row is in, whatever they say it with."""
_IN_PART = r"((is|in) )?(train|training|valid|val|validation|test|testing|holdout)( set)?"
"""Of columns of 0 and 1 that say which rows are in one part."""
_IS_LABEL = r"(finding |image )?labels?|class(es)?|target|diagnosis|dx"
"""Of a column that nothing but labels can be in."""
LABEL = r"label|class|diagnos|finding|target|\bdx\b|outcome|patholog|categor"
NO_LABEL = ("No Finding", "no finding", "Normal", "normal", "none", "None")
PARTS = {
    "train": ("train", "training", "tr"),
    "valid": ("valid", "val", "validation", "dev", "tune"),
    "test": ("test", "testing", "ts", "holdout"),
}
FEWEST = 12
"""Images with and without a label below which it may be missing from a part."""
_OFTEN = 2 * FEWEST
"""Images with a label above which a part of them seldom lacks it."""
MOST_CLASSES = 20
_MOST_LABELS = 100
_FEWEST_FOLDS, _MOST_FOLDS = 3, 20
_MOST_LOST = 0.5
_PEOPLE = (
    ("patient_column", PATIENT, "patients"),
    ("study_column", STUDY, "studies"),
    ("view_column", VIEW, "views"),
)
_TRUTH = {"0", "1", "0.0", "1.0", "true", "false"}
_WORDS = {
    **dict.fromkeys(("yes", "y", "positive", "pos", "present"), 1),
    **dict.fromkeys(("no", "n", "negative", "neg", "absent"), 0),
}
"""Pairs of words that can only mean that something is there or not."""
_SEEN_FROM = r"lateral|\b(side|site|scanner|vendor|hospital|modality|reader)\b|manufact"
"""Of columns of two values that are how a film was made, and seldom a label."""
_DESCRIBED_BY = r"\bage\b|sex|gender|\b(fe)?male\b"
"""Of columns that a study compares patients by, and seldom learns."""


@dataclass(frozen=True)
class Guess:
    """Lines of a study's data set.

    Attributes:
        key: The setting.
        value: Its value.
        why: What it rests on, for a comment.
    """

    key: str
    value: Any
    why: str


def guess_columns(
    frame: pd.DataFrame, image: str, headers: Mapping[str, Told] | None = None
) -> list[Guess]:
    """Say what the other columns of a table are.

    Args:
        frame: Cells as text, blanks as null.
        image: The column of images.
        headers: What the headers of DICOM files say, by keyword.

    Returns:
        Guesses; with one of `split` or `folds` only where the table says which part a row is in.

    Raises:
        UserError: No column looks like labels, or that of patients is blank in places.
    """
    people = guess_people(frame, {image}, headers or {}, _PEOPLE)
    taken = {image, *(guess.value for guess in people if guess.value)}
    parts = guess_parts(frame, taken)
    taken |= {part.value["column"] for part in parts}
    labels = _labels(known_cells(frame), taken)
    if [guess.key for guess in labels] == ["label_columns"]:  # of 0 and 1
        words = words_for_nothing(frame, labels[0].value)
        why = "what stands where a label is not known"
        labels += [Guess("label_values", dict.fromkeys(words), why)] if words else []
    return [*labels, *people, *parts]


def guess_people(
    frame: pd.DataFrame,
    taken: Iterable[str],
    headers: Mapping[str, Told],
    sought: Sequence[tuple[str, str, str]],
) -> list[Guess]:
    """Say which columns tell patients, studies and views.

    Args:
        frame: Cells as text, blanks as null.
        taken: Columns that are something else.
        headers: What the headers of DICOM files say, by keyword.
        sought: Settings, each with a pattern of columns' names and a word for what it tells.

    Returns:
        Guesses, one of `patient_column` among them.

    Raises:
        UserError: The column of patients is blank in places, or has ids such as p1 and P1.
    """
    found: list[Guess] = []
    frame = known_cells(frame)
    used = set(taken)
    for key, pattern, words in sought:
        guess = _identity(frame, key, pattern, words, used, headers)
        used |= {guess.value} if guess else set()
        found += [guess] if guess else []
    keys = [guess.key for guess in found]
    if "patient_column" not in keys:
        unit = "study" if "study_column" in keys else "image"
        called = [name for name in _named(frame, PATIENT, used) if _NAME.search(_spaced(name))]
        why = "no column looks like patients"
        why += f" ('{called[0]}' has names and no ids, and is not taken)" if called else ""
        found.append(no_patients(why, headers, unit))
    return found


def no_patients(why: str, headers: Mapping[str, Told], unit: str = "image") -> Guess:
    """Say that nobody knows whose films these are, and why headers do not tell either."""
    told = headers.get("PatientID")
    if told is not None and told.values:
        why += (
            f", and {told.lacking} of the films have no PatientID in their headers"
            if told.lacking
            else ", and all headers have the same PatientID"
        )
    mend = "name it if there is one"
    return Guess("patient_column", None, f"{why}, so each {unit} counts as one; {mend}")


def told_by_headers(keyword: str, headers: Mapping[str, Told]) -> bool:
    """Tell whether films differ in what most of their headers say.

    Where only a few do not say whose they are, reading the data set names them.
    """
    told = headers.get(keyword)
    return told is not None and told.values > 1 and told.lacking <= _MOST_LOST * told.films


def _identity(
    frame: pd.DataFrame,
    key: str,
    pattern: str,
    words: str,
    taken: set[str],
    headers: Mapping[str, Told],
) -> Guess | None:
    for name in sorted(_named(frame, pattern, taken), key=_unlike_an_id):
        values = frame[name].dropna()
        several = values.nunique() > 1
        if key == "view_column":
            fits = not re.search(rf"age|sex|gender|{PATIENT}", name, re.IGNORECASE)
        else:
            fits = len(values) == len(frame) and not re.search(
                PRIVATE, _spaced(name), re.IGNORECASE
            )
        if several and fits:
            if key == "patient_column":
                _refuse_cases(name, values)
            why = f"by its name; it has {values.nunique()} {words} of {len(frame)} images"
            return Guess(key, name, why)
    keyword = {"patient_column": "PatientID", "view_column": "ViewPosition"}.get(key)
    if keyword and told_by_headers(keyword, headers):
        why = f"no column, but the files' headers tell {headers[keyword].values} {words}"
        return Guess(key, keyword, why)
    if key == "patient_column":
        _refuse_blanks(frame, taken)
    return None


def _refuse_cases(name: str, ids: pd.Series) -> None:
    """Refuse ids such as p1 and P1, which are two patients to a split.

    Raises:
        UserError: Two ids differ in small and capital letters only.
    """
    distinct = pd.Series(sorted(ids.unique()))
    alike = distinct[distinct.str.casefold().duplicated(keep=False)]
    if len(alike):
        raise UserError(
            f"column '{name}' looks like patients and has ids that differ in small and capital "
            f"letters only ({listed(alike, 4)}); write equal ids alike, and others otherwise."
        )


def _refuse_blanks(frame: pd.DataFrame, taken: set[str]) -> None:
    """Refuse a column of patients with gaps, without which films would be split one by one.

    Raises:
        UserError: A column of patients is blank in some rows; one that mostly is tells none.
    """
    for name in _named(frame, PATIENT, taken):
        blank = frame[name].isna().to_numpy().nonzero()[0]
        private = re.search(PRIVATE, _spaced(name), re.IGNORECASE)
        if 0 < len(blank) <= len(frame) / 2 and frame[name].nunique() > 1 and not private:
            raise UserError(
                f"column '{name}' looks like patients and is blank or NA in {len(blank)} of "
                f"{len(frame)} rows ({listed([f'row {row + 1}' for row in blank], 3)}); fill it "
                "in, with an id of its own for a patient who is not known, or give the column "
                "another name if it does not tell patients."
            )


def _unlike_an_id(name: str) -> int:
    """Order columns: unique identifiers first, then other ids, then the rest as they stand."""
    bare = re.sub(r"[_\W]+", "", name).lower()
    return 0 if bare.endswith("uid") else 1 if bare.endswith(("id", "ids")) else 2


def _named(frame: pd.DataFrame, pattern: str, taken: Iterable[str]) -> list[str]:
    apart = set(taken)
    return [
        name
        for name in frame.columns
        if name not in apart and re.search(pattern, _spaced(name), flags=re.IGNORECASE)
    ]


def _spaced(name: str) -> str:
    return re.sub(r"[_\W]+", " ", name)


def guess_parts(frame: pd.DataFrame, taken: Iterable[str]) -> list[Guess]:
    """Find the column that says train, valid and test, or which fold.

    Returns:
        A guess of `split` or of `folds`; none where no column says so.

    Raises:
        UserError: One says which images are for validation or test, but not all three parts, or
            says it in words that are not known: a random split would train on some of these.
    """
    partly = ""
    named = _named(frame, SPLIT, taken)
    for name in [*named, *(other for other in frame.columns if other not in {*named, *taken})]:
        values = frame[name].dropna().unique().tolist()
        rule = {
            part: [value for value in values if str(value).lower() in words]
            for part, words in PARTS.items()
        }
        whole = sum(len(named) for named in rule.values()) == len(values)
        if whole and all(rule.values()) and frame[name].notna().all():
            return [Guess("split", {"column": name, **rule}, f"the values of column '{name}'")]
        if name not in named:
            parts = sum(map(bool, rule.values())) if whole else 0
            parted = parts > 1 or _says_one_part(frame, name)
        elif folds := _published(frame, name):
            return [folds]
        else:
            parted = bool(rule["valid"] or rule["test"]) or _says_parts(name, values)
        if not partly and parted:
            partly = (
                f"column '{name}' has {listed(values, 5)}, which are not train, valid and test; "
                "give each row one of these (valid can be some of the patients of train), or "
                "remove or rename the column for a random split."
            )
    if partly:
        raise UserError(partly)
    return []


def _says_parts(name: str, values: Sequence[str]) -> bool:
    """Tell whether a column is called a split, and has a few values that may be its parts."""
    called = re.search(_PARTED, _spaced(name), re.IGNORECASE)
    return called is not None and 2 <= len(values) <= _MOST_FOLDS


def _says_one_part(frame: pd.DataFrame, name: str) -> bool:
    called = re.fullmatch(_IN_PART, _spaced(name).strip(), re.IGNORECASE)
    return called is not None and _is_truth(frame[name]) and frame[name].nunique() == 2


def _published(frame: pd.DataFrame, name: str) -> Guess | None:
    """Say that a column has published folds, numbered from 0 or from 1."""
    values = frame[name].dropna()
    numbers = sorted({int(value) for value in values if value.isdecimal()})
    k = values.nunique()
    counted = numbers in (list(range(k)), list(range(1, k + 1)))
    called = re.search(FOLD, _spaced(name), re.IGNORECASE)
    if not (called and counted and _FEWEST_FOLDS <= k <= _MOST_FOLDS and len(values) == len(frame)):
        return None
    return Guess("folds", {"k": k, "column": name}, f"column '{name}' has {k} published folds")


def truth_columns(frame: pd.DataFrame, taken: Iterable[str]) -> list[str]:
    """Return the columns of 0 and 1 that are nothing else, and tell no age and no sex."""
    apart = {*taken, *_named(frame, _DESCRIBED_BY, taken)}
    return [name for name in frame.columns if name not in apart and _is_truth(frame[name])]


def _labels(frame: pd.DataFrame, taken: set[str]) -> list[Guess]:
    open_ = [name for name in frame.columns if name not in taken]
    binary = truth_columns(frame, taken)
    kept = [name for name in binary if _enough(frame[name])]
    named = _named(frame, LABEL, taken)
    called = [name for name in named if re.fullmatch(_IS_LABEL, _spaced(name), re.IGNORECASE)]
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
    other = re.search(rf"{_DESCRIBED_BY}|{_SEEN_FROM}", _spaced(name), re.IGNORECASE)
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


def _is_truth(column: pd.Series) -> bool:
    values = {str(value).lower() for value in column.dropna().unique()}
    return bool(values) and values <= _TRUTH


def _is_unsure(column: pd.Series) -> bool:
    values = {str(value).lower() for value in column.dropna().unique()}
    return bool(values & {"-1", "-1.0"}) and values <= _TRUTH | {"-1", "-1.0"}


def _enough(column: pd.Series) -> bool:
    positive = column.dropna().map(lambda value: str(value).lower() in ("1", "1.0", "true"))
    return min(int(positive.sum()), int((~positive).sum())) >= FEWEST


def _left_out(rare: Sequence[str]) -> str:
    if not rare:
        return ""
    return f"; left out {listed(list(rare), 5)}, with fewer than {FEWEST} of 0 or of 1"
