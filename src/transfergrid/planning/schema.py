"""JSON Schema for studies: errors as sentences, defaults filled in."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml
from jsonschema import Draft202012Validator, ValidationError

from transfergrid.planning.paths import SCHEMAS
from transfergrid.runtime.errors import UserError, listed, suggest

if TYPE_CHECKING:
    from yaml import SafeLoader as SafeYaml
else:  # The C parser is ten times as fast, where PyYAML was built with it.
    SafeYaml = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Schema = Mapping[str, Any]


@cache
def study_schema() -> dict[str, Any]:
    """Return the schema of a study as a plain mapping."""
    text = (SCHEMAS / "study.schema.yaml").read_text(encoding="utf-8")
    schema: dict[str, Any] = yaml.load(text, Loader=SafeYaml)
    return schema


def validate(study: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Check a study against the schema and fill in every default.

    Args:
        study: The study as read from YAML.
        source: Name of the file, for the error.

    Returns:
        A deep copy with defaults. Partial recipes (protocols) stay partial.

    Raises:
        UserError: The first fault, with its key, what was allowed and how to mend it.
    """
    schema = study_schema()
    study = _plain(study, "", source)
    errors = sorted(Draft202012Validator(schema).iter_errors(study), key=_depth)
    if errors:
        raise UserError(f"{source}: {_sentence(errors[0])}.")
    filled = copy.deepcopy(dict(study))
    _fill(schema, filled, schema)
    return filled


def _plain(value: Any, where: str, source: str) -> Any:
    """Return a value as JSON knows it: whole floats as integers, nothing infinite, no dates."""
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                place = where or "the study"
                raise UserError(f"{source}: the name {key!r} under {place} is no text; quote it.")
        return {k: _plain(v, f"{where}.{k}" if where else k, source) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(item, f"{where}[{i}]", source) for i, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{source}: key '{where}' is {value}, which is no finite number.")
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, str | int | float | bool | None):
        kind = type(value).__name__
        raise UserError(f"{source}: key '{where}' is a {kind} ({value}); quote it to have text.")
    return value


def _depth(error: ValidationError) -> tuple[int, list[str]]:
    return -len(error.absolute_path), [str(part) for part in error.absolute_path]


def _where(error: ValidationError) -> str:
    path = ""
    for part in error.absolute_path:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return f"key '{path}'" if path else "the study"


def _sentence(error: ValidationError) -> str:
    value: Any = error.instance
    rule: Any = error.validator_value
    schema: Any = error.schema
    where = _where(error)
    match error.validator:
        case "additionalProperties":
            allowed = list(schema.get("properties", {}))
            unknown = [key for key in value if key not in allowed]
            hint = suggest(unknown[0], allowed)
            return f"{where} has no setting '{unknown[0]}'{hint}; allowed are {listed(allowed, 40)}"
        case "required":
            missing = [key for key in rule if key not in value]
            return f"{where} lacks the setting '{missing[0]}'; add it"
        case "enum" | "const":
            options = rule if error.validator == "enum" else [rule]
            return f"{where} is {value!r}{suggest(value, options)}; allowed are {listed(options)}"
        case "type" if value is None:
            empty = "{}" if rule == "object" else "a value"
            return f"{where} is empty; write {empty} or remove it"
        case "type":
            hint = _number_hint(value) if rule in ("number", "integer") else ""
            wanted = f"{_kind(rule)}{hint}"
            return f"{where} is {value!r} ({_yaml_type(value)}), not {wanted}"
        case "pattern":
            return f"{where} is {value!r}, which does not match {rule}"
        case "anyOf" | "oneOf":
            described = schema.get("description", "")
            return (
                f"{where} is {value!r}, which is none of the allowed forms: {described.rstrip('.')}"
            )
        case "not":
            return f"{where} is {value!r}, a reserved name ({listed(rule['enum'])}); choose another"
    return f"{where} is not allowed: {error.message}"


def _kind(rule: str | list[str]) -> str:
    names = [rule] if isinstance(rule, str) else rule
    words = {"object": "a mapping", "array": "a list", "string": "text", "null": "null"}
    words |= {"integer": "a whole number"}
    return " or ".join(words.get(name, f"a {name}") for name in names)


def _yaml_type(value: object) -> str:
    names = {dict: "a mapping", list: "a list", str: "text", bool: "true or false"}
    return names.get(type(value), type(value).__name__)


def _number_hint(value: object) -> str:
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return ""
        # YAML 1.1 reads 1e-3 as text: it wants a dot in a float.
        plain = repr(int(number) if number.is_integer() else number)
        if "e" in plain and "." not in plain:
            plain = f"{number:.1e}"
        return f"; write {plain} (YAML wants a dot, no quotes)"
    return ""


def _fill(schema: Schema, value: Any, root: Schema) -> None:
    """Fill the defaults of `schema` into the mapping or list `value`, in place."""
    if schema.get("x-partial"):
        return
    if "$ref" in schema:
        _fill(_resolve(schema["$ref"], root), value, root)
    for branch in schema.get("allOf", ()):
        if "if" not in branch or Draft202012Validator({**branch["if"], **_defs(root)}).is_valid(
            value
        ):
            _fill(branch.get("then", branch), value, root)
    if isinstance(value, dict):
        for key, part in schema.get("properties", {}).items():
            if key not in value and "default" in part:
                value[key] = copy.deepcopy(part["default"])
            if key in value:
                _fill(part, value[key], root)
        rest = schema.get("additionalProperties")
        if isinstance(rest, Mapping):
            for key in value.keys() - schema.get("properties", {}).keys():
                _fill(rest, value[key], root)
    elif isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        for item in value:
            _fill(schema["items"], item, root)


def _defs(root: Schema) -> dict[str, Any]:
    return {"$defs": root["$defs"]}


def _resolve(reference: str, root: Schema) -> Schema:
    found: Schema = root
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found
