"""A study with its cells, and the stamps of its stages.

A stamp is a small file ``stamps/<study>.<stage>.<hash8>`` that stands for one state of a stage's
code and settings and holds what the stage's program must know. It is an input of the stage, so a
change gives it another path and the stage is redone, with or without Snakemake's own records;
writing one removes its siblings, so undoing a change is noticed as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from transfergrid.catalog.records import Stage
from transfergrid.catalog.stages import STAGE, STAGES
from transfergrid.planning.cells import Cell, CellBuilder
from transfergrid.planning.contents import PARTS, content_of
from transfergrid.planning.curves import check_curves
from transfergrid.planning.decidable import undecidable
from transfergrid.planning.declared_tasks import check_cams
from transfergrid.planning.decoders import check_decoders
from transfergrid.planning.external import external_of
from transfergrid.planning.features import Features
from transfergrid.planning.fingerprint import stage_fingerprint
from transfergrid.planning.grid import check_folds, folds_beside, whole_grid
from transfergrid.planning.inputs import Dataset, Weights
from transfergrid.planning.lengths import check_lengths
from transfergrid.planning.masked import check_masked
from transfergrid.planning.metrics import StudyMetrics, study_metrics
from transfergrid.planning.outlined import OUTLINES, check_spacing, outlines_of
from transfergrid.planning.questions import check_questions, fit_to_slice
from transfergrid.planning.selections import check_selections
from transfergrid.planning.shards import shards
from transfergrid.planning.stamps import StampName
from transfergrid.planning.states import State, check_similarity, states_of
from transfergrid.planning.study import Study
from transfergrid.planning.subgroups import check_subgroups
from transfergrid.planning.weighings import Weighing, check_weights, weighings_of
from transfergrid.runtime.hashing import canonical_json, sha256_text


@dataclass(frozen=True)
class PlannedStudy:
    """One study with its cells.

    Attributes:
        study: The validated study.
        targets: Cells of the grid, in the grid's order.
        sources: Cells from which targets are fine-tuned and which are not in the grid.
        trials: Cells that try a learning rate; they are trained and not scored.
        datasets: Resolved data sets by name, those that cells are only tested on among them.
        weights: Seedless weights by id.
        features: Features of frozen layers by id.
        metrics: The metrics that it names.
        warnings: Sentences for the user.
        unasked: Questions that a slice leaves out.
        external: Which targets are scored on which other data sets.
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
    external: tuple[Weighing, ...] = ()

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
            stage.name: stamped(
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
        """What is measured on trained cells: weights, what they mark, scores elsewhere."""
        outlines = outlines_of(self.study, self.targets, self.metrics.declarations)
        return (*weighings_of(self.study, self.weighed), *outlines, *self.external)

    @cached_property
    def outlined(self) -> dict[str, str]:
        """Cells whose masks are compared anew, with the id of that measurement."""
        return {one.cell: one.id for one in self.weighings if one.stage == OUTLINES}

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


def stamped(
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
    check_masked(study, targets)
    check_cams(study, targets)
    check_curves(study, targets)
    check_decoders(study, builder.cells.values())
    check_spacing(study, metrics.declarations.values())
    check_subgroups(study, (cell.point.dataset for cell in targets))
    external, told = external_of(study, targets, builder, whole)
    planned = PlannedStudy(
        study=study,
        targets=tuple(targets),
        sources=tuple(sources),
        trials=tuple(cell for cell in others if cell.trial),
        datasets=builder.datasets,
        weights={weights.id: weights for weights in builder.weights.values()},
        features=builder.features,
        metrics=metrics,
        warnings=(*builder.warnings, *told, *lost, *undecidable(study, targets, metrics)),
        unasked=tuple(name for name in asked if name not in kept),
        external=external,
    )
    check_similarity(study, planned.compared, planned.states)
    check_weights(study, planned.weighed)
    return planned
