"""Write docs/keys.md from the schema of studies; `--check` only compares."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from written import keep, plain, table

from transfergrid.catalog.kinds import DATASET_KINDS, PRETRAINING_KINDS
from transfergrid.catalog.question_kind import schema_of
from transfergrid.catalog.questions import PLUGIN, QUESTION_KINDS
from transfergrid.planning.schema import study_schema
from transfergrid.planning.schema_kinds import SHARED

Part = Mapping[str, Any]
"""A part of the JSON Schema."""
Row = tuple[str, str, str, str]
"""A key, what it may be, its default and its meaning."""
PAGE = Path(__file__).with_name("keys.md")
HEAD = """\
# Keys of a study

<!-- Written by docs/keys.py from the schema of studies and the catalogue; edit these. -->

Every key that a study may have, what it may be, and what it is if it is left out. A dot leads into
a mapping, `[]` into a list. A name has letters, digits, underscores and dots, and begins with a
letter or a digit; `NAME` is one of your own. Where there is neither a default nor a dash, the key
has to be given. `transfergrid plan` refuses a key that is not here, and says what was meant.
"""
SECTIONS = {
    "dataset": "A data set",
    "architecture": "A network of your own",
    "pretraining": "Initial weights",
    "recipe": "A recipe",
    "block": "A block of the grid",
    "pattern": "Cells left out or added",
    "where": "Some of the cells",
    "question": "A question",
    "metric": "A metric",
    "mask_layer": "A layer of masks",
}
"""Parts of the schema with a section of their own, to which keys lead."""
WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "`true` or `false`",
    "null": "`null`",
    "object": "a mapping",
    "array": "a list",
}
SCHEMA = study_schema()
DEFS: Mapping[str, Part] = SCHEMA["$defs"]


def page() -> str:
    """Return the page: a section for the study and for each part of it."""
    lines = [HEAD, *section("## The study", SCHEMA)]
    lines += datasets() + weights()
    for name in ("recipe", "block", "pattern", "where"):
        lines += section(f"## {SECTIONS[name]}", DEFS[name])
    lines += questions()
    lines += section(f"## {SECTIONS['metric']}", DEFS["custom_metric"], "One of your own.")
    lines += section("### A built-in one with other settings", DEFS["metric_variant"])
    lines += section(f"## {SECTIONS['architecture']}", DEFS["custom_architecture"])
    lines += section("### A variant of a known network", DEFS["architecture_variant"])
    return "\n".join(lines).replace("\n\n\n", "\n\n")


def datasets() -> list[str]:
    """Return the section of data sets: what all kinds take, and what each takes beside that."""
    shared: dict[str, Part] = {"root": DEFS["busi"]["properties"]["root"]}
    for key, (form, _, value) in SHARED.items():
        shared[key] = {"$ref": f"#/$defs/{form}", "default": value}
    told = "Whatever its `kind`. Kinds that are drawn have no `root`."
    whole = {"properties": shared, "required": ["root"]}
    lines = section(f"## {SECTIONS['dataset']}", whole, told)
    parts = {kind.name: DEFS[kind.name] for kind in DATASET_KINDS}
    for name, part in {**parts, "module:function": DEFS["custom_dataset"]}.items():
        own = {
            key: given
            for key, given in part["properties"].items()
            if key not in shared or default(given) != default(shared[key])
        }
        lines += section(f"### kind: {name}", {**part, "properties": own})
    return lines + section(f"## {SECTIONS['mask_layer']}", DEFS["mask_layer"])


def weights() -> list[str]:
    """Return the section of initial weights, by their kind."""
    lines = ["", f"## {SECTIONS['pretraining']}"]
    for kind in PRETRAINING_KINDS:
        lines += section(f"### kind: {kind.name}", DEFS[kind.schema or kind.name])
    return lines + section("### kind: module:function", DEFS["custom_pretraining"])


def questions() -> list[str]:
    """Return the section of questions, by their kind."""
    shared = {"name", "metric", "where"}
    whole = schema_of(PLUGIN)
    common = {key: part for key, part in whole["properties"].items() if key in shared}
    told = "Beside its `kind`. Some kinds have no `metric` or no `where`, which is said."
    lines = section(f"## {SECTIONS['question']}", {**whole, "properties": common}, told)
    for kind in (*(kind for kind in QUESTION_KINDS if not kind.unasked), PLUGIN):
        part = schema_of(kind)
        own = {key: given for key, given in part["properties"].items() if key not in shared}
        missing = " and no ".join(f"`{key}`" for key in sorted(shared - set(part["properties"])))
        name = "module:function" if kind is PLUGIN else kind.name
        told = f"It has no {missing}." if missing else ""
        lines += section(f"### question {name}", {**part, "properties": own}, told)
    return lines


def section(heading: str, part: Part, told: str = "") -> list[str]:
    """Return a heading and a table of the keys of a part of the schema."""
    rows = list(keys_of(part))
    lines = ["", heading, ""] + ([told, ""] if told else [])
    return lines + (table(("key", "what it may be", "default", "meaning"), rows) if rows else [])


def keys_of(part: Part, path: str = "") -> Iterator[Row]:
    """Yield a row for each key of a part, and for those within it."""
    for key, given in part.get("properties", {}).items():
        if key == "kind":
            continue
        whole = resolved(given)
        named = f"{path}{key}"
        needed = key in part.get("required", ())
        yield (
            f"`{named}`",
            allowed(given),
            "" if needed else default(given),
            plain(str(whole.get("description", ""))),
        )
        yield from inside(given, named)


def inside(part: Part, path: str) -> Iterator[Row]:
    """Yield the rows of what a key holds, unless that has a section of its own."""
    if section_of(part):
        return
    whole = resolved(part)
    yield from keys_of(whole, f"{path}.")
    for form in (*whole.get("anyOf", ()), *whole.get("oneOf", ())):
        yield from inside(form, path)
    for key, step in (("items", "[]"), ("additionalProperties", ".NAME")):
        if isinstance(whole.get(key), Mapping):
            yield from inside(whole[key], path + step)


def resolved(part: Part) -> Part:
    """Return a part with what it refers to, which it may change."""
    if "$ref" not in part:
        return part
    return {**resolved(DEFS[part["$ref"].removeprefix("#/$defs/")]), **part}


def section_of(part: Part) -> str:
    """Return the link to the section that describes a part, or nothing."""
    title = SECTIONS.get(part.get("$ref", "").removeprefix("#/$defs/"))
    return f"[{title[0].lower()}{title[1:]}](#{title.lower().replace(' ', '-')})" if title else ""


def default(part: Part) -> str:
    """Return a default as it is written in a study, or a dash where nothing stands for nothing."""
    whole = resolved(part)
    return quoted(whole["default"]) if whole.get("default", "") != "" else "—"


def allowed(part: Part) -> str:
    """Say in words what a value may be."""
    if link := section_of(part):
        return link
    whole = resolved(part)
    forms = [*whole.get("anyOf", ()), *whole.get("oneOf", ())]
    if forms:
        return " or ".join(dict.fromkeys(map(allowed, forms)))
    if "enum" in whole or "const" in whole:
        return ", ".join(map(quoted, whole.get("enum", [whole.get("const")])))
    names = whole.get("type", [])
    return " or ".join(
        typed(whole, name) for name in ([names] if isinstance(names, str) else names)
    )


def quoted(value: Any) -> str:
    """Write a value as a study does, in quotes only where it would be lost without them."""
    text = json.dumps(value, ensure_ascii=False)
    bare = text.replace('"', "")
    lost = "\\" in bare or not bare.isprintable()
    return f"`{text if lost else bare}`".replace("|", r"\|")


def typed(part: Part, name: str) -> str:
    """Say in words what a value of one type may be."""
    if name in ("integer", "number"):
        return f"{WORDS[name]}{bounds(part)}"
    if name == "string" and part.get("pattern") == DEFS["word"]["pattern"]:
        return "a name"
    if name == "string" and "x-words" in part:
        return plain(part["x-words"])
    if name == "array" and isinstance(part.get("items"), Mapping) and allowed(part["items"]):
        return f"a list: {allowed(part['items'])}"
    rest = part.get("additionalProperties")
    if name == "object" and isinstance(rest, Mapping) and allowed(rest):
        return f"a mapping of names: {allowed(rest)}"
    return WORDS[name]


def bounds(part: Part) -> str:
    """Say in words between which numbers one lies."""
    words = {
        "minimum": "from",
        "exclusiveMinimum": "above",
        "maximum": "to",
        "exclusiveMaximum": "below",
    }
    told = [f"{word} {number(part[key])}" for key, word in words.items() if key in part]
    return f", {' '.join(told)}" if told else ""


def number(value: float) -> str:
    """Write a bound as people write it."""
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


if __name__ == "__main__":
    keep(PAGE, page())
