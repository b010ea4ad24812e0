"""Which frozen layers of a network need to see each image only once.

While a phase trains the last layers only, those before them give the same features for an image in
every epoch, provided nothing random happens before their end. So these features can be stored, for
all cells that share images, initial weights and the place of the cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from transfergrid.planning.architectures import Architecture
from transfergrid.planning.grid import Point
from transfergrid.planning.prefix import Prefix, depth_of, prefix_of
from transfergrid.planning.recipe import Augmentation, Recipe
from transfergrid.planning.stored import check_planned, follow_seed, hash_of
from transfergrid.runtime.errors import UserError

MOST_TIMES_PIXELS = 8
"""By itself, a recipe stores features of at most this many times the bytes of a grey image."""
_FLOAT32 = 4


@dataclass(frozen=True)
class Features:
    """What the images of a data set become in a network's frozen prefix.

    Attributes:
        id: ``<dataset>-<arch>-<pretraining>-drop<k>-<pooled or map>-<hash8>``, their folder.
        dataset_id: The data set's cache.
        weights_id: Folder of the prepared weights, or None.
        source_cell: Name of the cell whose weights they are made with, or None.
        made_from: Everything that decides them beside the code; with the id, it is the note that a
            job makes them from.
        image_bytes: Bytes of an image's features; 0 if that is not known.
    """

    id: str
    dataset_id: str
    weights_id: str | None
    source_cell: str | None
    made_from: Mapping[str, Any]
    image_bytes: int = 0

    @property
    def note(self) -> dict[str, Any]:
        """What a job that makes them must know."""
        return {"id": self.id, "made_from": dict(self.made_from)}


def stored_features(
    recipe: Recipe,
    architecture: Architecture,
    point: Point,
    image_px: int,
    dataset_id: str,
    weights: Mapping[str, Any],
) -> dict[int, Features]:
    """Return the features that are stored for a cell, by the number of the phase.

    Args:
        recipe: The cell's recipe.
        architecture: The network.
        point: The cell's place on the axes.
        image_px: Height and width of the images.
        dataset_id: Id of the data set.
        weights: What the cell's specification says of its initial weights.
    """
    found = {}
    for phase in range(len(recipe.phases)):
        prefix = stored_prefix(recipe, phase, architecture, point.truncation, image_px)
        if prefix is not None:
            network = architecture.record(image_px)
            made_of = {"dataset": dataset_id, "architecture": network, "weights": weights}
            features = features_of(made_of, point.seed, point.pretraining, prefix)
            size = _image_bytes(prefix, architecture, image_px)
            found[phase] = replace(features, image_bytes=size)
    return found


def stored_prefix(
    recipe: Recipe, phase: int, architecture: Architecture, truncation: int, image_px: int
) -> Prefix | None:
    """Return the prefix whose features are stored for a phase, or None.

    Args:
        recipe: The cell's recipe.
        phase: Number of the phase.
        architecture: The network.
        truncation: Blocks that the network lacks.
        image_px: Height and width of the images.
    """
    prefix = prefix_of(recipe.phases[phase].train_layers, truncation)
    if prefix is None or why_not(recipe, phase, architecture, truncation):
        return None
    if recipe.frozen_prefix == "auto" and not _is_small(prefix, architecture, image_px):
        return None
    return prefix


def why_not(recipe: Recipe, phase: int, architecture: Architecture, truncation: int) -> str:
    """Return why the features of a phase's prefix cannot be stored, as the end of a sentence.

    The text is empty if they can.
    """
    prefix = prefix_of(recipe.phases[phase].train_layers, truncation)
    layers = recipe.phases[phase].train_layers
    if recipe.frozen_prefix == "computed":
        return "the recipe has them computed in each epoch"
    if prefix is None:
        return "all layers learn, so that none is frozen"
    depths = [depth_of(earlier.train_layers) for earlier in recipe.phases[:phase]]
    if any(depth > depth_of(layers) for depth in depths):
        return "an earlier phase trains layers that are frozen in it"
    if recipe.calibrated_phase is not None:
        return "batch norms in them take their statistics from each cell's training images"
    if recipe.augmentation != Augmentation():
        return "each epoch augments the images anew"
    if recipe.precision == "bf16":
        return "with precision bf16 frozen layers compute otherwise than features are stored"
    if not prefix.pooled and not architecture.widths:
        return f"the blocks of {architecture.name} are not known"
    if not prefix.pooled and prefix.drop > architecture.max_truncation:
        return f"{layers} leaves nothing frozen but the stem of {architecture.name}"
    return ""


def check_prefix(recipe: Recipe, architecture: Architecture, truncation: int, where: str) -> None:
    """Refuse a recipe that asks for stored features which cannot be.

    Args:
        recipe: The recipe.
        architecture: A network that is trained with it.
        truncation: Blocks that the network lacks.
        where: The study and the protocol, for the message.

    Raises:
        UserError: ``frozen_prefix`` is ``stored`` and a phase cannot have it.
    """
    if recipe.frozen_prefix != "stored":
        return
    frozen = [n for n, phase in enumerate(recipe.phases) if phase.train_layers != "all"]
    for number in frozen or [0]:
        reason = why_not(recipe, number, architecture, truncation)
        if reason:
            phase = f" of phase {number + 1}" if len(recipe.phases) > 1 else ""
            raise UserError(
                f"{where} asks for frozen_prefix: stored, but the features{phase} cannot be "
                f"stored, because {reason}; write auto or computed."
            )


def features_of(
    made_of: Mapping[str, Any], seed: int, pretraining: str, prefix: Prefix
) -> Features:
    """Return the features that a phase of a cell is trained on.

    Args:
        made_of: The data set's id (``dataset``), and of the cell's specification ``architecture``
            and ``weights``.
        seed: The cell's seed.
        pretraining: Name of its initial weights.
        prefix: Where the features end.
    """
    weights = made_of["weights"]
    cut = {"drop": prefix.drop, "pooled": prefix.pooled}
    made_from = {**made_of, **cut, "seed": seed if follow_seed(weights) else None}
    names = [made_of["dataset"].rpartition("-")[0], made_of["architecture"]["name"], pretraining]
    kind = "pooled" if prefix.pooled else "map"
    return Features(
        id="-".join([*names, f"drop{prefix.drop}", kind, hash_of(made_from, "features")]),
        dataset_id=made_of["dataset"],
        weights_id=weights["id"],
        source_cell=weights["source_cell"],
        made_from=made_from,
    )


def check_features(features_id: str, made_from: Mapping[str, Any]) -> None:
    """Stop a job if what it would make are no longer the features that were planned.

    Raises:
        UserError: The code that makes them was edited since.
    """
    check_planned(features_id, made_from, "features", "makes features")


def _is_small(prefix: Prefix, architecture: Architecture, image_px: int) -> bool:
    """Tell whether an image's features are worth reading in its place."""
    return 0 < _image_bytes(prefix, architecture, image_px) <= MOST_TIMES_PIXELS * image_px**2


def _image_bytes(prefix: Prefix, architecture: Architecture, image_px: int) -> int:
    """Return the bytes of an image's features; 0 for a network not listed."""
    if prefix.drop >= len(architecture.widths):
        return 0
    side = 1 if prefix.pooled else -(-image_px // architecture.strides[prefix.drop])
    return _FLOAT32 * architecture.widths[prefix.drop] * side * side
