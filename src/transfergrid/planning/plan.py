"""The plan of a run: all studies, their cells and stamps, as the Snakefile sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from transfergrid.planning.cells import Cell, CellTuning
from transfergrid.planning.features import Features
from transfergrid.planning.fingerprint import remember_code, stage_fingerprint
from transfergrid.planning.known_syntax import MEMORY
from transfergrid.planning.planned import PlannedStudy, plan_study, stamped
from transfergrid.planning.stamps import LOCATION, stamp_name, stamps_in
from transfergrid.planning.states import State
from transfergrid.planning.study import Study, load_study, study_files, typed
from transfergrid.planning.weighings import Weighing
from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.hashing import canonical_json


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
        return stamped("code", "evaluate", {"code": stage_fingerprint("evaluate")})

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
        return dict(stamped(owner, LOCATION, note) for owner, note in notes.items())

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
        notes = [stamped(found.id, LOCATION, found.note) for found in self.features.values()]
        notes += [stamped(state.id, LOCATION, state.note) for state in self.stored.values()]
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
        configfiles: The files given with ``--configfile``; a default file if empty.
        overrides: The settings given with ``--config``.

    Raises:
        UserError: Any fault of a study, in one sentence.
    """
    settings = {key: typed(value) for key, value in overrides.items() if key != "studies"}
    return plan_studies(load_study(path, settings) for path in study_files(configfiles, overrides))


def plan_studies(loaded: Iterable[Study]) -> Plan:
    """Plan studies that were read already.

    Raises:
        UserError: Two of them have one name, or any fault of what they mean.
    """
    studies: dict[str, PlannedStudy] = {}
    for study in loaded:
        planned = plan_study(study)
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
