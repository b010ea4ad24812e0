"""Checks of what a study asks of its data after training: tasks, columns, regions, observers.

The jobs that need them run after hours of training, and refuse what is wrong in the same sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from transfergrid.commands.checks_held_out import check_held_out
from transfergrid.commands.checks_metrics import check_metrics
from transfergrid.commands.checks_networks import check_networks
from transfergrid.commands.checks_study import broken_masks, spread
from transfergrid.commands.remarks import Remark
from transfergrid.commands.tables_read import TablesRead
from transfergrid.planning.inputs import Dataset
from transfergrid.planning.observers import observers_of
from transfergrid.planning.outlined import SPACING, compared_as
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.subgroups import asked_of
from transfergrid.planning.task_names import common_tasks, mapped_tasks
from transfergrid.runtime.errors import UserError, listed


def check_groups(planned: PlannedStudy, tables: TablesRead) -> Iterator[Remark]:
    """Read the columns by which test films are grouped, bands and all."""
    for dataset in _tested(planned, tables):
        asked = asked_of(planned.study.config, dataset.name)
        if not asked:
            continue
        columns, faults = _grouped(dataset, asked)
        for fault in faults:
            yield Remark("error", "subgroups", fault)
        for name, count in columns.items():
            if count < 2:
                lack = "is in one group" if count else "has no value"
                yield Remark(
                    "warning",
                    "subgroups",
                    f"every film of data set '{dataset.name}' {lack} by '{name}', so there is "
                    "nothing to compare.",
                    "name a column that differs, or other bands",
                )
        if columns:
            counts = listed([f"{count} by '{name}'" for name, count in columns.items()])
            yield Remark("ok", "subgroups", f"groups of data set '{dataset.name}': {counts}.")


def _grouped(
    dataset: Dataset, asked: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, int], list[str]]:
    """Return the number of known groups by column, and what is wrong with other columns."""
    from transfergrid.data.columns import UNKNOWN, read_grouped  # pandas

    try:
        found = read_grouped(dataset.declaration, dataset.root, list(asked)).columns
    except UserError as error:
        if len(asked) == 1:
            return {}, [str(error)]
        # Each by itself, so that the faults of all of them are told.
        parts = [_grouped(dataset, [one]) for one in asked]
        columns = {name: count for part, _ in parts for name, count in part.items()}
        return columns, list(dict.fromkeys(fault for _, told in parts for fault in told))
    return {name: len({*one.names} - {UNKNOWN}) for name, one in found.items()}, []


def check_external(planned: PlannedStudy, tables: TablesRead) -> Iterator[Remark]:
    """Compare the tasks of data sets that cells are tested on with those that cells have."""
    own = {cell.name: cell.point.dataset for cell in planned.targets}
    pairs = {
        (own[one.cell], str(one.made_from["tested_on"]), str(one.made_from["tasks"])): one.made_from
        for one in planned.external
    }
    sound = 0
    for (name, other, _), made_from in pairs.items():
        both = [planned.datasets[name], planned.datasets[other]]
        if not all(map(tables.sound, both)):
            continue
        mine, theirs = (tables.tasks(dataset) for dataset in both)
        if mine is None or theirs is None:
            continue
        try:
            common_tasks(mine, theirs, made_from)
            sound += 1
        except UserError as error:
            yield Remark("error", "external", f"{planned.study.source}: {error}")
    if sound:
        yield Remark("ok", "external", f"{sound} pair(s) of data sets share the tasks asked for.")


def check_maps(planned: PlannedStudy, tables: TablesRead) -> Iterator[Remark]:
    """Look for the tasks of activation maps, and whether regions belong to the test films."""
    names = dict.fromkeys(cell.point.dataset for cell in planned.cam_cells)
    for dataset in filter(tables.sound, (planned.datasets[name] for name in names)):
        known = tables.tasks(dataset)
        try:
            if known is not None:
                mapped_tasks(planned.study.config["cams"]["tasks"], known)
            if dataset.regions is not None:
                _check_regions(dataset, dataset.regions.path, tables)
        except UserError as error:
            yield Remark("error", "cams", f"{planned.study.source}: {error}")


def _check_regions(dataset: Dataset, path: Path, tables: TablesRead) -> None:
    """Refuse regions of none of a data set's test films, and broken ones of a sample of these."""
    from transfergrid.data.regions import true_regions  # pandas

    regions, manifest = true_regions(dataset.declaration, path), tables.manifest(dataset)
    if regions is None or manifest is None:
        return
    films = manifest.table
    if not dataset.declaration.get("folds"):  # in folds, all films are tested
        films = films[films["split"] == "test"]
    names = films["image_id"].tolist()
    regions.check(names)
    for place in spread(len(names), tables.samples):
        for task in manifest.tasks:
            regions.find(names[place], task)


def check_observers(planned: PlannedStudy, tables: TablesRead) -> Iterator[Remark]:
    """Look for the masks of every observer, and open those of a sample of films."""
    for dataset in _tested(planned, tables):
        settings = observers_of(planned.study.config["datasets"][dataset.name])
        if settings is None:
            continue
        from transfergrid.data.observed import ObservedFilms  # pandas

        declaration = {**dataset.declaration, **settings}
        where = f"masks of the observers of data set '{dataset.name}'"
        try:
            found = ObservedFilms.read(declaration, dataset.root)
        except UserError as error:
            yield Remark("error", "observers", f"{where}: {error}")
            continue
        lost = list(dict(fault for one in found.observers for fault in one.missing()).values())
        places = spread(len(found.rows), tables.samples)
        lost = lost or [
            fault for one in found.observers for fault in broken_masks(one, places, declaration)
        ]
        if lost:
            told = f"{where}: {len(lost)} are missing or broken; the first says: {lost[0]}"
            yield Remark("error", "observers", told, "restore them")
        else:
            told = f"{where}: {len(found.observers)} of each film, {len(places)} opened."
            yield Remark("ok", "observers", told)


def check_spacing(planned: PlannedStudy, tables: TablesRead) -> Iterator[Remark]:
    """Read the columns that say how far the pixels of films are apart."""
    for dataset in _tested(planned, tables):
        settings: Mapping[str, Any] = planned.study.config["datasets"][dataset.name]
        declared = compared_as(settings, planned.metrics.declarations.values()).get(SPACING)
        if declared is not None:
            from transfergrid.data.mask_spacing import spacing_of  # pandas

            try:
                spacing_of(declared, dataset.declaration, dataset.root, 1)
            except UserError as error:
                yield Remark("error", "spacing", str(error))


def _tested(planned: PlannedStudy, tables: TablesRead) -> list[Dataset]:
    """Return the data sets that cells are tested on and whose tables can be read."""
    names = dict.fromkeys(cell.point.dataset for cell in planned.targets)
    return [planned.datasets[name] for name in names if tables.sound(planned.datasets[name])]


CHECKS: Mapping[str, Callable[[PlannedStudy, TablesRead], Iterator[Remark]]] = {
    "external": check_external,
    "cams": check_maps,
    "subgroups": check_groups,
    "observers": check_observers,
    "spacing": check_spacing,
    "held out": check_held_out,
    "metrics": check_metrics,
    "networks": check_networks,
}
"""The checks, by what they are of."""
