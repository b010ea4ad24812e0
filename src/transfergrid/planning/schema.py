"""JSON Schema for studies: errors as sentences, defaults filled in."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml
from jsonschema import Draft202012Validator, ValidationError

from transfergrid.planning.paths import SCHEMAS
from transfergrid.runtime.errors import UserError, listed, suggest

Schema = Mapping[str, Any]


@cache
def study_schema() -> dict[str, Any]:
    """Return the schema of a study as a plain mapping."""
    schema: dict[str, Any] = yaml.safe_load((SCHEMAS / "study.schema.yaml").read_text())
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
    errors = sorted(Draft202012Validator(schema).iter_errors(study), key=_depth)
    if errors:
        raise UserError(f"{source}: {_sentence(errors[0])}.")
    filled = copy.deepcopy(dict(study))
    _fill(schema, filled, schema)
    return filled


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
        case "type":
            wanted = f"{_kind(rule)}{_number_hint(value)}"
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
        plain = repr(number)
        return f"; write {plain if '.' in plain else f'{number:.1e}'} (YAML wants a dot, no quotes)"
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
