"""A study: read, checked against the schema, defaults filled, overrides applied."""

from __future__ import annotations

import copy
import os
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transfergrid.planning.derivation import DERIVED, derivation_of, fill_kind
from transfergrid.planning.meaning import (
    check_dataset_settings,
    check_key_rule,
    check_phase_keys,
    check_recipe,
    check_replaced,
)
from transfergrid.planning.reading import parse_yaml, read_yaml
from transfergrid.planning.recipe import Recipe
from transfergrid.planning.schema import validate
from transfergrid.planning.sets import in_order
from transfergrid.planning.sizes import with_sizes
from transfergrid.planning.unsaid import without_defaults
from transfergrid.planning.wanted import each, wheres
from transfergrid.runtime.errors import UserError

DEFAULTS = (Path("config.yaml"), Path("config") / "config.yaml")
"""Where a study lies that nobody names: in the project's own folder, or in a deployed one."""


@dataclass(frozen=True)
class Study:
    """A validated study.

    Attributes:
        source: The file it was read from.
        config: Every key of the schema, defaults filled in; locations as the user wrote them.
        recipes: The complete recipe of each protocol.
        decoders: ``module:function`` of the decoder of each protocol that has one of its own. It is
            a part of the network, and so of no `Recipe`.
    """

    source: Path
    config: Mapping[str, Any]
    recipes: Mapping[str, Recipe]
    decoders: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the study and of its folder under results/."""
        return str(self.config["name"])


def load_study(path: Path, overrides: Mapping[str, Any] | None = None) -> Study:
    """Read and check one study.

    Args:
        path: The YAML file.
        overrides: Settings from the command line; mappings are merged into the study's, key by
            key, anything else replaces it.

    Raises:
        UserError: A fault of the file, the schema or the meaning, in one sentence.
    """
    return study_of(merge(read_yaml(path), overrides or {}), path)


def study_of(settings: Mapping[str, Any], path: Path) -> Study:
    """Check the settings of a study, and fill in their defaults.

    Args:
        settings: As YAML has them.
        path: The file that they were read from, for sentences.

    Raises:
        UserError: A fault of the schema or the meaning, in one sentence.
    """
    raw = fill_kind(settings)
    check_replaced(str(path), raw)
    filled = without_defaults(validate(raw, str(path)))
    config = with_sizes(in_order(_folds_as_text(filled)), str(path))
    check_phase_keys(str(path), raw)
    whole = {
        name: merge(config["recipe"], protocol) for name, protocol in config["protocols"].items()
    }
    decoders = {name: recipe.pop("decoder", None) for name, recipe in whole.items()}
    recipes = {name: Recipe.from_dict(recipe) for name, recipe in whole.items()}
    for name, recipe in recipes.items():
        check_recipe(f"{path}: protocol '{name}'", recipe)
    for name, settings in config["datasets"].items():
        check_dataset_settings(f"{path}: data set '{name}'", settings)
    for name, settings in config["pretrainings"].items():
        if settings["kind"] == "file":
            check_key_rule(f"{path}: pretraining '{name}'", settings["key_rule"])
        if settings["kind"] == DERIVED:
            derivation_of(f"{path}: pretraining '{name}'", settings)
    own = {name: decoder for name, decoder in decoders.items() if decoder is not None}
    return Study(path, config, recipes, own)


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `override` applied to it; mappings are merged, all else is replaced."""
    merged = copy.deepcopy(dict(base))
    for key, value in override.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def _folds_as_text(config: dict[str, Any]) -> dict[str, Any]:
    """Write the folds named by blocks and patterns as text, as in points and tables."""
    for block in config["grid"]:
        if block["folds"] is not None:
            block["folds"] = [str(fold) for fold in block["folds"]]
    patterns = [pattern for block in config["grid"] for pattern in block["exclude"]]
    patterns += [pattern for block in config["grid"] for pattern in block["include"]]
    for pattern in (*patterns, *wheres(config)):
        if "fold" in pattern:
            folds = [str(fold) for fold in each(pattern["fold"])]
            pattern["fold"] = folds if isinstance(pattern["fold"], list) else folds[0]
    return config


def typed(value: Any) -> Any:
    """Return a setting of ``--config`` with its numbers as numbers.

    Snakemake reads nested values as text, whatever they are.
    """
    if isinstance(value, Mapping):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    if isinstance(value, str):
        try:
            parsed = parse_yaml(value)
        except UserError:
            return value
        return parsed if isinstance(parsed, bool | int | float | type(None)) else value
    return value


def location(text: str, what: str) -> Path:
    """Return an absolute path from a setting, with ``~`` and ``${VARIABLE}`` expanded.

    Relative paths are relative to the working directory, as everywhere in Snakemake.

    Raises:
        UserError: An environment variable that is not set.
    """
    if "\0" in text:
        raise UserError(f"{what} is {text!r}; a path cannot hold a NUL character.")
    try:
        expanded = string.Template(text).substitute(os.environ)
    except KeyError as error:
        raise UserError(
            f"{what} is '{text}', but the environment variable {error.args[0]} is not set; "
            f"export {error.args[0]}=/path or write the path itself."
        ) from None
    except ValueError:
        raise UserError(f"{what} is '{text}'; a lone $ has no meaning, write $$ for one.") from None
    try:
        return Path(expanded).expanduser().absolute()
    except RuntimeError:
        raise UserError(f"{what} is '{text}', but that user has no home folder.") from None


def study_files(configfiles: Sequence[Path], overrides: Mapping[str, Any]) -> list[Path]:
    """Return the study files of a run: ``--config studies=...``, ``--configfile``, or a default.

    Raises:
        UserError: Several ``--configfile``, which Snakemake would merge into one.
    """
    if "studies" in overrides:
        named = overrides["studies"]
        names = named if isinstance(named, list) else str(named or "").split(",")
        paths = [Path(str(name).strip()) for name in names if str(name).strip()]
        if not paths:
            raise UserError("--config studies= names no file; write studies=a.yaml,b.yaml.")
        return paths
    if len(configfiles) > 1:
        raise UserError(
            f"{len(configfiles)} files were given with --configfile; name several studies with "
            "--config studies=a.yaml,b.yaml."
        )
    there = (path for path in DEFAULTS if path.is_file())
    return [Path(configfiles[0])] if configfiles else [next(there, DEFAULTS[0])]
