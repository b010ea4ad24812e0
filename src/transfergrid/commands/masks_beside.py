"""Which of a folder's files are masks of which films, by what they and their folders are called.

A mask lies in a folder that is named for masks, or has such a word in its own name. What else its
folders and its name say leads to its film, but for words that name its structure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from transfergrid.commands.films import stem_of
from transfergrid.commands.guessed_parts import PART_OF
from transfergrid.planning.identifiers import identifier
from transfergrid.runtime.errors import UserError

_MASK_WORDS = (
    "mask masks seg segs segmentation segmentations gt ground truth groundtruth annotation "
    "annotations label labels manual contour contours outline outlines roi rois"
)
_FILM_WORDS = (
    "image images img imgs film films scan scans photo photos picture pictures original "
    "originals png jpg jpeg tif tiff dcm dicom cxr xray xrays data"
)
MASKS = frozenset(_MASK_WORDS.split(" "))
"""Words of masks, and of folders of masks."""
FILMS = frozenset(_FILM_WORDS.split(" "))
"""Words of folders of films."""
NAMELESS = "structure"
"""Name of a structure that nothing names."""
_LEAST = 0.5
"""Share of films that have masks, and of masks that have films, if that is what they are."""

_PARTS = frozenset(PART_OF)
_SETS = frozenset(("set", "sets", "split", "subset", "part"))

Home = tuple[str, ...]
_ANYWHERE: Home = ("*",)
"""Where no folders agree, a film is sought whose name is that of no other."""


@dataclass(frozen=True)
class Pairs:
    """Films and their masks.

    Attributes:
        films: The films that have masks or lie beside films that do.
        masks: By structure, the masks of each film; several files show parts of it.
        lone: Masks of no film.
    """

    films: Sequence[PurePosixPath]
    masks: Mapping[str, Mapping[PurePosixPath, Sequence[PurePosixPath]]]
    lone: Sequence[PurePosixPath]


def pairs(files: Sequence[PurePosixPath]) -> Pairs | None:
    """Find masks among files, and their films.

    Returns:
        None if files are no films with masks: most of the films have none, or most masks no film.

    Raises:
        UserError: Two films would have the same masks.
    """
    masks = [file for file in files if is_mask(file)]
    films = sorted({*files} - {*masks})
    beside = _Beside(films)
    found: dict[str, dict[PurePosixPath, list[PurePosixPath]]] = {}
    lone, faults, far = [], [], []
    for mask in masks:
        try:
            owner = beside.owner(mask)
        except UserError as fault:
            faults.append(fault)
            continue
        if owner is None:
            lone.append(mask)
        else:
            film, structure, near = owner
            if near:
                found.setdefault(structure, {}).setdefault(film, []).append(mask)
            else:
                far.append((film, structure, mask))
    for film, structure, mask in far:
        # Of a film that has its own, another one with its name elsewhere is of a film that is lost.
        if film in {other for of_films in found.values() for other in of_films}:
            lone.append(mask)
        else:
            found.setdefault(structure, {}).setdefault(film, []).append(mask)
    if len(lone) >= _LEAST * len(masks):
        return None
    if faults:
        raise faults[0]
    paired = {film for of_films in found.values() for film in of_films}
    return Pairs(films, found, lone) if len(paired) > _LEAST * len(films) else None


def words(name: str) -> frozenset[str]:
    """Return the words of a name, in small letters: leftMask has left and mask."""
    return frozenset(word.lower() for word in _words(name))


def _words(name: str) -> list[str]:
    return re.findall(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+", name)


def called_mask(name: str) -> bool:
    """Tell whether a name has a word of masks."""
    return bool(words(name) & MASKS)


def is_mask(file: PurePosixPath) -> bool:
    """Tell whether a file is called a mask, or lies in a folder that is."""
    return any(map(called_mask, (*file.parts[:-1], stem_of(file))))


def without_masks(folders: Sequence[str]) -> list[str]:
    """Return folders with those last that are called after masks: films are sought there last."""
    return sorted(folders, key=called_mask)


def structure_of(name: str) -> str:
    """Return the words of a name that are not about masks, films or parts, as an identifier."""
    kept = [word for word in _words(name) if word.lower() not in MASKS | FILMS | _PARTS]
    return identifier("_".join(word for word in kept if not word.isdecimal()))


class _Beside:
    """Films by where they lie and what they are called, without words of masks and films."""

    def __init__(self, films: Sequence[PurePosixPath]) -> None:
        self._films: dict[Home, dict[str, list[PurePosixPath]]] = {}
        for film in films:
            for home in (_home(film), _ANYWHERE):
                named = self._films.setdefault(home, {})
                named.setdefault(stem_of(film).lower(), []).append(film)

    def owner(self, mask: PurePosixPath) -> tuple[PurePosixPath, str, bool] | None:
        """Return a mask's film and structure, and whether their folders lead to each other.

        Raises:
            UserError: There are two such films.
        """
        for home, named in _homes(mask):
            films = self._films.get(home, {})
            for stem, rest in _parts(stem_of(mask)):
                found = films.get(stem.lower(), ())
                if len(found) > 1 and home != _ANYWHERE:
                    raise UserError(
                        f"films {found[0]} and {found[1]} would both have the mask {mask}; keep "
                        "one of them, or name films and masks in a table."
                    )
                if len(found) == 1:
                    told = filter(None, (structure_of(named), structure_of(rest)))
                    return found[0], "_".join(told) or NAMELESS, home != _ANYWHERE
        return None


def _home(file: PurePosixPath) -> Home:
    return tuple(filter(None, map(rest_of, file.parts[:-1])))


def rest_of(folder: str) -> str:
    """Return what a folder's name says beside that films or masks are in it, in small letters."""
    named = [word.lower() for word in _words(folder)]
    return "_".join(word for word in named if word not in MASKS | FILMS)


def part_of(folder: str) -> str:
    """Return the part whose films a folder has by its name (Training_set, imagesTr); "" is none."""
    told = [word.removesuffix("set") for word in rest_of(folder).split("_") if word not in _SETS]
    return PART_OF.get(told[0], "") if len(told) == 1 else ""


def _homes(mask: PurePosixPath) -> Iterator[tuple[Home, str]]:
    """Yield where a mask's film may lie, and what of the mask's folders then names a structure."""
    home = _home(mask)
    yield home, ""
    for place, name in enumerate(home):
        yield home[:place] + home[place + 1 :], name
    yield _ANYWHERE, ""


def _parts(stem: str) -> Iterator[tuple[str, str]]:
    """Yield what a mask's name may have of its film's, longest first, and what else it has."""
    yield stem, ""
    cuts = [place for place in range(1, len(stem)) if not stem[place].isalnum()]
    for place in reversed(cuts):
        yield stem[:place], stem[place:]
    for place in cuts:
        yield stem[place + 1 :], stem[:place]
