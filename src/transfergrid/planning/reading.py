"""YAML as a study may hold it: bounded in size and depth, no key twice, faults as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from transfergrid.runtime.errors import UserError
from transfergrid.runtime.regular import check_regular

if TYPE_CHECKING:
    from yaml import SafeLoader as SafeYaml
else:  # The C parser is ten times as fast, if PyYAML was built with it.
    SafeYaml = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MOST_BYTES = 4_000_000
"""In one file; the longest known study has 20 kB."""
MOST_VALUES = 100_000
"""Values and names in one file, counted anew each time an alias repeats them."""
DEEPEST = 40
"""Levels of nested mappings and lists; later steps work by recursion."""
_SHOWN = 40


class StrictYaml(SafeYaml):
    """YAML in which a key that occurs twice in a mapping is an error."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Make a value; one that Python cannot hold (a 6,000-digit number) is named by its line."""
        try:
            return super().construct_object(node, deep)
        except UserError:
            raise
        except (ValueError, OverflowError, RecursionError, TypeError) as error:
            line = node.start_mark.line + 1
            raise UserError(
                f"line {line} has {_short(node.value)}, which cannot be read as a value "
                f"({str(error)[:_SHOWN]}); write a plain number, or quote it to have text."
            ) from None


def _short(value: object) -> str:
    text = " ".join(str(value).split()) if isinstance(value, str | Exception) else "a value"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"


def _unique_mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[object] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue  # `<<: *anchor`, which the loader resolves
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if isinstance(key, dict | list):
            raise UserError(f"line {line} has a mapping or a list for a key; write plain text.")
        if key in seen:
            raise UserError(
                f"line {line} names the key '{_short(str(key))}' a second time; keep one of them."
            )
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


StrictYaml.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def parse_yaml(text: str) -> Any:
    """Parse YAML from a file or a command line.

    Raises:
        UserError: It is not YAML, has a key twice, or is larger, deeper or more repetitive through
            its aliases than any study is.
    """
    if len(text) > MOST_BYTES:
        raise UserError(f"it has {len(text)} characters, but at most {MOST_BYTES} are read.")
    with _told(text):
        _check_size(text)
        return yaml.load(text, Loader=StrictYaml)


@contextmanager
def _told(text: str) -> Iterator[None]:
    try:
        yield
    except yaml.YAMLError as error:
        raise UserError(f"it is not valid YAML: {_fault(error, text)}.") from None


def _fault(error: yaml.YAMLError, text: str) -> str:
    """Return what YAML says about a text and where, and the usual reason."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None)
    if mark is None or problem is None:
        return " ".join(str(error).split())[:400]
    told = f"line {mark.line + 1}, column {mark.column + 1}: {problem[:300]}"
    if "".join(text.splitlines()[mark.line : mark.line + 1]).lstrip(" ").startswith("\t"):
        return f"{told}; indent with spaces, not with a tab"
    return f"{told}; see how this line and the one before are indented, quoted and bracketed"


def _check_size(text: str) -> None:
    """Count what the text stands for without building it: an alias stands for its whole anchor."""
    sizes: dict[str, int] = {}
    opened: list[tuple[str | None, int]] = []
    total = 0
    for event in yaml.parse(text, Loader=SafeYaml):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in opened):
                raise UserError(f"line {line} repeats *{event.anchor} within itself; remove it.")
            total += sizes.get(event.anchor or "", 1)
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            if event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            total += 1
            opened.append((event.anchor, total))
            if len(opened) > DEEPEST:
                raise UserError(
                    f"line {line} is more than {DEEPEST} mappings and lists deep; no setting is."
                )
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor:
                sizes[anchor] = total - before + 1
        if total > MOST_VALUES:
            raise UserError(
                f"line {line} brings it to more than {MOST_VALUES} values, aliases resolved; "
                "shorten it or split the study."
            )


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a study's YAML mapping.

    Raises:
        UserError: The file is missing, not a regular file, not UTF-8, broken, too large or not a
            mapping.
    """
    try:
        size = check_regular(path).st_size
        if size > MOST_BYTES:
            raise UserError(f"it has {size} bytes, but at most {MOST_BYTES} are read.")
        value = parse_yaml(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"study {path.absolute()} cannot be read: {error.strerror}.") from None
    except UnicodeError:
        raise UserError(f"study {path} is not UTF-8 text; save it as UTF-8.") from None
    except UserError as error:
        raise UserError(f"study {path}: {error}") from None
    if not isinstance(value, dict):
        raise UserError(
            f"study {path} is not a mapping of settings; start from a copy of config.yaml."
        )
    return value
