"""Make missing features once, for whichever job asks first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.features import check_features, features_of
from transfergrid.planning.paths import cell_directory, features_directory, weights_directory
from transfergrid.planning.prefix import prefix_of
from transfergrid.planning.recipe import Recipe
from transfergrid.planning.records import TRAINED, is_whole
from transfergrid.planning.unchanged import hold_stage
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.heartbeat import heartbeat
from transfergrid.runtime.locks import make_once


def make_features(
    features_id: str,
    made_from: Mapping[str, Any],
    results: Path,
    device: str,
    check: Callable[[], None] = lambda: None,
    tell: Callable[[str], None] | None = None,
) -> None:
    """Make features unless they are there; of several jobs that need them, one does it.

    Args:
        features_id: Their id.
        made_from: What they are made from, as planned.
        results: The folder of all outputs.
        device: "cpu" or "cuda".
        check: Called now and then; may raise to end the work, or the wait for another job's.
        tell: Receives signs of life; by default they go to standard error.

    Raises:
        UserError: The code was edited since planning, or they cannot be made.
    """

    def make() -> None:
        check_features(features_id, made_from)
        # Imported only now, so that it is the code that was compared.
        from transfergrid.evaluation.extraction import extract
        from transfergrid.models.rebuild import ensure_weights

        if made_from["weights"]["id"]:
            ensure_weights(made_from["weights"]["id"], results)
        extract(features_id, made_from, results, device, check)

    folder = features_directory(features_id, results)
    lock = folder.with_name(f".{features_id}.lock")
    with heartbeat("features of frozen layers, here or in another job", every=30, tell=tell):
        make_once(lambda: is_whole(folder), lock, make, check)


def hold_features(spec: Mapping[str, Any]) -> None:
    """Make this process import the code that makes features as it is now, if a cell has any.

    Raises:
        UserError: It is not the code after which they are named.
    """
    if spec.get("features"):
        hold_stage("features", spec["code"]["features"])


def ensure_features(
    spec: Mapping[str, Any],
    results: Path,
    device: str,
    check: Callable[[], None] = lambda: None,
    tell: Callable[[str], None] | None = None,
    scoring: bool = False,
) -> None:
    """Make the features that a cell is trained on and that are missing; as `make_features`.

    With `scoring`, only those that scoring reads.
    """
    for features_id, made_from in _wanted(spec, scoring):
        make_features(features_id, made_from, results, device, check, tell)


def can_make(spec: Mapping[str, Any], results: Path) -> bool:
    """Tell whether the weights are there that a cell's features are made with."""
    source, weights_id = spec["weights"]["source_cell"], spec["weights"]["id"]
    if source:
        return (cell_directory(source, results) / TRAINED).is_file()
    return not weights_id or is_whole(weights_directory(weights_id, results))


def _wanted(spec: Mapping[str, Any], scoring: bool) -> list[tuple[str, Mapping[str, Any]]]:
    recipe, cell = Recipe.from_dict(spec["recipe"]), spec["cell"]
    found = []
    for phase, features_id in spec.get("features", {}).items():
        if scoring and int(phase) != recipe.frozen_phase:
            continue
        prefix = prefix_of(recipe.phases[int(phase)].train_layers, cell["truncation"])
        if prefix is None:
            raise UserError(
                f"the specification names features for phase {phase}, in which all layers learn."
            )
        made_of = {key: spec[key] for key in ("architecture", "weights")}
        made_of["dataset"] = spec["dataset"]["id"]
        planned = features_of(made_of, spec["seed"], cell["pretraining"], prefix)
        found.append((features_id, planned.made_from))
    return found
