"""Which columns or headers tell whose a film is, of which study, and from which side."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from transfergrid.commands.blanks import known_cells
from transfergrid.commands.films import Told
from transfergrid.commands.guess import Guess, columns_named, spaced
from transfergrid.commands.guessed_parts import SPLIT
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
_NO_ID = rf"{PRIVATE}|{SPLIT}"
STUDY_UID = "StudyInstanceUID"
"""What headers call a study."""
_NAME = re.compile(r"\bnames?\b", re.IGNORECASE)
PEOPLE = (
    ("patient_column", PATIENT, "patients"),
    ("study_column", STUDY, "studies"),
    ("view_column", VIEW, "views"),
)
_MOST_LOST = 0.5


def guess_people(
    frame: pd.DataFrame,
    taken: Iterable[str],
    headers: Mapping[str, Told],
    sought: Sequence[tuple[str, str, str]],
    known: Sequence[Guess] = (),
) -> list[Guess]:
    """Say which columns tell patients, studies and views.

    Args:
        frame: Cells as text, blanks as null.
        taken: Columns that are something else.
        headers: What the headers of DICOM files say, by keyword.
        sought: Settings, each with a pattern of columns' names and a word for what it tells.
        known: Guesses of some of these that have been made already.

    Returns:
        Guesses, one of `patient_column` among them.

    Raises:
        UserError: The column of patients is blank in places, or has ids such as p1 and P1.
    """
    found = list(known)
    frame = known_cells(frame)
    used = {*taken, *(guess.value for guess in known)}
    keys = {guess.key for guess in known}
    for key, pattern, words in (one for one in sought if one[0] not in keys):
        guess = _identity(frame, key, pattern, words, used, headers)
        used |= {guess.value} if guess else set()
        found += [guess] if guess else []
    keys = {guess.key for guess in found}
    if "patient_column" not in keys:
        unit = "study" if "study_column" in keys else "image"
        called = [
            name for name in columns_named(frame, PATIENT, used) if _NAME.search(spaced(name))
        ]
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


def study_of_headers(headers: Mapping[str, Told], why: str) -> list[Guess]:
    """Say that headers tell studies, if those of all films do: reading the data set asks for it."""
    told = headers.get(STUDY_UID)
    if told is None or told.lacking or told.values < 2:
        return []
    return [Guess("study_column", STUDY_UID, f"{why} {told.values} studies")]


def views_of_headers(headers: Mapping[str, Told]) -> list[Guess]:
    """Say that headers tell views, where films of folders differ in these."""
    if not told_by_headers("ViewPosition", headers):
        return []
    told = headers["ViewPosition"].values
    return [Guess("view_column", "ViewPosition", f"the files' headers tell {told} views")]


def without_torn_studies(headers: Mapping[str, Told], labels: pd.DataFrame) -> Mapping[str, Told]:
    """Return what headers say; of studies only if all films of each have the same labels.

    A study is scored as one, and one whose films have other labels is refused when it is read.

    Args:
        headers: What they say, by keyword.
        labels: (N, K) labels of the films, of any kind.
    """
    told = headers.get(STUDY_UID)
    if told is None or told.films != len(labels):
        torn = True
    else:
        whose = [study or row for row, study in enumerate(told.each)]
        shown = labels.fillna("").reset_index(drop=True)
        torn = bool((shown.groupby(whose).nunique() > 1).any(axis=None))
    return {word: one for word, one in headers.items() if not torn or word != STUDY_UID}


def with_torn_studies(
    guesses: Sequence[Guess], headers: Mapping[str, Told], frame: pd.DataFrame
) -> list[Guess]:
    """Say how films of studies with different labels stay in one part, if no patients are known."""
    known = {guess.key for guess in guesses if guess.value is not None}
    lost = known & {"patient_column", "study_column"} or STUDY_UID in frame
    if lost or not study_of_headers(headers, ""):
        return list(guesses)
    more = f"; {STUDY_UID}, which all headers have, would keep the films of a study in one part"
    return [
        replace(guess, why=guess.why + more) if guess.key == "patient_column" else guess
        for guess in guesses
    ]


def _identity(
    frame: pd.DataFrame,
    key: str,
    pattern: str,
    words: str,
    taken: set[str],
    headers: Mapping[str, Told],
) -> Guess | None:
    for name in sorted(columns_named(frame, pattern, taken), key=_unlike_an_id):
        values = frame[name].dropna()
        several = values.nunique() > 1
        if key == "view_column":
            fits = not re.search(rf"age|sex|gender|{PATIENT}", name, re.IGNORECASE)
        else:
            apart = re.search(_NO_ID, spaced(name), re.IGNORECASE)
            fits = len(values) == len(frame) and not apart
        if several and fits:
            if key == "patient_column":
                _refuse_cases(name, values)
            why = f"by its name; it has {values.nunique()} {words} of {len(frame)} images"
            return Guess(key, name, why)
    keyword = {"patient_column": "PatientID", "view_column": "ViewPosition"}.get(key)
    # A table's own column is read and no header, even where it is blank in places.
    if keyword and keyword not in frame and told_by_headers(keyword, headers):
        why = f"no column, but the files' headers tell {headers[keyword].values} {words}"
        return Guess(key, keyword, why)
    if key == "patient_column":
        _refuse_blanks(frame, taken)
    if key == "study_column" and STUDY_UID not in frame:
        return next(iter(study_of_headers(headers, "no column, but the files' headers tell")), None)
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
    for name in columns_named(frame, PATIENT, taken):
        blank = frame[name].isna().to_numpy().nonzero()[0]
        private = re.search(_NO_ID, spaced(name), re.IGNORECASE)
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
