"""JSON Schema for studies: errors as sentences, defaults filled in."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml
from jsonschema import Draft202012Validator, ValidationError

from transfergrid.catalog.question_kind import schema_of
from transfergrid.catalog.questions import PLUGIN, QUESTION_KINDS
from transfergrid.planning.paths import SCHEMAS
from transfergrid.planning.reading import SafeYaml
from transfergrid.planning.schema_kinds import with_kinds
from transfergrid.runtime.errors import UserError, listed, suggest

Schema = Mapping[str, Any]

LARGEST = 2**63 - 1
"""The largest whole number that tables, files and libraries hold; most keys allow less."""
_SHOWN = 60


@cache
def study_schema() -> dict[str, Any]:
    """Return the schema of a study as a plain mapping, with a part for each declared kind."""
    text = (SCHEMAS / "study.schema.yaml").read_text(encoding="utf-8")
    schema: dict[str, Any] = yaml.load(text, Loader=SafeYaml)
    parts = schema["$defs"]
    asked = [kind for kind in QUESTION_KINDS if not kind.unasked]
    forms = [({"const": kind.name}, kind) for kind in asked]
    forms.append(({"$ref": "#/$defs/plugin"}, PLUGIN))
    question = parts["question"]
    names = [kind.name for kind in asked]
    kinds = question["properties"]["kind"]
    kinds["anyOf"][0]["enum"] = names
    kinds["description"] = f"{', '.join(names)}, or module:function of your own."
    question["allOf"] = [
        {"if": {"properties": {"kind": form}}, "then": schema_of(kind)} for form, kind in forms
    ]
    return with_kinds(schema)


def validate(study: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Check a study against the schema and fill in every default.

    Args:
        study: The study as read from YAML.
        source: Name of the file, for the error.

    Returns:
        A deep copy with defaults. Partial recipes (protocols) stay partial.

    Raises:
        UserError: The first fault, with its key, what was allowed and how to correct it.
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
                told = _boolean_hint(key) or _null_hint(key)
                raise UserError(
                    f"{source}: the name {_shown(key)} under {place} is not text{told}; put it in "
                    "quotes."
                )
        return {k: _plain(v, f"{where}.{k}" if where else k, source) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(item, f"{where}[{i}]", source) for i, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{source}: key '{where}' is {value}; write a finite number.")
    if isinstance(value, int | float) and abs(value) > LARGEST:
        raise UserError(
            f"{source}: key '{where}' is {value:.3g}, but no number may be beyond {LARGEST}; "
            "correct it."
            if isinstance(value, float) or abs(value) < 10**300
            else f"{source}: key '{where}' has {value.bit_length()} bits, but no number may be "
            f"beyond {LARGEST}; correct it."
        )
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and not _is_text(value):
        raise UserError(
            f"{source}: key '{where}' is {_shown(value)}, which holds a NUL character or half of a "
            "UTF-16 pair; write plain text."
        )
    if not isinstance(value, str | int | float | bool | None):
        kind = type(value).__name__
        raise UserError(f"{source}: key '{where}' is a {kind} ({value}); quote it to have text.")
    return value


def _is_text(value: str) -> bool:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def _depth(error: ValidationError) -> tuple[int, list[str]]:
    return -len(error.absolute_path), [str(part) for part in error.absolute_path]


def _where(error: ValidationError) -> str:
    path = ""
    for part in error.absolute_path:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    if "propertyNames" in error.absolute_schema_path:
        return f"the name {_shown(error.instance)} under '{path}' is not allowed"
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
            return (
                f"{where} has no setting {_shown(unknown[0])}{hint}; allowed are "
                f"{listed(allowed, 40)}"
            )
        case "required":
            missing = [key for key in rule if key not in value]
            example = _example(schema.get("properties", {}).get(missing[0], {}))
            return f"{where} lacks the setting '{missing[0]}'; add it{example}"
        case "enum" | "const":
            options = rule if error.validator == "enum" else [rule]
            if isinstance(value, str) and value in schema.get("x-once", {}):
                return f"{where} is {_shown(value)}; write {schema['x-once'][value]}"
            hint = suggest(value, options) if isinstance(value, str) else _boolean_hint(value)
            names = ["null" if option is None else option for option in options]
            return f"{where} is {_shown(value)}{hint}; allowed are {listed(names)}"
        case "type" if value is None:
            if rule == "string":
                return f"{where} is empty{_null_hint(value)}; write a text or remove it"
            empty = "{}" if rule == "object" else "a value"
            return f"{where} is empty; write {empty} or remove it"
        case "type":
            hint = _type_hint(value, rule) or _example(schema)
            return f"{where} is {_shown(value)}, not {_kind(rule)}{hint}"
        case "pattern":
            told = where if where.startswith("the name") else f"{where} is {_shown(value)}"
            return f"{told}; write {schema['x-words']}{_tidy(value, rule)}"
        case "anyOf" | "oneOf":
            return _of_branches(error, where)
        case "not":
            return f"{where} is {value!r}, a reserved name ({listed(rule['enum'])}); choose another"
    return f"{where} {_limit(error)}"


def _of_branches(error: ValidationError, where: str) -> str:
    """Say what is wrong with a value by the form that was intended, or name all forms."""
    value: Any = error.instance
    rule: Any = error.validator_value
    schema: Any = error.schema
    forms = list(rule)
    meant = [
        len(set(value) & set(_resolved(form).get("properties", {})))
        if isinstance(value, dict)
        else int(isinstance(value, list) and _resolved(form).get("type") == "array")
        for form in forms
    ]
    if max(meant) and error.context:
        best = meant.index(max(meant))
        faults = [fault for fault in error.context if fault.schema_path[0] == best]
        if faults:
            fault = min(faults, key=_depth)
            shape = fault.validator in ("required", "type", "additionalProperties")
            return _sentence(fault) + (_example(schema) if shape else "")
    described = schema.get("description") or " or ".join(
        str(form.get("description") or _resolved(form).get("x-words", "")) for form in forms
    )
    names = [name for form in forms for name in _resolved(form).get("enum", ())]
    hint = _boolean_hint(value) or _number_hint(value) or suggest(value, names)
    return (
        f"{where} is {_shown(value)}, which has none of the allowed forms{hint}: "
        f"{described.rstrip('.')}{_example(schema)}"
    )


def _example(schema: Schema) -> str:
    example = _resolved(schema).get("x-example")
    return f", such as {example}" if example else ""


def _resolved(form: Schema) -> Schema:
    return _resolve(form["$ref"], study_schema()) if "$ref" in form else form


def _limit(error: ValidationError) -> str:
    """Say which limit of a number, a text, a list or a mapping is exceeded."""
    value: Any = error.instance
    rule: Any = error.validator_value
    schema: Any = error.schema
    match error.validator:
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
            return f"is {_shown(value)}; allowed is {_range(schema)}"
        case "minLength":
            return "is empty; write a text or remove it"
        case "maxLength":
            return f"has {len(value)} characters; at most {rule} are allowed"
        case "minItems" | "maxItems" | "minProperties" | "maxProperties":
            least = str(error.validator).startswith("min")
            bound = f"at least {rule} are needed" if least else f"at most {rule} are allowed"
            return f"has {len(value)} entries; {bound}"
        case "uniqueItems":
            twice = next(item for item in value if value.count(item) > 1)
            return f"lists {_shown(twice)} twice; keep one of them"
    return f"is not allowed: {error.message}"


def _range(schema: Schema) -> str:
    words = []
    for key, word in (
        ("minimum", "at least"),
        ("exclusiveMinimum", "more than"),
        ("maximum", "at most"),
        ("exclusiveMaximum", "less than"),
    ):
        if key in schema:
            words.append(f"{word} {schema[key]}")
    return " and ".join(words)


def _shown(value: object) -> str:
    """Show a value in a sentence: text or a number cut short, a list or mapping by its kind."""
    if isinstance(value, dict | list):
        return _yaml_type(value)
    named = value is None or isinstance(value, bool)
    told = json.dumps(value) if named else repr(value)  # null, true, false
    return told if len(told) <= _SHOWN else f"{told[:_SHOWN]}... ({len(told)} characters)"


def _kind(rule: str | list[str]) -> str:
    names = [rule] if isinstance(rule, str) else rule
    words = {"object": "a mapping", "array": "a list", "string": "text", "null": "null"}
    words |= {"integer": "a whole number", "boolean": "true or false"}
    return " or ".join(words.get(name, f"a {name}") for name in names)


def _yaml_type(value: object) -> str:
    names = {dict: "a mapping", list: "a list", str: "text", bool: "true or false"}
    names |= {int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)


def _type_hint(value: object, rule: str | list[str]) -> str:
    names = {rule} if isinstance(rule, str) else set(rule)
    if names & {"number", "integer"} and isinstance(value, str):
        return _number_hint(value)
    if names & {"string"} and isinstance(value, int | float):
        return _boolean_hint(value) or _quotes_hint(value)
    if names & {"number", "integer"} and isinstance(value, bool):
        return "; write a number (YAML reads yes, no, on and off as true and false)"
    if "array" in names and not isinstance(value, dict):
        return "; put it in [brackets]"
    return ""


def _boolean_hint(value: object) -> str:
    if isinstance(value, bool):
        return " (YAML reads yes, no, on and off as true and false: quote the word to have text)"
    return ""


def _null_hint(value: object) -> str:
    if value is None:
        return " (YAML reads null, ~ and nothing at all as that: quote a word to have text)"
    return ""


def _quotes_hint(value: float) -> str:
    return f'; write "{value}" in quotes, or what YAML made it of (012 becomes 10, 12:30 is 750)'


def _number_hint(value: object) -> str:
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return ""
        if not math.isfinite(number):
            return ""
        # YAML 1.1 reads 1e-3 as text: a float needs a dot.
        plain = repr(int(number) if number.is_integer() and abs(number) < 1e15 else number)
        if "e" in plain and "." not in plain:
            plain = f"{number:.1e}"
        return f"; write {plain} (YAML needs a dot, and no quotes)"
    return ""


def _tidy(value: str, pattern: str) -> str:
    """Propose the nearest text that a pattern allows."""
    near = re.sub(r"[^A-Za-z0-9_.]+", "_", value).strip("_.")[:64]
    for proposed in (near, near.replace(".", "_"), f"x{near}"):
        if near and re.search(pattern, proposed):
            return f", such as {proposed}"
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
