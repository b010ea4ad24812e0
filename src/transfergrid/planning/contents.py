"""What stamps hold of a study: for each stage only what it needs, so nothing else redoes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from filecmp import cmp
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from transfergrid.catalog.records import Per, Stage
from transfergrid.catalog.stages import STAGES
from transfergrid.planning.claims import chosen_claims
from transfergrid.planning.curves import curved
from transfergrid.planning.figures import own_figures
from transfergrid.planning.fingerprint import template_hashes
from transfergrid.planning.grid import slice_of
from transfergrid.planning.inputs import PLACES
from transfergrid.planning.metrics import built_in
from transfergrid.planning.observers import observers_of
from transfergrid.planning.outlined import compared_as
from transfergrid.planning.paths import PROJECT
from transfergrid.planning.questions import stamped
from transfergrid.planning.speeds import benchmarked
from transfergrid.planning.states import compared_predictions
from transfergrid.planning.study import DEFAULTS
from transfergrid.planning.subgroups import asked_of
from transfergrid.planning.tasks import holds_masks
from transfergrid.planning.weighings import DRIFT, RESET

if TYPE_CHECKING:
    from transfergrid.planning.planned import PlannedStudy

Content = dict[str, Any]


def content_of(study: PlannedStudy, stage: Stage) -> Content:
    """Return what the stamp of a study's stage holds besides the code.

    The cells themselves are only in the stamp of ``gather``, which hands them on; the others hold
    their digest, so that a stage and the cells that it reads belong to the same plan.
    """
    held: Content = {"name": study.name}
    for key in stage.holds:
        part, _, setting = key.partition(".")
        value = PARTS[part](study)
        if part in METRICS:
            held |= value
        elif setting:
            held.setdefault(part, {})[setting] = value[setting]
        else:
            held[part] = value
    if stage.per == "study" and "cells" not in held:
        held["gathered"] = study.digest
    if stage.run:
        held["run"] = stage.run
        held["columns"] = {table.name: list(table.header) for table in stage.tables}
    return held


def _evaluation(study: PlannedStudy) -> Content:
    evaluation = dict(study.study.config["evaluation"])
    return {**evaluation, "primary": evaluation["selections"][0]}


def _tunings(study: PlannedStudy) -> list[Content]:
    """List what is tuned, each once: a cell's seeds share it."""
    seeds = {cell.name: cell.point.seed for cell in study.trials}
    found: dict[str, Content] = {}
    for cell in study.scored:
        if cell.tuning and cell.tuning.id not in found:
            found[cell.tuning.id] = {
                **cell.point.axes(),
                **cell.tuning.record,
                "seed": seeds[next(iter(cell.tuning.trials.values()))],  # the trials' seed
            }
    return list(found.values())


def _claims(study: PlannedStudy) -> Content:
    return dict(chosen_claims(study.study.config["claims"], str(study.study.source)))


def _weighed(study: PlannedStudy, stage: str, key: str) -> list[Content]:
    """List what a stage measures on weights, if the study asks by the key for a table of it."""
    if not (study.study.config["weights"] or {}).get(key):
        return []
    made = [one for one in study.weighings if one.stage == stage]
    return [{"id": one.id, **one.made_from} for one in made]


def _regions(study: PlannedStudy) -> Content:
    names = dict.fromkeys(cell.point.dataset for cell in study.cells)
    used = (study.datasets[name] for name in names)
    return {data.id: data.regions.id for data in used if data.regions}


def _observers(study: PlannedStudy) -> Content:
    """Return, by data set, under which settings observers are read, and how they are compared."""
    found: Content = {}
    for cell in study.targets:
        own = study.study.config["datasets"][cell.point.dataset]
        settings = observers_of(own)
        if settings is not None:
            how = compared_as(own, study.metrics.declarations.values())
            found[cell.dataset_id] = {"settings": dict(settings), **how}
    return found


def _subgroups(study: PlannedStudy) -> Content:
    """Return, by data set, by which columns its test films are grouped."""
    asked = {
        cell.dataset_id: asked_of(study.study.config, cell.point.dataset) for cell in study.targets
    }
    return {dataset: columns for dataset, columns in asked.items() if columns}


def _pictured(study: PlannedStudy) -> Content:
    """Return which cells may be shown on films, and whether all of them are; nothing of none."""
    cells = _shown(study, masks=True)
    return {"cells": cells, "show": study.study.config["pictures"]["cells"]} if cells else {}


def _mistaken(study: PlannedStudy) -> Content:
    """Return whose errors may be shown on films, and how many; nothing if none are asked for."""
    cells, asked = _shown(study, masks=False), study.study.config["pictures"]
    return {"cells": cells, "most": asked["errors"]} if cells and asked["errors"] else {}


def _shown(study: PlannedStudy, masks: bool) -> list[str]:
    """Return the cells whose films may be shown, of data sets with masks or with labels."""
    asked = study.study.config["pictures"]
    if asked is None:
        return []
    datasets = study.study.config["datasets"]
    return [
        cell.name
        for cell in study.targets
        if cell.point.matches(asked["where"])
        and cell.point.dataset not in asked["hidden"]
        and holds_masks(datasets[cell.point.dataset]) == masks
    ]


def _benchmarks(study: PlannedStudy) -> list[list[Any]]:
    """Return each stage up to the costs that a study has, where its jobs are measured, and those.

    As a list, for a stamp sorts the keys of mappings.
    """
    before = takewhile(lambda stage: stage.name != "costs", STAGES)
    return [
        [stage.name, stage.benchmark, _jobs(study, stage)]
        for stage in before
        # What only brings back what others made is not measured.
        if stage.code and (not stage.of_study or study.has(stage))
    ]


def _jobs(study: PlannedStudy, stage: Stage) -> list[str] | None:
    """Return what the jobs of a stage are for; None if that is every cell, which ``gather`` holds.

    A stage of cells that a study has to ask for is for those that it asks for.
    """
    if stage.per == "cell":
        return list(PARTS[stage.asked_by](study)) if stage.asked_by else None
    return list(dict.fromkeys(_JOBS[stage.per](study, stage)))


_JOBS: Mapping[Per, Callable[[PlannedStudy, Stage], Iterable[str]]] = {
    "dataset": lambda study, stage: (data.id for data in study.datasets.values()),
    "weights": lambda study, stage: study.weights,
    "features": lambda study, stage: study.features,
    "tuning": lambda study, stage: (cell.tuning.id for cell in study.scored if cell.tuning),
    "state": lambda study, stage: (state.id for state in study.states),
    "weighing": lambda study, stage: (one.id for one in study.weighings if one.stage == stage.name),
    "shard": lambda study, stage: study.shards,
    "study": lambda study, stage: (study.name,),
}
"""What jobs are for, by `Stage.per`, of kinds that are no cells."""


def _resolved(study: PlannedStudy) -> Content:
    config = {key: value for key, value in study.study.config.items() if key != "device"}
    # A published page should not say where the data are on this machine.
    for section, places in PLACES.items():
        config[section] = {
            name: {key: value for key, value in entry.items() if key not in places}
            for name, entry in config[section].items()
        }
    return config


def _slice(study: PlannedStudy) -> Content | None:
    found = slice_of(study.study.config, str(study.study.source))
    return {**asdict(found), "questions": list(study.unasked)} if found else None


def _source(study: PlannedStudy) -> str | None:
    """Return the study's file if it is part of the project; other places are not disclosed."""
    path = study.study.source.resolve()
    own, shipped = (PROJECT / default for default in DEFAULTS)
    if path == shipped and own.is_file() and cmp(own, shipped, shallow=False):
        path = own  # which of the two equal files was named is no reason to write a page again
    return str(path.relative_to(PROJECT)) if path.is_relative_to(PROJECT) else None


def _metrics(study: PlannedStudy, names: Iterable[str]) -> Content:
    """Return the declarations of some metrics, and each data set's primary one."""
    content = study.metrics.content()
    chosen = {*content["primary_metric"].values(), *names}
    kept = {name: one for name, one in content["metrics"].items() if name in chosen}
    return {"metrics": kept, "primary_metric": content["primary_metric"]}


def _asked_metrics(study: PlannedStudy) -> Content:
    asked = [question.get("metric") for question in study.study.config["questions"]]
    return _metrics(study, filter(None, asked))


def _with_auroc(study: PlannedStudy) -> Content:
    found = _metrics(study, ())
    return found | {"metrics": {**found["metrics"], "auroc": built_in("auroc")}}


def _recipes(study: PlannedStudy) -> Content:
    own = study.study.decoders
    return {
        name: recipe.to_dict() | ({"decoder": own[name]} if name in own else {})
        for name, recipe in study.study.recipes.items()
    }


METRICS: Mapping[str, Callable[[PlannedStudy], Content]] = {
    "all_metrics": lambda study: study.metrics.content(),
    "asked_metrics": _asked_metrics,
    "primary_metrics": lambda study: _metrics(study, ()),
    "with_auroc": _with_auroc,
}
"""Parts that hold ``metrics`` and ``primary_metric``: another metric redoes only what has it."""

PARTS: Mapping[str, Callable[[PlannedStudy], Any]] = {
    **METRICS,
    "cells": lambda study: study.entries,
    "targets": lambda study: [cell.name for cell in study.targets],
    "tunings": _tunings,
    "evaluation": _evaluation,
    "questions": lambda study: stamped(study.study.config["questions"]),
    "claims": _claims,
    "figures": lambda study: own_figures(study.study),
    # Which cells get maps has no bearing on how maps are made: one more cell redoes none.
    "films": lambda study: study.study.config["cams"]["films"],
    "tasks": lambda study: study.study.config["cams"]["tasks"],
    "regions": _regions,
    "observers": _observers,
    "subgroups": _subgroups,
    "pictured": _pictured,
    "mistaken": _mistaken,
    "curves": curved,
    "cams": lambda study: [cell.name for cell in study.cam_cells],
    "similarity": lambda study: study.study.config["similarity"],
    "outlined": lambda study: study.outlined,
    "compared": lambda study: compared_predictions(study.study, study.compared),
    "drifts": lambda study: _weighed(study, DRIFT, "drift"),
    "filters": lambda study: _weighed(study, DRIFT, "filters"),
    "resets": lambda study: _weighed(study, RESET, "reset"),
    "externals": lambda study: [{"id": one.id, **one.made_from} for one in study.external],
    "states": lambda study: [dict(state.entry) for state in study.states],
    "benchmarks": _benchmarks,
    "title": lambda study: study.study.config["title"],
    "description": lambda study: study.study.config["description"],
    "recipes": _recipes,
    "resolved": _resolved,
    "slice": _slice,
    "source": _source,
    "benchmark": lambda study: [row.cells() for row in benchmarked()],
    "templates": lambda study: template_hashes(),
}
"""What a stamp can hold of a study, by the keys that a stage names in `Stage.holds`."""
