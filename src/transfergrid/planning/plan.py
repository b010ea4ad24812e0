"""The plan of a run: all studies, their cells and stamps, as the Snakefile sees them.

A stamp is a small file ``stamps/<study>.<stage>.<hash8>`` that stands for one state of a stage's
code and settings and holds what the stage's program must know. It is an input of the stage, so a
change gives it another path and the stage is redone, with or without Snakemake's own records;
writing one removes its siblings, so undoing a change is noticed as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from transfergrid.catalog.records import Stage
from transfergrid.catalog.stages import STAGE, STAGES
from transfergrid.planning.cells import Cell, CellBuilder, CellTuning
from transfergrid.planning.contents import PARTS, content_of
from transfergrid.planning.decidable import undecidable
from transfergrid.planning.features import Features
from transfergrid.planning.fingerprint import remember_code, stage_fingerprint
from transfergrid.planning.grid import check_folds, folds_beside, whole_grid
from transfergrid.planning.inputs import Dataset, Weights
from transfergrid.planning.known_syntax import MEMORY
from transfergrid.planning.lengths import check_lengths
from transfergrid.planning.metrics import StudyMetrics, study_metrics
from transfergrid.planning.questions import check_questions, fit_to_slice
from transfergrid.planning.selections import check_selections
from transfergrid.planning.shards import shards
from transfergrid.planning.stamps import LOCATION, StampName, stamp_name, stamps_in
from transfergrid.planning.states import State, check_similarity, states_of
from transfergrid.planning.study import Study, load_study, study_files, typed
from transfergrid.planning.weighings import DRIFT, RESET, Weighing, check_weights, weighings_of
from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.hashing import canonical_json, sha256_text

WORD = r"[A-Za-z0-9][A-Za-z0-9_.]*"
CELL = rf"{WORD}-{WORD}-{WORD}-drop\d+-{WORD}-seed\d+(?:-fold\d+)?-[0-9a-f]{{8}}"
DATASET_ID = rf"{WORD}-[0-9a-f]{{8}}"
WEIGHTS_ID = rf"{WORD}-{WORD}-[0-9a-f]{{8}}"
TUNING_ID = rf"{WORD}-{WORD}-{WORD}-drop\d+-{WORD}(?:-fold\d+)?-[0-9a-f]{{8}}"
FEATURES_ID = rf"{WORD}-{WORD}-{WORD}-drop\d+-(?:pooled|map)-[0-9a-f]{{8}}"
STATE_ID = rf"{WORD}-{WORD}-{WORD}-drop\d+-(?:initial|final)-[0-9a-f]{{8}}"
_MEASURED = rf"{WORD}-{WORD}-{WORD}-drop\d+"
DRIFT_ID = rf"{_MEASURED}-{DRIFT}-[0-9a-f]{{8}}"
RESET_ID = rf"{_MEASURED}-{RESET}-[0-9a-f]{{8}}"
WEIGHING_ID = rf"{_MEASURED}-(?:{DRIFT}|{RESET})-[0-9a-f]{{8}}"
STAMP = r"[A-Za-z0-9_.-]+\.[a-z]+\.[0-9a-f]{8}"
STUDY = r"[A-Za-z][A-Za-z0-9_]*"


@dataclass(frozen=True)
class PlannedStudy:
    """One study with its cells.

    Attributes:
        study: The validated study.
        targets: Cells of the grid, in the grid's order.
        sources: Cells from which targets are fine-tuned and which are not in the grid.
        trials: Cells that try a learning rate; they are trained and not scored.
        datasets: Resolved data sets by name.
        weights: Seedless weights by id.
        features: Features of frozen layers by id.
        metrics: The metrics that it names.
        warnings: Sentences for the user.
        unasked: Questions that a slice leaves out.
    """

    study: Study
    targets: tuple[Cell, ...]
    sources: tuple[Cell, ...]
    trials: tuple[Cell, ...]
    datasets: Mapping[str, Dataset]
    weights: Mapping[str, Weights]
    features: Mapping[str, Features]
    metrics: StudyMetrics
    warnings: tuple[str, ...]
    unasked: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the study."""
        return self.study.name

    @property
    def scored(self) -> tuple[Cell, ...]:
        """Targets, then sources."""
        return self.targets + self.sources

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Targets, sources, trials."""
        return self.scored + self.trials

    @property
    def selections(self) -> list[str]:
        """Selection rules, the primary one first."""
        return list(self.study.config["evaluation"]["selections"])

    def has(self, stage: Stage) -> bool:
        """Tell whether the study has a stage; some are only there if the study asks for them."""
        return not stage.asked_by or bool(PARTS[stage.asked_by](self))

    @property
    def stages(self) -> list[Stage]:
        """The stages that work on the whole study, each after those that it reads."""
        return [stage for stage in STAGES if stage.of_study and self.has(stage)]

    @cached_property
    def stamps(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """The stamp's file name and its content, by stage."""
        return {
            stage.name: _stamp(
                self.name,
                stage.name,
                {"code": stage_fingerprint(stage.name), **content_of(self, stage)},
                self._entries_text,
            )
            for stage in self.stages
            if stage.code
        }

    def content(self, stage: str) -> dict[str, Any]:
        """Return what a stage's program knows about the study: its stamp and the cells."""
        return {**content_of(self, STAGE[stage]), "cells": self.entries}

    @cached_property
    def entries(self) -> list[dict[str, Any]]:
        """The cells as later stages know them."""
        roles = [(cell, "target") for cell in self.targets]
        roles += [(cell, "source") for cell in self.sources]
        folds = folds_beside(cell.point for cell in self.scored)
        return [
            {
                "cell": cell.name,
                "role": role,
                "family": cell.family,
                "imagenet_top1": cell.imagenet_top1,
                "dataset_id": cell.dataset_id,
                "source_cell": cell.source_cell,
                **cell.point.axes(),
                # Cells that a snapshot lacks are not part of the grid that it sees.
                **({"folds": folds[cell.point]} if cell.point in folds else {}),
            }
            for cell, role in roles
        ]

    @cached_property
    def _entries_text(self) -> str:
        # With thousands of cells this is nearly everything that is hashed.
        return canonical_json(self.entries)

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits that stand for `entries`: `gathered.digest_of` of them."""
        return sha256_text(self._entries_text)[:16]

    @cached_property
    def shards(self) -> dict[str, tuple[str, ...]]:
        """Names of the targets by the part whose ensembles one job makes."""
        return shards(cell.name for cell in self.targets)

    @cached_property
    def cam_cells(self) -> tuple[Cell, ...]:
        """Targets that get class activation maps."""
        cams = self.study.config["cams"]
        if cams is None:
            return ()
        return tuple(cell for cell in self.targets if cell.point.matches(cams["where"]))

    @cached_property
    def states(self) -> tuple[State, ...]:
        """The states of networks that are compared."""
        return states_of(self.study, self.compared)

    @cached_property
    def weighings(self) -> tuple[Weighing, ...]:
        """What is measured on the weights of trained cells."""
        return weighings_of(self.study, self.weighed)

    @property
    def weighed(self) -> tuple[Cell, ...]:
        """Targets whose weights are measured."""
        weights = self.study.config["weights"]
        if weights is None:
            return ()
        return tuple(cell for cell in self.targets if cell.point.matches(weights["where"]))

    @property
    def stored(self) -> tuple[State | Weighing, ...]:
        """What is stored of networks for tables; it may be freed once these are made."""
        return (*self.states, *self.weighings)

    @cached_property
    def compared(self) -> tuple[Cell, ...]:
        """Targets whose networks are compared with each other."""
        similarity = self.study.config["similarity"]
        if similarity is None:
            return ()
        return tuple(cell for cell in self.targets if cell.point.matches(similarity["where"]))


def _stamp(
    owner: str, stage: str, content: Mapping[str, Any], cells: str = ""
) -> tuple[str, dict[str, Any]]:
    """Return a stamp's name and content; `cells` is the canonical JSON of content["cells"]."""
    parts = [
        f"{canonical_json(key)}:{cells if key == 'cells' else canonical_json(value)}"
        for key, value in sorted(content.items())
    ]
    digest = sha256_text("{" + ",".join(parts) + "}")
    return str(StampName(owner, stage, digest[:8])), dict(content)


def plan_study(study: Study) -> PlannedStudy:
    """Resolve a study to its cells; UserError if something in it is impossible."""
    builder = CellBuilder(study)
    targets = builder.targets()
    whole = whole_grid(study.config, str(study.source))
    check_folds(whole, str(study.source))
    check_questions(study, whole)
    points = {cell.point for cell in targets}
    asked = [str(question["name"]) for question in study.config["questions"]]
    study, lost = fit_to_slice(study, points)
    kept = {question["name"] for question in study.config["questions"]}
    others = [cell for point, cell in builder.cells.items() if point not in points]
    check_lengths(study, builder.cells.values())
    metrics = study_metrics(study.config, str(study.source))
    sources = [cell for cell in others if not cell.trial]
    check_selections(study, targets, [*targets, *sources], metrics)
    planned = PlannedStudy(
        study=study,
        targets=tuple(targets),
        sources=tuple(sources),
        trials=tuple(cell for cell in others if cell.trial),
        datasets=builder.datasets,
        weights={weights.id: weights for weights in builder.weights.values()},
        features=builder.features,
        metrics=metrics,
        warnings=(*builder.warnings, *lost, *undecidable(study, targets, metrics)),
        unasked=tuple(name for name in asked if name not in kept),
    )
    check_similarity(study, planned.compared, planned.states)
    check_weights(study, planned.weighed)
    return planned


@dataclass(frozen=True)
class Plan:
    """Everything that one Snakemake run may make.

    Attributes:
        studies: The planned studies by name.
    """

    studies: Mapping[str, PlannedStudy]

    @cached_property
    def cells(self) -> dict[str, Cell]:
        """Every cell of every study by name; shared cells once."""
        return {cell.name: cell for study in self.studies.values() for cell in study.cells}

    @cached_property
    def tunings(self) -> dict[str, CellTuning]:
        """Everything that is tuned, by id."""
        return {cell.tuning.id: cell.tuning for cell in self.cells.values() if cell.tuning}

    def tuning(self, name: str) -> CellTuning:
        """Return something that is tuned; UserError if no study of this run names it."""
        if name not in self.tunings:
            raise UserError(f"none of this run's studies tunes '{name}'.")
        return self.tunings[name]

    @cached_property
    def stamps(self) -> dict[str, dict[str, Any]]:
        """Content of every stamp by file name."""
        found = dict([self.evaluate_stamp])
        for study in self.studies.values():
            found |= dict(study.stamps.values())
        return found | self.notes

    @cached_property
    def evaluate_stamp(self) -> tuple[str, dict[str, Any]]:
        """The stamp of evaluation's code, which cells of all studies share."""
        return _stamp("code", "evaluate", {"code": stage_fingerprint("evaluate")})

    @cached_property
    def notes(self) -> dict[str, dict[str, Any]]:
        """Location stamps: where data and weight files lie on this machine."""
        notes: dict[str, dict[str, Any]] = {}
        for study in self.studies.values():
            # Two copies of a thing are the same thing: the first place will do.
            for dataset in study.datasets.values():
                notes.setdefault(dataset.id, dataset.location)
                if dataset.regions:
                    notes.setdefault(dataset.regions.id, dataset.regions.location)
            for weights in study.weights.values():
                notes.setdefault(weights.id, weights.location)
        return dict(_stamp(owner, LOCATION, note) for owner, note in notes.items())

    @cached_property
    def features(self) -> dict[str, Features]:
        """The features of frozen layers that cells are trained on, by id."""
        found: dict[str, Features] = {}
        for study in self.studies.values():
            found |= study.features
        return found

    def feature(self, features_id: str) -> Features:
        """Return features by id; UserError if no cell of this run is trained on them."""
        if features_id not in self.features:
            raise UserError(f"none of this run's cells is trained on features '{features_id}'.")
        return self.features[features_id]

    @cached_property
    def states(self) -> dict[str, State]:
        """The states of networks that studies compare, by id."""
        return {state.id: state for study in self.studies.values() for state in study.states}

    def state(self, state_id: str) -> State:
        """Return a state by id; UserError if no study of this run compares it."""
        if state_id not in self.states:
            raise UserError(f"none of this run's studies compares '{state_id}'.")
        return self.states[state_id]

    @cached_property
    def weighings(self) -> dict[str, Weighing]:
        """What studies measure on weights, by id."""
        return {one.id: one for study in self.studies.values() for one in study.weighings}

    def weighing(self, weighing_id: str) -> Weighing:
        """Return a measurement by id; UserError if no study of this run asks for it."""
        if weighing_id not in self.weighings:
            raise UserError(f"none of this run's studies measures '{weighing_id}'.")
        return self.weighings[weighing_id]

    @property
    def stored(self) -> dict[str, State | Weighing]:
        """The states and the measurements by id."""
        return {**self.states, **self.weighings}

    @property
    def warnings(self) -> list[str]:
        """Sentences for the user, each once."""
        return list(
            dict.fromkeys(text for study in self.studies.values() for text in study.warnings)
        )

    def cell(self, name: str) -> Cell:
        """Return a cell by name; UserError if the studies of this run do not name it."""
        if name not in self.cells:
            raise UserError(
                f"cell '{name}' is not in this run's studies ({listed(self.studies)}); name the "
                "study that holds it with --configfile."
            )
        return self.cells[name]

    def write_scratch(self, folder: Path) -> None:
        """Leave the content of every stamp in `folder` for the rule that publishes it.

        A job's command line is too short for a list of thousands of cells, and reading the study
        again inside the job would record a study that was edited in the meantime. Names hold the
        content's hash, so a file that is already there is right.
        """
        # What features, activations and measurements are made from stands in specifications of
        # cells, so these notes are for the job alone.
        notes = [_stamp(found.id, LOCATION, found.note) for found in self.features.values()]
        notes += [_stamp(state.id, LOCATION, state.note) for state in self.stored.values()]
        for name, content in [*self.stamps.items(), *notes]:
            if not (folder / name).exists():
                write_text(folder / name, canonical_json(content))
        # prepare and weights find a note by its owner: the latest one counts.
        planned = {stamp.owner: stamp for stamp in map(stamp_name, self.notes) if stamp}
        for stamp, path in stamps_in(folder):
            if stamp.owner in planned and planned[stamp.owner].replaces(stamp):
                path.unlink(missing_ok=True)
        remember_code(folder / MEMORY.name)


def plan_run(configfiles: Sequence[Path], overrides: Mapping[str, Any]) -> Plan:
    """Plan what one Snakemake run was asked for.

    Args:
        configfiles: The files given with ``--configfile``; config.yaml if empty.
        overrides: The settings given with ``--config``.

    Raises:
        UserError: Any fault of a study, in one sentence.
    """
    settings = {key: typed(value) for key, value in overrides.items() if key != "studies"}
    studies: dict[str, PlannedStudy] = {}
    for path in study_files(configfiles, overrides):
        planned = plan_study(load_study(path, settings))
        if planned.name in studies:
            raise UserError(f"two studies are named '{planned.name}'; rename one of them.")
        studies[planned.name] = planned
    _check_devices(studies)
    return Plan(studies)


def _check_devices(studies: Mapping[str, PlannedStudy]) -> None:
    devices = {study.study.config["device"] for study in studies.values()}
    if {"cpu", "cuda"} <= devices:
        raise UserError(
            "one study of this run asks for device cpu and another for cuda; run them one after "
            "the other, or give both the same device with --config device=auto."
        )
