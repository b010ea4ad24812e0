"""Films that nobody has described yet: where they lie, and what their files tell."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image

from transfergrid.data.decoding import Levels, dicom_module
from transfergrid.data.decoding import is_dicom as begins_as_dicom
from transfergrid.data.formats import FORMATS
from transfergrid.data.images import read_image
from transfergrid.data.slices import is_volume
from transfergrid.planning.label_tables import IMAGE_SUFFIXES
from transfergrid.runtime.errors import UserError, listed, printable
from transfergrid.runtime.progress import progress

TABLES = (".csv", ".tsv", ".parquet")
DICOM_SUFFIXES = (".dcm", ".dicom")
HEADERS = ("PatientID", "StudyInstanceUID", "ViewPosition")
"""Of DICOM files, what may stand in the place of a column."""
DEEPEST = 3
"""So many folders below a table its films are sought by their names."""
_FORM = ("Rows", "BitsStored", "PhotometricInterpretation", "NumberOfFrames")
_SIZED = 3
_DIRECTORY = "DICOMDIR"
"""Name of the list of files on a disc of films; it begins as they do."""


@dataclass(frozen=True)
class Told:
    """What the headers of some films say under one keyword.

    Attributes:
        each: Of each film, what it says; None where it says nothing, or has no such header.
    """

    each: Sequence[str | None]

    @property
    def films(self) -> int:
        """How many films there are."""
        return len(self.each)

    @property
    def lacking(self) -> int:
        """How many of them say nothing."""
        return self.each.count(None)

    @property
    def values(self) -> int:
        """How many different values the others have."""
        return len({*self.each} - {None})


@dataclass(frozen=True)
class Looks:
    """What some films are.

    Attributes:
        dicom: Whether there are DICOM files among them.
        headers: What these say, by the keywords of `HEADERS`.
        size: The shorter side of the smallest of those that were decoded, px.
        coloured: Whether one of these has colours.
    """

    dicom: bool
    headers: Mapping[str, Told]
    size: int
    coloured: bool


def look_at(files: Sequence[Path]) -> Looks:
    """Look at how all of some films begin, and decode one of each form.

    Raises:
        UserError: Some are missing, or of a form that is not read; the first are named.
    """
    known: dict[object, tuple[int, bool]] = {}
    sized = {round(place * (len(files) - 1) / (_SIZED - 1)) for place in range(_SIZED)}
    rows: list[Sequence[str | None]] = []
    faults: dict[str, str] = {}
    dicom = False
    for place, path in enumerate(progress(files, len(files), "looking at films")):
        try:
            form, values = _begins(path)
            if form not in known or place in sized:
                pixels = read_image(path, levels=Levels(dicom=True)).pixels
                coloured = pixels.ndim == 3 and bool((pixels != pixels[..., :1]).any())
                size, before = known.get(form, (min(pixels.shape[:2]), False))
                known[form] = min(size, *pixels.shape[:2]), coloured or before
        except UserError as fault:
            faults[str(path)] = str(fault)
            continue
        dicom |= values is not None
        rows.append(values or [None] * len(HEADERS))
    if faults:
        raise UserError(
            f"{len(faults)} of {len(files)} films cannot be read, and no study was written: "
            f"{listed([Path(name).name for name in faults], 5)}; the first says: "
            f"{next(iter(faults.values()))}"
        )
    headers = {
        keyword: Told(column)
        for keyword, column in zip(HEADERS, zip(*rows, strict=True), strict=True)
    }
    sizes, colours = zip(*known.values(), strict=True)
    return Looks(dicom, headers, min(sizes), any(colours))


def _begins(path: Path) -> tuple[object, list[str | None] | None]:
    """Return a film's form, and what its header says under `HEADERS` if it is a DICOM file."""
    if is_dicom(path):
        header = dicom_module("dicom_headers").header_of(str(path), [*HEADERS, *_FORM])
        syntax = header.file_meta.get("TransferSyntaxUID")
        form = [str(header.get(name)) for name in _FORM[1:]]
        values = [str(header.get(name) or "").strip() or None for name in HEADERS]
        return (str(syntax), bool(header.get("Rows")), *form), values
    try:
        with Image.open(path, formats=FORMATS) as image:
            return (image.format, image.mode), None
    except Exception:  # given broken files, it raises nearly every class there is
        return path, None  # a form of its own: decoding says what is wrong


def is_dicom(path: Path) -> bool:
    """Tell whether a file begins as DICOM does; one that cannot be opened does not."""
    try:
        with open(path, "rb") as file:
            return begins_as_dicom(file.read(132))
    except OSError:
        return False


def films_in(data: Path) -> list[PurePosixPath]:
    """Return the image files in and below a folder, relative to it, in the order of their paths.

    Folders that are hidden, as those of copies that programs keep for themselves, are left out.

    Raises:
        UserError: A file's name is no text.
    """
    found = []
    for home, _, names in _walked(data):
        place = PurePosixPath(home.relative_to(data).as_posix())
        found += [place / name for name in sorted(names) if _may_be_image(home / name)]
    strange = [film for film in found if _not_text(str(film))]
    if strange:
        raise UserError(
            f"{data} has {len(strange)} film(s) whose path is not UTF-8 text, such as "
            f"{printable(strange[0])}; rename them."
        )
    return found


def volumes_in(data: Path) -> list[str]:
    """Return the NIfTI volumes in and below a folder, by their names."""
    return [
        (home / name).relative_to(data).as_posix()
        for home, _, names in _walked(data)
        for name in sorted(names)
        if is_volume(name)
    ]


def refuse_volumes(data: Path, names: Iterable[str]) -> None:
    """Refuse films that are NIfTI volumes: nothing here says which of their slices are films.

    Raises:
        UserError: Some are.
    """
    found = [name for name in names if is_volume(name)]
    if found:
        raise UserError(
            f"{data} has {len(found)} NIfTI volume(s), such as {printable(found[0])}, and nobody "
            "says which of their slices are films; write a table with a row for each slice (its "
            "volume, its number, its patient, and its labels or its mask's volume) and a study of "
            "it with `nifti: { slice: COLUMN, axis: axial }`, of kind csv or mask_table, as "
            "docs/howto/own_data.md shows."
        )


def links_in(data: Path) -> list[PurePosixPath]:
    """Return the links to folders in and below a folder, relative to it.

    Those to the folder itself, as a study that was written into it has, hold nothing else.
    """
    found, whole = [], data.resolve()
    for home, below, _ in _walked(data):
        links = [path for path in (home / name for name in below) if path.is_symlink()]
        found += [
            PurePosixPath(path.relative_to(data))
            for path in links
            if not whole.is_relative_to(path.resolve())
        ]
    return found


def _walked(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield what `os.walk` does, in the order of names, without hidden folders."""
    for home, below, names in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith((".", "__MACOSX", "@")))
        yield Path(home), below, names


def _not_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return True
    return False


def separator_of(path: Path) -> str | None:
    """Return what divides a .csv where that is not commas, as in what spreadsheets save abroad."""
    if path.suffix.lower() != ".csv":
        return None
    try:
        with open(path, encoding="utf-8-sig") as file:
            header = next(filter(str.strip, file), "")
    except (OSError, UnicodeDecodeError):
        return None  # reading it says what is wrong
    if "," in header or header.lower().startswith("sep="):
        return None
    return next((one for one in (";", "\t") if one in header), None)


def stem_of(path: PurePosixPath) -> str:
    """Return a film's name without its ending; a dot in a UID begins none."""
    known = path.suffix.lower() in (*IMAGE_SUFFIXES, *DICOM_SUFFIXES)
    return path.stem if known else path.name


def _may_be_image(path: Path) -> bool:
    if path.name.startswith(".") or path.name.upper() == _DIRECTORY:
        return False
    if path.suffix.lower() in (*IMAGE_SUFFIXES, *DICOM_SUFFIXES):
        return True
    return path.suffix.lower() not in TABLES and is_dicom(path)


def folders_below(root: Path) -> list[str]:
    """Return the folders in and below one, relative to it, up to some depth; itself first."""
    found = [""]
    for home, below, _ in _walked(root):
        place = home.relative_to(root)
        if len(place.parts) >= DEEPEST:
            below.clear()
        found += [(place / name).as_posix() for name in below]
    return found


def homes_of(root: Path, folders: Sequence[str], names: Sequence[str]) -> list[str | None]:
    """Return the folder in which each name is a file, sought first where others were found."""
    known: list[str] = []
    homes = []
    for name in progress(names, len(names), "finding films"):
        home = home_of(root, known, name)
        if home is None:
            home = home_of(root, folders, name)
            known += [] if home is None else [home]
        homes.append(home)
    return homes


def home_of(root: Path, folders: Sequence[str], name: str) -> str | None:
    """Return the folder in which a name is a file; None where there is none."""
    if name.startswith("/") or ".." in name or not name.strip():
        return None
    return next((home for home in folders if is_file(root / home / name)), None)


def is_file(path: Path) -> bool:
    """Tell whether a path is a file; a text that is too long for a path is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def others_of(
    root: Path, folders: Sequence[str], names: Sequence[str], homes: Sequence[str]
) -> list[tuple[str, list[str]]]:
    """Return the names that are files in other folders as well, each with all of these folders.

    Args:
        root: The folder in and below which was sought.
        folders: Where in it.
        names: Files, relative to one of these.
        homes: In which of these each was found; what lies in the root itself was meant.
    """
    named = {PurePosixPath(name).name for name in names}
    lies: dict[str, list[str]] = {}
    for place, _, inside in _walked(root):
        for bare in named & {*inside}:
            lies.setdefault(bare, []).append(place.relative_to(root).as_posix())
    known = {*folders}
    found = []
    for name, home in dict(zip(names, homes, strict=True)).items():
        file = PurePosixPath(name)
        places = [str(PurePosixPath(place) / file.name) for place in lies.get(file.name, ())]
        several = {place[: -len(str(file)) - 1] for place in places if place.endswith(f"/{file}")}
        if home and len(several & known) > 1:
            found.append((name, sorted(several & known)))
    return found
