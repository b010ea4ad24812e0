"""Cells: one frozen record for each point of the grid, with its name, hash and specification."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from transfergrid.catalog.conventions import declared_input
from transfergrid.catalog.kinds import PRETRAINING_KINDS, PretrainingKind, pretraining_kind
from transfergrid.planning.architectures import (
    Architecture,
    base_of,
    check_input_size,
    check_last_blocks,
    check_truncation,
    find_architecture,
    known_architectures,
    small_map_warning,
)
from transfergrid.planning.derivation import (
    DERIVED,
    check_derivation,
    derivation_of,
    record_of,
)
from transfergrid.planning.features import Features, check_prefix, stored_features
from transfergrid.planning.fingerprint import (
    prepare_fingerprint,
    stage_fingerprint,
    tuning_hash,
)
from transfergrid.planning.folding import folding_warning
from transfergrid.planning.grid import ALL, Point, expand
from transfergrid.planning.inputs import Dataset, Weights, resolve_dataset, resolve_weights
from transfergrid.planning.leaks import Learned, check_chain, released_warning, shared_warnings
from transfergrid.planning.meaning import check_loss, check_redrawing
from transfergrid.planning.metrics import Declaration, primary_metric, trained_by, trained_code
from transfergrid.planning.naming import name_of
from transfergrid.planning.recipe import Recipe
from transfergrid.planning.source_cells import entry_of, source_point
from transfergrid.planning.study import Study
from transfergrid.planning.tasks import decoder_of, holds_masks, tasks_fingerprint
from transfergrid.planning.unsaid import plain_recipe
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import canonical_json, sha256_text, short_hash

SPEC_FORMAT = 1
LONGEST_CHAIN = 50
"""Source cells behind one another; each is planned within the plan of the next."""


@dataclass(frozen=True)
class CellTuning:
    """The trials that find the learning rate for a cell and the same cell with other seeds.

    Attributes:
        id: Folder for what is found, under results/tuning.
        trials: Name of the trial cell by learning rate, rising.
    """

    id: str
    trials: Mapping[float, str]

    @property
    def record(self) -> dict[str, Any]:
        """What a specification holds of it, and what the choice is made from."""
        return {"id": self.id, "trials": {repr(rate): cell for rate, cell in self.trials.items()}}

    @property
    def text(self) -> str:
        """The trials as canonical JSON."""
        return canonical_json(self.record["trials"])


@dataclass(frozen=True)
class Cell:
    """One fine-tuning job.

    Attributes:
        point: Its place on the axes.
        name: ``<dataset>-<architecture>-<pretraining>-drop<k>-<protocol>-seed<s>-<hash8>``, with
            ``-fold<f>`` before the hash where there are folds.
        spec: Canonical JSON of everything that is hashed; what train and evaluate read.
        dataset_id: Folder of its cache.
        weights_id: Folder of its prepared weights, or None.
        source_cell: Name of the cell that it is fine-tuned from, or None.
        tuning: How its learning rate is found, or None if it is given.
        features: Ids of the features of frozen layers that it is trained on.
        trial: Whether it is a training that tries a learning rate, and is not scored.
        family: Family of the architecture.
        network: The known network that the architecture is, or is a variant of; else its own name.
        imagenet_top1: Top-1 accuracy of the architecture's pinned weights in percent, or None.
        decoder: What is put on it, as `planning.tasks.decoder_of` calls it.
    """

    point: Point
    name: str
    spec: str = field(repr=False)
    dataset_id: str
    weights_id: str | None
    source_cell: str | None
    tuning: CellTuning | None
    features: tuple[str, ...]
    trial: bool
    family: str
    network: str
    imagenet_top1: float | None
    decoder: str = ""


class CellBuilder:
    """Resolves the points of one study to cells, sources first.

    Attributes:
        cells: Cells by point: targets, sources, and trials of learning rates.
        datasets: Resolved data sets by name.
        weights: Resolved weights by (pretraining, architecture).
        features: The features of frozen layers that cells are trained on, by id.
        learned: By name of a cell what it and all before it in its chain were trained on.
        releases: By name of a cell the release with which its chain began, or None.
        warnings: Sentences about cells that can run but may not be what the user wants.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self.cells: dict[Point, Cell] = {}
        self.datasets: dict[str, Dataset] = {}
        self.weights: dict[tuple[str, str], Weights] = {}
        self.features: dict[str, Features] = {}
        self.warnings: dict[str, None] = {}
        self._recipes = dict(study.recipes)
        self._decoders = dict(study.decoders)
        self._open: list[Point] = []
        self.learned: dict[str, tuple[Learned, ...]] = {}
        self.releases: dict[str, str | None] = {}
        self._texts: dict[tuple[object, ...], str] = {}
        self._metrics: dict[str, Declaration] = {}

    def targets(self) -> list[Cell]:
        """Return the cells of the grid; their sources are in `cells` as well.

        Raises:
            UserError: A name, truncation, file or chain in the study that is impossible.
        """
        points = expand(self.study.config, str(self.study.source))
        if not points:
            raise UserError(
                f"{self.study.source}: the grid has no cell left; relax exclude or only."
            )
        return [self.cell(point) for point in points]

    def cell(self, point: Point) -> Cell:
        """Return the cell at a point, building it and its sources if needed."""
        if point not in self.cells:
            if point in self._open:
                chain = " -> ".join(open_point.pretraining for open_point in self._open[-12:])
                raise UserError(
                    f"{self.study.source}: pretraining '{point.pretraining}' starts from itself "
                    f"({chain}); end the chain in {_ends()}."
                )
            if len(self._open) > LONGEST_CHAIN:
                raise UserError(
                    f"{self.study.source}: pretraining '{self._open[0].pretraining}' rests on a "
                    f"chain of more than {LONGEST_CHAIN} source cells; end it sooner in "
                    f"{_ends()}."
                )
            self._open.append(point)
            self.cells[point] = self._build(point)
            self._open.pop()
        return self.cells[point]

    def dataset(self, name: str, used_by: str = "the grid") -> Dataset:
        """Return a resolved data set; UserError if the study does not define it."""
        if name not in self.datasets:
            entry = entry_of(self.study, "datasets", name, used_by)
            self.datasets[name] = resolve_dataset(name, entry)
        return self.datasets[name]

    def _tuning(self, point: Point, recipe: Recipe) -> CellTuning | None:
        """Build the trials of a point whose recipe tunes."""
        if recipe.tune is None:
            return None
        trials = {}
        for rate in recipe.tune.learning_rates:
            trial_recipe, decoder = recipe.trial(rate), self._decoders.get(point.protocol)
            name = trial_protocol(trial_recipe, rate, decoder)
            if name in self.study.recipes:
                raise UserError(
                    f"{self.study.source}: protocol '{name}' is what a trial of "
                    f"'{point.protocol}' is called; rename it."
                )
            self._recipes[name] = trial_recipe
            if decoder is not None:
                self._decoders[name] = decoder
            trial = replace(point, protocol=name, seed=recipe.tune.seed)
            trials[rate] = self.cell(trial).name
        axes = [point.dataset, point.architecture, point.pretraining, f"drop{point.truncation}"]
        axes += [point.protocol] if point.fold == ALL else [point.protocol, f"fold{point.fold}"]
        digest = tuning_hash({repr(rate): cell for rate, cell in trials.items()})
        return CellTuning("-".join([*axes, digest]), trials)

    def _weights(self, name: str, architecture: Architecture) -> Weights:
        key = (name, architecture.name)
        if key not in self.weights:
            self.weights[key] = resolve_weights(
                name, self.study.config["pretrainings"][name], architecture
            )
        return self.weights[key]

    def _build(self, point: Point) -> Cell:
        dataset = self.dataset(point.dataset)
        image_px = dataset.declaration["image_px"]
        if point.protocol not in self._recipes:
            entry_of(self.study, "protocols", point.protocol, "the grid")
        architecture = self._architecture(point, image_px)
        weights, weights_id, source = self._initial(point, architecture)
        learned = self.learned[source] if source else ()
        known = [(self.datasets[name], fold) for name, fold in learned]
        check_chain(known, dataset, point, str(self.study.source))
        for warning in shared_warnings(known, dataset, point, str(self.study.source)):
            self._warn(warning)
        release = weights.get("release") or self.releases.get(source or "")
        self._warn(released_warning(release, dataset, point, str(self.study.source)))
        recipe, decoder = self._recipes[point.protocol], self._decoders.get(point.protocol)
        where = f"{self.study.source}: protocol '{point.protocol}'"
        check_redrawing(where, recipe, point.dataset, dataset.declaration)
        check_loss(where, recipe, decoder, point.dataset, dataset.declaration)
        recipe = plain_recipe(recipe, dataset.declaration)
        self._check_layers(recipe, point, architecture)
        self._warn(folding_warning(weights, recipe, point, str(self.study.source)))
        features = self._stored(point, recipe, architecture, dataset, weights)
        tuning = self._tuning(point, recipe)
        stages = (point.dataset, bool(weights_id), bool(features))
        metric = self._metric(point.dataset)
        axes = point.axes()
        # Most of a specification is shared by many cells; in a grid of thousands, writing each
        # part only once saves most of the time.
        parts = {
            "format": str(SPEC_FORMAT),
            "cell": canonical_json(axes),
            "dataset": self._text(lambda: dataset.declaration, "data", dataset.id),
            "architecture": self._text(
                lambda: architecture.record(image_px, decoder),
                *("network", architecture.name, image_px, decoder),
            ),
            "weights": canonical_json(weights),
            "recipe": self._text(recipe.to_dict, "recipe", point.protocol),
            "seed": canonical_json(point.seed),
            "metric": self._text(lambda: trained_by(metric), "metric", point.dataset),
            "code": self._text(lambda: self._code(*stages), "code", *stages),
        }
        if tuning is not None:
            parts["tuning"] = canonical_json(tuning.record)
        if features:
            parts["features"] = canonical_json(features)
        spec = "{" + ",".join(f'"{key}":{parts[key]}' for key in sorted(parts)) + "}"
        name = name_of(axes, sha256_text(spec))
        self.learned[name] = (*learned, (point.dataset, point.fold))
        self.releases[name] = release
        return Cell(
            point=point,
            name=name,
            spec=spec,
            dataset_id=dataset.id,
            weights_id=weights_id,
            source_cell=source,
            tuning=tuning,
            features=tuple(features.values()),
            trial=point.protocol not in self.study.recipes,
            family=architecture.family,
            network=architecture.of or architecture.name,
            imagenet_top1=architecture.imagenet_top1,
            decoder=decoder_of(dataset.declaration, decoder),
        )

    def _architecture(self, point: Point, image_px: int) -> Architecture:
        """Return a point's network, which can be cut as it says and takes images of that size."""
        architecture = find_architecture(point.architecture, self.study.config["architectures"])
        check_truncation(architecture, point.truncation)
        check_input_size(architecture, image_px)
        self._warn(small_map_warning(architecture, point.truncation, image_px))
        return architecture

    def _warn(self, text: str | None) -> None:
        if text:
            self.warnings[text] = None

    def _check_layers(self, recipe: Recipe, point: Point, architecture: Architecture) -> None:
        where = f"{self.study.source}: protocol '{point.protocol}'"
        for phase in recipe.phases:
            if phase.last_blocks:
                check_last_blocks(architecture, point.truncation, where, phase.last_blocks)

    def _stored(
        self,
        point: Point,
        recipe: Recipe,
        architecture: Architecture,
        dataset: Dataset,
        weights: Mapping[str, Any],
    ) -> dict[str, str]:
        """Return the id of the features that a cell has in store for a phase, by its number."""
        where = f"{self.study.source}: protocol '{point.protocol}'"
        if holds_masks(dataset.declaration):
            return {}  # a decoder needs the maps of all layers, frozen ones too
        check_prefix(recipe, architecture, point.truncation, where)
        px = dataset.declaration["image_px"]
        found = stored_features(recipe, architecture, point, px, dataset.id, weights)
        self.features |= {features.id: features for features in found.values()}
        return {str(phase): features.id for phase, features in found.items()}

    def _metric(self, dataset: str) -> Declaration:
        if dataset not in self._metrics:
            source = str(self.study.source)
            self._metrics[dataset] = primary_metric(self.study.config, dataset, source)
        return self._metrics[dataset]

    def _code(self, dataset: str, has_weights: bool, has_features: bool) -> dict[str, str]:
        settings = self.study.config["datasets"][dataset]
        features = {"features": stage_fingerprint("features")} if has_features else {}
        return features | {
            "prepare": prepare_fingerprint(settings["kind"]),
            "weights": stage_fingerprint("weights") if has_weights else "",
            "train": stage_fingerprint("train"),
            "task": tasks_fingerprint(settings),
            "metric": trained_code(self._metric(dataset)),
        }

    def _text(self, part: Callable[[], Mapping[str, Any]], *key: object) -> str:
        if key not in self._texts:
            self._texts[key] = canonical_json(part())
        return self._texts[key]

    def _initial(
        self, point: Point, architecture: Architecture
    ) -> tuple[dict[str, Any], str | None, str | None]:
        settings = entry_of(self.study, "pretrainings", point.pretraining, "the grid")
        kind = pretraining_kind(settings["kind"])
        if kind.start == "borrowed":
            return self._borrowed(point, kind, settings, architecture)
        if kind.start == "drawn":
            drawn = {"kind": kind.name, "id": None, "source_cell": None, "sha256": None}
            return {**drawn, **declared_input(settings)}, None, None
        if kind.start == "trained":
            source = self.cell(source_point(self.study, point, settings))
            record = {"kind": kind.name, "id": None, "source_cell": source.name, "sha256": None}
            return record, None, source.name
        weights = self._weights(point.pretraining, architecture)
        record = {
            **weights.declaration,
            "kind": kind.name,
            "id": weights.id,
            "source_cell": None,
            "sha256": weights.declaration.get("sha256"),
        }
        return record, weights.id, None

    def _borrowed(
        self,
        point: Point,
        kind: PretrainingKind,
        settings: Mapping[str, Any],
        architecture: Architecture,
    ) -> tuple[dict[str, Any], str | None, str | None]:
        """Return what the weights of another pretraining would be, of which a part is kept."""
        of, where = settings["of"], f"{self.study.source}: pretraining '{point.pretraining}'"
        other = entry_of(self.study, "pretrainings", of, f"pretraining '{point.pretraining}'")[
            "kind"
        ]
        if pretraining_kind(other).start in ("drawn", "borrowed"):
            own = [k.name for k in PRETRAINING_KINDS if k.start in ("released", "trained")]
            raise UserError(
                f"{where} takes the {kind.keeps} of '{of}', which is {other}; name one with "
                f"weights of its own ({', '.join(own)} or module:function)."
            )
        if kind.name != DERIVED:
            point = replace(point, pretraining=of)
            record, weights_id, source = self._initial(point, architecture)
            return {**record, "keep": kind.keeps}, weights_id, source
        derivation = derivation_of(where, settings)
        check_derivation(where, derivation, architecture, point.truncation)
        slim = base_of(architecture.of)
        base = known_architectures()[slim[0]] if slim else None
        # A slim network starts from the weights of its base, whatever kind they are of.
        network = base or architecture
        point = replace(point, pretraining=of, architecture=network.name)
        record, weights_id, source = self._initial(point, network)
        return {**record, **record_of(derivation, base)}, weights_id, source


def _ends() -> str:
    """Return the kinds of initial weights that need no other cell."""
    *others, last = [k.name for k in PRETRAINING_KINDS if k.start in ("drawn", "released")]
    return f"{', '.join(others)} or {last}"


def trial_protocol(recipe: Recipe, rate: float, decoder: str | None = None) -> str:
    """Return the name of a trial's recipe: protocols that try a rate in the same way share it."""
    tried = recipe.to_dict() | ({} if decoder is None else {"decoder": decoder})
    return f"trial.lr{format(Decimal(repr(rate)), 'f')}.{short_hash(tried)}"
