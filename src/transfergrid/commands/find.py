"""What somebody's data are: a table of films, folders of films, or an .npz file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pandas as pd

from transfergrid.commands.completed import completed, halved_column
from transfergrid.commands.examinations import join
from transfergrid.commands.expanded import expanded
from transfergrid.commands.films import (
    DEEPEST,
    TABLES,
    films_in,
    folders_below,
    home_of,
    is_file,
    links_in,
    look_at,
    refuse_volumes,
    separator_of,
    volumes_in,
)
from transfergrid.commands.found import (
    LINK,
    TABLE,
    Found,
    add_patients,
    called_patients,
    complete,
    of_dicom,
    part_folders,
    placed,
    refuse_folders,
    whose,
)
from transfergrid.commands.found_archive import of_archive
from transfergrid.commands.found_masks import of_columns, of_pairs, of_table_and_folders
from transfergrid.commands.guess import FEWEST, Guess
from transfergrid.commands.guessed_people import (
    study_of_headers,
    views_of_headers,
    with_torn_studies,
    without_torn_studies,
)
from transfergrid.commands.guesses import MOST_CLASSES, guess_columns
from transfergrid.commands.masks_beside import called_mask, pairs, part_of, without_masks
from transfergrid.commands.matched import match
from transfergrid.runtime.errors import UserError, listed

_LOOKED_AT, _MOST_LOST = 20, 0.5
_SHEETS = (".xlsx", ".xls", ".ods")
KNOWN = {
    "Data_Entry_2017": "nih14",
    "mass_case_descr": "cbis_ddsm",
    "calc_case_descr": "cbis_ddsm",
    "train-acl.csv": "mrnet",
    "1st_manual": "drive",
    "ManualMask": "montgomery",
}
"""How tables and folders of published data sets begin, and the kind that reads these."""


def find(data: Path) -> Found:
    """Say what a file or a folder is.

    Raises:
        UserError: It is none of what a study can be guessed from, and what could be done.
    """
    if not data.exists():
        raise UserError(f"{data} does not exist; name a folder, a table (.csv) or an .npz file.")
    if data.is_dir():
        tables = sorted(path for path in data.iterdir() if path.suffix.lower() in TABLES)
        inside = [*tables, *data.glob("*/"), *data.glob("*/*/")]
        published = next((KNOWN[p.name[:15]] for p in inside if p.name[:15] in KNOWN), None)
        if published:
            raise UserError(
                f"{data} looks as if it were published data; write a study with kind: {published} "
                "and this root (docs/data.md), or name the one table with the labels."
            )
        if len(tables) > 1:
            raise UserError(
                f"{data} has several tables, {listed([path.name for path in tables])}; name the "
                "one with the labels. Published data sets have kinds of their own (docs/data.md)."
            )
        return of_table(tables[0]) if tables else of_folders(data)
    if data.suffix.lower() in _SHEETS:
        raise UserError(f"{data} is a spreadsheet, which is not read; save it as CSV in UTF-8.")
    if data.suffix.lower() in TABLES:
        return of_table(data)
    if data.suffix.lower() == ".npz":
        return of_archive(data)
    raise UserError(
        f"{data} is no folder, no table ({listed(TABLES)}) and no .npz file; name the table of its "
        "labels, or a folder."
    )


def of_table(path: Path) -> Found:
    """Say what a table of films is.

    Raises:
        UserError: No column names films, some films are missing or cannot be read, or no column
            looks like labels or masks.
    """
    from transfergrid.data.tablefile import read_table

    separator = separator_of(path)
    frame = read_table(path, separator).frame
    found = _of_frame(path, frame)
    if separator is None or found.table is not None:
        return found
    told = Guess("separator", separator, "what divides the names in its header")
    place = [guess.key for guess in found.guesses].index("table") + 1
    return replace(found, guesses=[*found.guesses[:place], told, *found.guesses[place:]])


def _of_frame(path: Path, frame: pd.DataFrame) -> Found:
    texts = frame.astype(object).map(str).astype(object)  # without it, pandas makes NaN of None
    frame = texts.where(frame.notna(), None)
    root = path.resolve().parent
    folders = without_masks(folders_below(root))
    columns = _image_columns(frame, lambda cell: home_of(root, folders, cell) is not None)
    if not columns:
        return _of_other_names(path, frame, root)
    for column in columns:
        refuse_volumes(path, frame[column].dropna().unique())
    masks = of_columns(path, frame, root, folders, columns)
    if masks is not None:
        columns = [name for name in columns if not called_mask(name)]
    found = masks or _of_labels(path, frame, root, folders, columns)
    first, *others = columns
    if not others:
        return found
    told = (
        f"{path.name} has films in the columns {listed(columns, 6)}, of which only those of "
        f"'{first}' are used. To use all, write a row for each film, with its view, and the same "
        "labels, patient and study in the rows of one study."
    )
    return replace(found, remarks=(*found.remarks, told))


def _image_columns(frame: pd.DataFrame, is_image: Callable[[str], bool]) -> list[str]:
    """Return the columns whose cells are images, by the first few rows of each.

    Most of them have to be: of a column that names a film which is not there, its name is told.
    """
    found = []
    for name in frame.columns:
        cells = frame[name].dropna().head(_LOOKED_AT).astype(str).tolist()
        if sum(map(is_image, cells)) > _MOST_LOST * len(cells):
            found.append(str(name))
    return found


def _of_labels(
    path: Path, frame: pd.DataFrame, root: Path, folders: Sequence[str], columns: Sequence[str]
) -> Found:
    """Say what a table with a column of films is; without labels, its masks may lie beside it."""
    column, *others = columns
    more = f"; so are those of {listed(others, 5)}, which are not used" if others else ""
    names = frame[column].dropna().tolist()
    homes = placed(path, root, folders, names)
    several = sorted({home or "." for home in homes} - {"."})
    several = [".", *several] if several and "" in homes else several
    guesses = [
        Guess("table", path.name, "the table"),
        Guess("image_column", column, f"the first column whose cells are files{more}"),
    ]
    if several:
        guesses.append(Guess("image_folders", several, "where these files are"))
    films = [str(PurePosixPath(home) / name) for home, name in zip(homes, names, strict=True)]
    looks = look_at([root / film for film in films])
    guesses += of_dicom(looks)
    halved = halved_column(frame, column) if len(films) == len(frame) else None
    try:
        if halved is not None:
            found = completed(path, frame, column, halved, films, looks)
            refuse_folders(path, films, found.guesses)
            return found
        guesses += guess_columns(frame, column, looks.headers)
    except UserError:
        masks = of_table_and_folders(path, frame, root, column, films)
        if masks is None:
            raise
        return masks
    refuse_folders(path, films, guesses)
    return Found("csv", root, guesses, looks.size)


def _of_other_names(path: Path, frame: pd.DataFrame, root: Path) -> Found:
    """Say what a table is that names films by less than their paths."""
    found = match(frame, root, str(path))
    if found is None:
        whole = _image_columns(frame, lambda cell: cell.startswith("/") and is_file(Path(cell)))
        if whole:
            raise UserError(
                f"column '{whole[0]}' of {path} has absolute paths; write them relative to the "
                f"table's folder, {root}, and put or link the films there."
            )
        folders = folders_below(root)
        turned = _image_columns(
            frame,
            lambda cell: (
                "\\" in cell and home_of(root, folders, cell.replace("\\", "/")) is not None
            ),
        )
        if turned:
            raise UserError(f"column '{turned[0]}' of {path} has paths with \\; write / there.")
        joined = join(frame, root, str(path))
        if joined is not None:
            return expanded(path, frame, root, joined)
        raise UserError(
            f"no column of {path} names files in {root} or up to {DEEPEST} folders below; its "
            f"columns are {listed(list(frame.columns), 10)}: put the films there, and name each in "
            "a row of its own by its path, its name, or the SOPInstanceUID of its header, or each "
            "examination by their StudyInstanceUID or AccessionNumber, or by its folder."
        )
    looks = look_at([root / film for film in found.films])
    column = next(name for name in ("film", "film_file", "its_film") if name not in frame)
    table = frame.assign(**{column: [f"{LINK}/{film}" for film in found.films]})
    guesses = [
        Guess("table", TABLE, f"{path.name} with one more column, written beside this file"),
        Guess("image_column", column, f"{found.why}; through the link '{LINK}' to them"),
        *of_dicom(looks),
        *guess_columns(table, column, looks.headers),
    ]
    refuse_folders(path, list(map(str, found.films)), guesses)
    told = f"{found.others} film(s) in {root} are in no row of {path.name}, and are left out."
    remarks = (told,) if found.others else ()
    return Found("csv", None, guesses, looks.size, root, table, remarks)


def of_folders(data: Path) -> Found:
    """Say what folders of films are: films with masks beside them, or a folder a class.

    Raises:
        UserError: They are neither, or films cannot be read.
    """
    films = films_in(data)
    linked = links_in(data)
    if linked:
        raise UserError(
            f"{data} has links to folders, which are not followed: {listed(linked, 3)}; put the "
            "folders there, or take the links away."
        )
    if not films:
        refuse_volumes(data, volumes_in(data))
        raise UserError(f"{data} has no films in it or below; name the folder or table of films.")
    paired = pairs(films)
    if paired is not None:
        return of_pairs(data, paired)
    folders = {film.parts[:-1] for film in films}
    sheets = sorted(path.name for path in data.iterdir() if path.suffix.lower() in _SHEETS)
    if sheets and (any(not parts for parts in folders) or len({p[0] for p in folders}) < 2):
        raise UserError(
            f"{data} has no table and {listed(sheets, 3)}, a spreadsheet, which is not read; if "
            "it has the labels, save it as CSV in UTF-8."
        )
    if any(not parts for parts in folders):
        raise UserError(
            f"{data} has {len(films)} films and no labels: put them into a folder for each class, "
            "or name a table of their labels."
        )
    parted = all(part_of(parts[0]) and len(parts) > 1 for parts in folders)
    tops = sorted({parts[0] for parts in folders})
    if any(part_of(name) for parts in folders for name in (parts[1:] if parted else parts)):
        raise UserError(
            f"{data} has the folders {listed(tops, 5)}: sort the films into folders by class "
            "within train, valid and test, and leave no film beside these."
        )
    return _of_classes(data, films, parted)


def _of_classes(data: Path, films: Sequence[PurePosixPath], parted: bool) -> Found:
    classes = [film.parts[1] if parted else film.parts[0] for film in films]
    counts = Counter(classes)
    if len(counts) > MOST_CLASSES or called_patients(list(counts)):
        raise UserError(
            f"{data} has the folders {listed(sorted(counts), 5)}, which are taken for patients and "
            f"not for up to {MOST_CLASSES} classes; name a table of labels, or sort the films into "
            "a folder for each class, and within these for each patient."
        )
    if len(counts) < 2 or min(counts.values()) < FEWEST:
        raise UserError(
            f"{data} has the folders {listed(sorted(counts), 5)}, of which a class needs two and "
            f"each {FEWEST} films; sort the films into folders by class, or name a table of labels."
        )
    frame = pd.DataFrame({"image": [f"{LINK}/{film}" for film in films], "class": classes})
    files = [data / film for film in films]
    looks = look_at(files)
    headers = without_torn_studies(looks.headers, frame[["class"]])
    study = study_of_headers(headers, "the files' headers tell")
    unit = "study" if study else "image"
    patients = add_patients(frame, [film.parts[1 + parted : -1] for film in films], looks, unit)
    drawn: list[str] = []
    if parted:
        frame["part"] = [part_of(film.parts[0]) for film in films]
        has = pd.get_dummies(frame["class"]).to_numpy(bool)
        drawn = complete(frame, has, whose(files, looks, frame))
    guesses = [
        Guess("table", TABLE, "written beside this file: the films and their folders"),
        Guess("image_column", "image", f"through the link '{LINK}' to them"),
        Guess("task_kind", "multiclass", f"folders are classes: {listed(sorted(counts), 5)}"),
        Guess("label_columns", ["class"], "the name of the folder"),
        *of_dicom(looks),
        *with_torn_studies([patients, *study], looks.headers, frame),
        *views_of_headers(looks.headers),
        *([part_folders(drawn)] if parted else []),
    ]
    return Found("csv", None, guesses, looks.size, data.resolve(), frame)
