"""A study: read, checked against the schema, defaults filled, overrides applied."""

from __future__ import annotations

import copy
import os
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from transfergrid.planning.recipe import Recipe
from transfergrid.planning.schema import validate
from transfergrid.runtime.errors import UserError


@dataclass(frozen=True)
class Study:
    """A validated study.

    Attributes:
        source: The file it was read from.
        config: Every key of the schema, defaults filled in; locations as the user wrote them.
        recipes: The complete recipe of each protocol.
    """

    source: Path
    config: Mapping[str, Any]
    recipes: Mapping[str, Recipe]

    @property
    def name(self) -> str:
        """Name of the study and of its folder under results/."""
        return str(self.config["name"])


if TYPE_CHECKING:
    from yaml import SafeLoader as _Safe
else:  # The C parser is ten times as fast, where PyYAML was built with it.
    _Safe = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _StrictLoader(_Safe):
    """YAML in which a key that stands twice in a mapping is an error."""


def _unique_mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[object] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node)
        if key in seen:
            line = key_node.start_mark.line + 1
            raise UserError(f"line {line} names the key '{key}' a second time; keep one of them.")
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; UserError where the file is missing, broken or no mapping."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"study {path} cannot be read: {error.strerror}.") from None
    try:
        value = yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError as error:
        raise UserError(
            f"study {path} is not valid YAML: {' '.join(str(error).split())}."
        ) from None
    except UserError as error:
        raise UserError(f"study {path}: {error}") from None
    if not isinstance(value, dict):
        raise UserError(f"study {path} holds no mapping of settings; start from config.yaml.")
    return value


def load_study(path: Path, overrides: Mapping[str, Any] | None = None) -> Study:
    """Read and check one study.

    Args:
        path: The YAML file.
        overrides: Settings from the command line; mappings are merged into the study's, key by
            key, anything else replaces it.

    Raises:
        UserError: A fault of the file, the schema or the meaning, in one sentence.
    """
    raw = merge(read_yaml(path), overrides or {})
    config = validate(raw, str(path))
    recipes = {
        name: Recipe.from_dict(merge(config["recipe"], protocol))
        for name, protocol in config["protocols"].items()
    }
    for name, recipe in recipes.items():
        _check_recipe(f"{path}: protocol '{name}'", recipe)
    return Study(path, config, recipes)


def _check_recipe(where: str, recipe: Recipe) -> None:
    if recipe.batch_size % recipe.accumulate:
        raise UserError(
            f"{where}: batch_size {recipe.batch_size} cannot be split into {recipe.accumulate} "
            "equal micro-batches; choose accumulate as a divisor."
        )
    if recipe.batch_size // recipe.accumulate < 2:
        raise UserError(
            f"{where}: accumulate {recipe.accumulate} leaves micro-batches of one image, which "
            "batch norm cannot train on; leave at least two."
        )
    if recipe.train_count is not None and recipe.train_share < 1:
        raise UserError(f"{where}: train_share and train_count exclude each other; keep one.")


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `override` laid over it; mappings are merged, all else is replaced."""
    merged = copy.deepcopy(dict(base))
    for key, value in override.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def location(text: str, what: str) -> Path:
    """Return an absolute path from a setting, with ``~`` and ``${VARIABLE}`` expanded.

    Relative paths are relative to the working directory, as everywhere in Snakemake.

    Raises:
        UserError: An environment variable that is not set.
    """
    try:
        expanded = string.Template(text).substitute(os.environ)
    except KeyError as error:
        raise UserError(
            f"{what} is '{text}', but the environment variable {error.args[0]} is not set; "
            f"export {error.args[0]}=/path or write the path itself."
        ) from None
    except ValueError:
        raise UserError(f"{what} is '{text}'; a lone $ has no meaning, write $$ for one.") from None
    return Path(expanded).expanduser().absolute()


def study_files(configfiles: Sequence[Path], overrides: Mapping[str, Any]) -> list[Path]:
    """Return the study files of a run: ``--config studies=...``, ``--configfile`` or config.yaml.

    Raises:
        UserError: Several ``--configfile``, which Snakemake would merge into one.
    """
    named = overrides.get("studies")
    if named is not None:
        names = named.split(",") if isinstance(named, str) else list(named)
        return [Path(str(name).strip()) for name in names]
    if len(configfiles) > 1:
        raise UserError(
            f"{len(configfiles)} files were given with --configfile; name several studies with "
            "--config studies=a.yaml,b.yaml."
        )
    return [Path(configfiles[0])] if configfiles else [Path("config.yaml")]
