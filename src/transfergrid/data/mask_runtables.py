"""Masks written for many films in one file: tables of run lengths, and COCO's JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from transfergrid.catalog.mask_pixels import NO, UNKNOWN
from transfergrid.data.manifest import choice
from transfergrid.data.mask_layers import Run, RunLayer, Size
from transfergrid.data.mask_runs import FORMS, NOTHING
from transfergrid.data.tablefile import read_table
from transfergrid.planning.identifiers import identifier
from transfergrid.runtime.errors import UserError, listed, printable, suggest

BLANK = {"refuse": None, "empty": NO, "unknown": UNKNOWN}
"""What is done with a film of which nothing is written: refused, or every pixel has this value."""
BLANK_MEND = "add it, or write blank: empty, or blank: unknown"
"""What to do about such a film, of a data set that has this setting."""

Films = list[list[list[Run] | None]]


class FilmNames:
    """The films of a data set by any name that a table of masks may call them."""

    def __init__(self, names: Sequence[str]) -> None:
        """Take the paths of the films, in the order of the manifest."""
        self.names = tuple(names)
        self._of: dict[str, set[int]] = {}
        for index, name in enumerate(names):
            path = PurePosixPath(name)
            for called in {name, str(path.with_suffix("")), path.name, path.stem}:
                self._of.setdefault(called, set()).add(index)
        self._whole = {name: index for index, name in enumerate(names)}

    def find(self, called: str, where: Path) -> int | None:
        """Return the place of a film by its path, or its file's name, with or without suffix.

        Raises:
            UserError: Several films are called so.
        """
        if called in self._whole:
            return self._whole[called]
        found = sorted(self._of.get(called, ()))
        if len(found) > 1:
            raise UserError(
                f"{where} has a mask of '{printable(called)}', and {len(found)} films are called "
                f"so ({listed([self.names[index] for index in found], 3)}); write their paths."
            )
        return found[0] if found else None


def run_layer(
    structures: tuple[str, ...],
    options: Mapping[str, Any],
    root: Path,
    films: FilmNames,
    settable: bool = True,
) -> RunLayer:
    """Read a table of run lengths; a film may have several rows, all of which are of its mask.

    Args:
        structures: The structures.
        options: ``table``, ``image_column``, ``runs_column``, ``structure_column`` (where there are
            several structures), ``form`` (see `transfergrid.data.mask_runs`), ``separator``,
            ``blank`` (see `BLANK`) and ``other_films`` ("refuse" or "ignore").
        root: Folder that holds the table.
        films: The films.
        settable: Whether these are settings of the data set, which messages may tell to change.

    Raises:
        UserError: A missing table or column; a mask of no film or of no structure; a film without a
            row; one that is said to have no pixel and has some.
    """
    table = read_table(root / str(options["table"]), options.get("separator"), settable)
    called = table.text(str(options["image_column"])).tolist()
    column = str(options["runs_column"])
    cells = table.column(column)
    written = cells.astype(str).where(cells.notna(), "").tolist()
    of = _structures(structures, options, table)
    found = _nothing(structures, films)
    lost: list[str] = []
    for row, (name, text, structure) in enumerate(zip(called, written, of, strict=True)):
        index = films.find(name, table.path)
        if index is None:
            lost.append(name)
        elif text:
            runs = found[index][structure] or []
            runs.append(Run(text, f"row {row + 1} of {table.path}"))
            found[index][structure] = runs
    _check_strays(lost, options, table.path, settable)
    for film in found:
        for written_here in film:
            _check_nothing(written_here or [])
    form = choice(options, "form", FORMS) if "form" in options else None
    if form is None:
        raise UserError(f"the runs of {table.path} have no form; write one of {listed(FORMS)}.")
    what = f"a mask in {table.path}, column '{column}'"
    mend = (
        BLANK_MEND if settable else f"write its runs, {NOTHING} if it shows none, or remove its row"
    )
    blank = _blank(found, structures, options, films, what, mend)
    return RunLayer(structures, found, form, blank)


def coco_layer(
    structures: tuple[str, ...], options: Mapping[str, Any], root: Path, films: FilmNames
) -> RunLayer:
    """Read COCO's JSON; several annotations of a film and category are of one mask.

    A film that the file lists without an annotation shows nothing. Categories that are not named
    as structures are left out.

    Args:
        structures: The structures, which are categories.
        options: ``file``, ``blank`` for films that the file does not list, and ``other_films``.
        root: Folder that holds the file.
        films: The films.

    Raises:
        UserError: The file is missing or not COCO's, or has polygons; two images or categories of
            one id, or two images of one film; an annotation of an image or a category that is not
            listed; a structure that is no category; a mask of no film; a film that is not listed.
    """
    path = root / str(options["file"])
    coco = _Coco.read(path)
    for name in structures:
        if name not in coco.categories:
            raise UserError(
                f"{path} has no category '{name}'{suggest(name, coco.categories)}; it has "
                f"{listed(sorted(set(coco.categories)))}."
            )
    found = _nothing(structures, films)
    places = {key: films.find(name, path) for key, name in coco.images.items()}
    _check_one_image_a_film(coco.images, places, films, path)
    for index in places.values():
        if index is not None:
            found[index] = [[] for _ in structures]
    lost: list[str] = []
    for number, image, kind, segmentation in coco.annotations:
        place = places[image]
        if place is None:
            lost.append(coco.images[image])
        elif kind in structures:
            runs = found[place][structures.index(kind)] or []
            runs.append(_coco_run(segmentation, f"annotation {number} of {path}"))
            found[place][structures.index(kind)] = runs
    _check_strays(lost, options, path, True)
    return RunLayer(
        structures, found, "coco", _blank(found, structures, options, films, f"an image in {path}")
    )


@dataclass(frozen=True)
class _Coco:
    """What is read of COCO's JSON.

    Attributes:
        images: File names by id.
        categories: Identifiers of the categories.
        annotations: Id, image, category and segmentation of each.
    """

    images: dict[Any, str]
    categories: tuple[str, ...]
    annotations: list[tuple[Any, Any, str, Any]]

    @classmethod
    def read(cls, path: Path) -> _Coco:
        """Read a file; UserError if it is not COCO's."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            images = _by_id(path, "images", content["images"], "file_name")
            named = _by_id(path, "categories", content["categories"], "name")
            kinds = {key: identifier(name) for key, name in named.items()}
            annotations = [
                (entry["id"], entry["image_id"], entry["category_id"], entry["segmentation"])
                for entry in content["annotations"]
            ]
            for number, image, kind, _ in annotations:
                _check_listed(f"annotation {number} of {path}", "image", image, images)
                _check_listed(f"annotation {number} of {path}", "category", kind, named)
        except UserError:
            raise
        except (OSError, ValueError) as error:
            raise UserError(f"masks {path} cannot be read as JSON ({error}); restore it.") from None
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"masks {path} are not as COCO's ({error!r} is amiss); correct the file."
            ) from None
        of_kinds = [
            (number, image, kinds[kind], segmentation)
            for number, image, kind, segmentation in annotations
        ]
        return cls(images, tuple(kinds.values()), of_kinds)


def _by_id(path: Path, what: str, entries: Sequence[Any], key: str) -> dict[Any, str]:
    """Return the names of COCO's images or categories by id; UserError where two have one id."""
    found: dict[Any, str] = {}
    written: dict[str, str] = {}
    for entry in entries:
        number, name = entry["id"], str(entry[key])
        # 7 and "7" are two ids to JSON, and one to those who write annotations.
        other = found.get(number, written.get(str(number)))
        if other is not None:
            raise UserError(
                f"{path} gives the id {number} to two {what}, '{printable(other)}' and "
                f"'{printable(name)}'; give each an id of its own."
            )
        found[number] = written[str(number)] = name
    return found


def _check_listed(where: str, what: str, number: Any, listed_here: Mapping[Any, str]) -> None:
    if number in listed_here:
        return
    if str(number) in map(str, listed_here):
        text, other = ("text", "a number") if isinstance(number, str) else ("a number", "text")
        raise UserError(
            f"{where} names {what} {number} as {text}, and the file lists it as {other}; write "
            "equal ids alike."
        )
    raise UserError(f"{where} is of {what} {number}, which the file does not list; correct it.")


def _check_one_image_a_film(
    images: Mapping[Any, str], places: Mapping[Any, int | None], films: FilmNames, path: Path
) -> None:
    of: dict[int, Any] = {}
    for key, place in places.items():
        if place is None:
            continue
        other = of.setdefault(place, key)
        if other != key:
            names = f"'{printable(images[other])}' (id {other}) and '{printable(images[key])}'"
            raise UserError(
                f"{path} lists the film {films.names[place]} twice, as {names} (id {key}); keep "
                "one of them, with the masks of both."
            )


def _coco_run(segmentation: Any, where: str) -> Run:
    if isinstance(segmentation, list):
        raise UserError(
            f"{where} is a polygon, which programs fill differently at its edge; write run "
            "lengths, such as pycocotools' COCO.annToRLE makes."
        )
    try:
        counts, (height, width) = segmentation["counts"], segmentation["size"]
        counts = counts if isinstance(counts, str) else list(counts)
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{where} has no counts and size; correct it.") from None
    size: Size = (height, width)
    return Run(counts, where, size)


def _nothing(structures: tuple[str, ...], films: FilmNames) -> Films:
    return [[None] * len(structures) for _ in films.names]


def _structures(structures: tuple[str, ...], options: Mapping[str, Any], table: Any) -> list[int]:
    """Return which structure each row of a table is of."""
    column = options.get("structure_column")
    if column is None:
        if len(structures) > 1:
            raise UserError(
                f"{table.path} has masks of {listed(structures)}; name the structure_column that "
                "tells them apart."
            )
        return [0] * len(table.frame)
    named = [identifier(name) for name in table.text(str(column))]
    strange = sorted(set(named) - set(structures))
    if strange:
        raise UserError(
            f"{table.path} has masks of '{strange[0]}'{suggest(strange[0], structures)}, which is "
            f"no structure of the data set; there are {listed(structures)}."
        )
    return [structures.index(name) for name in named]


def _check_strays(
    lost: Sequence[str], options: Mapping[str, Any], path: Path, settable: bool
) -> None:
    if lost and choice(options, "other_films", ("refuse", "ignore")) == "refuse":
        mend = "remove the masks, or write other_films: ignore" if settable else "remove the masks"
        raise UserError(
            f"{path} has masks of {len(set(lost))} film(s) that the data set does not have, such "
            f"as '{printable(lost[0])}'; add the films, or {mend}."
        )


def _check_nothing(runs: Sequence[Run]) -> None:
    empty = [run for run in runs if run.runs == NOTHING]
    if empty and len(runs) > 1:
        others = [run.where for run in runs if run is not empty[0]]
        raise UserError(
            f"{empty[0].where} says that the film has no mask, and {others[0]} is of the same film "
            "and structure; remove one of them."
        )


def _blank(
    found: Films,
    structures: tuple[str, ...],
    options: Mapping[str, Any],
    films: FilmNames,
    what: str,
    mend: str = BLANK_MEND,
) -> int:
    """Return the value of pixels of films of which nothing is written, or refuse them."""
    blank = BLANK[choice(options, "blank", tuple(BLANK))]
    lost = [
        (films.names[index], name)
        for index, film in enumerate(found)
        for name, runs in zip(structures, film, strict=True)
        if runs is None
    ]
    if lost and blank is None:
        raise UserError(
            f"film {lost[0][0]} has no {lost[0][1]}: it is without {what} ({len(lost)} such); "
            f"{mend}."
        )
    return NO if blank is None else blank
