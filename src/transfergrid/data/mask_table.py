"""The masks of a table of films, as a data set declares them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfergrid.catalog.mask_pixels import NO
from transfergrid.data.images import ImageFiles, inside
from transfergrid.data.manifest import choice, identifiers
from transfergrid.data.mask_layers import RULES, FileLayer, Layer, Observers
from transfergrid.data.mask_runtables import BLANK, FilmNames, coco_layer, run_layer
from transfergrid.data.mask_set import MaskSet
from transfergrid.data.mask_values import Coding
from transfergrid.data.slices import check_no_volumes, nifti_module
from transfergrid.data.tablefile import Table
from transfergrid.runtime.errors import UserError, listed

FORMS = ("files", "runs", "coco", "observers")
"""Where masks may be written; a layer has one of these keys."""


@dataclass(frozen=True)
class _Films:
    """The films that masks are of.

    Attributes:
        root: Folder of the data set.
        table: Its table, a row a film.
        names: The films by name.
        dicom: Whether files may be DICOM.
        slices: The films, if they are slices of volumes (`transfergrid.data.nifti_films`), as their
            masks are then.
    """

    root: Path
    table: Table
    names: FilmNames
    dicom: bool
    slices: Any = None


def declared_masks(
    declaration: Mapping[str, Any], images: ImageFiles, root: Path, table: Table
) -> MaskSet:
    """Return the masks of a table's films; none is opened.

    Args:
        declaration: ``layers``, a list of what says ``structures`` (names) and has one of `FORMS`:

            * ``files``, columns of the table with the paths of masks (a structure in several is in
              any of them), with settings of `transfergrid.data.mask_values.Coding`, and ``blank``
              for films without one: "refuse", "empty" or "unknown";
            * ``runs``, see `transfergrid.data.mask_runtables.run_layer`;
            * ``coco``, see `transfergrid.data.mask_runtables.coco_layer`;
            * ``observers``, a list of such layers, and ``combine``, a rule of `Observers`.

            Beside them ``exclusive``, and ``field_of_view``, a layer without structures.
        images: The films, a row of the table each.
        root: Folder that holds the masks.
        table: The table.

    Raises:
        UserError: The declaration is contradictory, a column or table is missing, a film has no
            mask, or a mask no film.
    """
    slices: Any = images if declaration.get("nifti") else None
    dicom = bool(images.levels.dicom)
    films = _Films(root, table, FilmNames(images.names), dicom, slices)
    layers = tuple(_named(layer, films) for layer in declaration["layers"])
    view = declaration.get("field_of_view")
    seen = None if view is None else _layer(("field_of_view",), view, films)
    shown = images if slices is None else slices.sizes
    return MaskSet(shown, layers, bool(declaration.get("exclusive")), seen)


def observed(masks: MaskSet, number: int) -> MaskSet:
    """Return the masks as one observer drew them, for the human line of a report.

    Args:
        masks: The masks.
        number: Which observer, from 0; a structure that only one has looked for is that one's.

    Raises:
        UserError: No structure has several observers, or one has not so many.
    """
    several = [layer for layer in masks.layers if isinstance(layer, Observers)]
    fewest = min((len(layer.layers) for layer in several), default=1)
    if not 0 <= number < fewest:
        raise UserError(f"there is no observer {number + 1} of the masks; there are {fewest}.")
    layers = tuple(
        layer.layers[number] if isinstance(layer, Observers) else layer for layer in masks.layers
    )
    return MaskSet(masks.images, layers, masks.exclusive, masks.field_of_view)


def _named(options: Mapping[str, Any], films: _Films) -> Layer:
    given = options.get("structures") or ()
    names = identifiers([given] if isinstance(given, str) else list(given), "structure")
    if not names:
        raise UserError("a layer of masks names no structures; name what its masks show.")
    return _layer(names, options, films)


def _layer(structures: tuple[str, ...], options: Mapping[str, Any], films: _Films) -> Layer:
    given = [form for form in FORMS if form in options]
    if len(given) != 1:
        raise UserError(
            f"masks of {listed(structures)} are written in {listed(given) or 'nothing'}; give one "
            f"of {listed(FORMS)}."
        )
    if given == ["observers"]:
        rule = choice(options, "combine", RULES)
        seen = [_layer(structures, observer, films) for observer in options["observers"]]
        if len(seen) < 2:
            raise UserError(
                f"masks of {listed(structures)} have {len(seen)} observer(s); give two or more, or "
                "one without observers."
            )
        return Observers(tuple(seen), rule)
    if given == ["runs"]:
        return run_layer(structures, options["runs"], films.root, films.names)
    if given == ["coco"]:
        return coco_layer(structures, options["coco"], films.root, films.names)
    return _file_layer(structures, options, films)


def _file_layer(structures: tuple[str, ...], options: Mapping[str, Any], films: _Films) -> Layer:
    coding = Coding.declared(structures, options)
    blank = BLANK[choice(options, "blank", tuple(BLANK))]
    given = options["files"]
    columns = [str(name) for name in ([given] if isinstance(given, str) else given)]
    cells = [films.table.column(column) for column in columns]
    named = [column.astype(str).where(column.notna(), "").tolist() for column in cells]
    names = [_paths(row) for row in zip(*named, strict=True)]
    lost = [index for index, row in enumerate(names) if not row]
    if lost and blank is None:
        raise UserError(
            f"{films.table.path} names no mask of {listed(structures)} in row {lost[0] + 1} "
            f"({listed(columns)}; {len(lost)} such row(s)); name it, or write blank: empty, or "
            "blank: unknown."
        )
    marks = NO if blank is None else blank
    if films.slices is not None:
        layer: Layer = nifti_module("nifti_masks").layer_of(
            films.slices, films.root, names, coding, marks
        )
        return layer
    for column in named:
        check_no_volumes(column, films.table)
    return FileLayer(films.root, names, coding, marks, films.dicom)


def _paths(cells: Sequence[str]) -> tuple[str, ...]:
    return tuple(inside(cell) for cell in cells if cell)
