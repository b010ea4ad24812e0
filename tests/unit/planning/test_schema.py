"""No fault of a study is answered with a regular expression, a dump or a library's own words."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from transfergrid.planning.schema import LARGEST, study_schema, validate
from transfergrid.planning.study import load_study, merge
from transfergrid.runtime.errors import UserError

STUDY: dict[str, Any] = {
    "name": "small",
    "datasets": {
        "films": {"kind": "phantom"},
        "own": {
            "kind": "csv",
            "root": "/data",
            "table": "t.csv",
            "image_column": "image",
            "label_columns": ["edema"],
            "split": {"random": {"valid": 0.1, "test": 0.2}},
        },
    },
    "pretrainings": {
        "random": {"kind": "random"},
        "file": {"kind": "file", "path": "x.pth"},
        "source": {"kind": "cell", "dataset": "films", "protocol": "finetune"},
    },
    "protocols": {"finetune": {}},
    "evaluation": {"bootstrap": {}},
    "grid": [{"datasets": ["films"], "architectures": ["resnet18"], "pretrainings": ["random"]}],
}
FREE = {
    "$defs/loose_list/items",
    "$defs/question/allOf/*/then/properties/baseline",
    "$defs/values/items",
}
"""Compared as text with what the grid or a table has; ``*`` stands for any kind of question."""


def parts(part: Any, where: tuple[str, ...] = ()) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(part, dict):
        yield "/".join(where), part
        for key, value in part.items():
            if key != "default":
                yield from parts(value, (*where, str(key)))
    elif isinstance(part, list):
        for number, value in enumerate(part):
            yield from parts(value, (*where, str(number)))


def told(*path: str | int, value: Any) -> str:
    study = copy.deepcopy(STUDY)
    place: Any = study
    for key in path[:-1]:
        place = place.setdefault(key, {}) if isinstance(place, dict) else place[key]
    place[path[-1]] = value
    with pytest.raises(UserError) as caught:
        validate(study, "study.yaml")
    return str(caught.value)


def test_every_number_is_bounded_and_every_pattern_has_words() -> None:
    for where, part in parts(study_schema()):
        kinds = part.get("type", [])
        kinds = {kinds} if isinstance(kinds, str) else set(kinds) if isinstance(kinds, list) else ()
        if {"integer", "number"} & set(kinds) and re.sub(r"/\d+/", "/*/", where) not in FREE:
            assert {"maximum", "exclusiveMaximum"} & set(part), where
            assert {"minimum", "exclusiveMinimum"} & set(part), where
        if isinstance(part.get("pattern"), str):
            assert part["x-words"], where
            assert not re.search(r"[\^$*+]|\[A", part["x-words"]), where


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("name",), "my-study", "beginning with a letter, such as my_study."),
        (
            ("name",),
            "2nd",
            "letters, digits and underscores, beginning with a letter, such as x2nd",
        ),
        (("name",), "x" * 65, "'name' has 65 characters; at most 64"),
        (
            ("datasets", "a-b"),
            {"kind": "phantom"},
            "the name 'a-b' under 'datasets' is not allowed; write letters",
        ),
        (("evaluation", "selections"), ["top0"], "top<k>_per_task with k from 1 to 9999"),
        (("evaluation", "selections"), ["top" + "9" * 6000], "top<k>"),
        (("recipe", "train_layers"), "last", "last_<k> with k from 1 to 999"),
        (("pretrainings", "t"), {"kind": "timm", "sha256": "AB"}, "64 hexadecimal digits"),
        (("architectures", "n"), {"factory": "mine"}, "module:function"),
        (("datasets", "films", "seed"), 10**30, "no number may be beyond 9223372036854775807"),
        (("datasets", "films", "seed"), 2**16609, "16610 bits"),
        (("datasets", "films", "seed"), 2**32, "at least 0 and at most 4294967295"),
        (("evaluation", "bootstrap", "replicates"), 10**12, "at least 100 and at most 100000"),
        (("recipe", "learning_rate"), 1e300, "no number may be beyond"),
        (("recipe", "learning_rate"), 0, "at least 1e-12 and at most 1000"),
        (("recipe", "clip_grad_norm"), "3e-3", "write 0.003 (YAML needs a dot"),
        (("recipe", "patience"), "1e5", "write 100000 ("),
        (("recipe", "epochs"), "1e400", "is '1e400', not a number."),
        (("recipe", "learning_rate"), "nan", "is 'nan', not a number."),
        (("pretrainings", "source", "seed"), "1e3", "write 1000 ("),
        (("pretrainings", "source", "seed"), {"a": 1}, "is a mapping, which has none of"),
        (("datasets", "own", "split"), {"random": {"valid": 0.1}}, "lacks the setting 'test'"),
        (("datasets", "own", "folds"), {"k": 1}, "folds.k' is 1; allowed is at least 2"),
        (("datasets", "own", "folds"), 5, "not a mapping or null, such as folds: { k: 5 }"),
        (("datasets", "own", "folds"), {"seed": 1}, "lacks the setting 'k'"),
        (("datasets", "own", "split"), "random", "A split column, or a random split by patient"),
        (("datasets", "own", "split"), "patient", "such as split: { random: { valid: 0.1, test"),
        (("datasets", "own", "split"), {"random": 0.2}, "not a mapping, such as split: { random"),
        (("datasets", "own", "split"), {"test": 0.1}, "such as split: { random"),
        (("grid",), {}, "is a mapping, not a list, such as grid: [{ datasets"),
        (("datasets", "films", "tasks"), ["a", "a"], "lists 'a' twice"),
        (("title",), True, "quote the word"),
        (("title",), 5, 'write "5" in quotes'),
        (("device",), False, "YAML reads yes, no, on and off as true and false"),
        (("title",), "a\0b", "NUL character"),
        (("title",), "\ud800", "half of a UTF-16 pair"),
        (("grid", 0, "datasets"), "films", "not a list; put it in [brackets]"),
        (("grid", 0, "seeds"), [], "has 0 entries; at least 1"),
        (("pretrainings", "file", "key_rule"), {"drop": ["x" * 501]}, "has 501 characters"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, tuple) else "",
)
def test_a_fault_is_told_in_plain_words(path: Any, value: Any, words: str) -> None:
    sentence = told(*path, value=value)
    assert words in sentence
    assert len(sentence) < 500
    patterns = [p["pattern"] for _, p in parts(study_schema()) if isinstance(p.get("pattern"), str)]
    assert not any(pattern in sentence for pattern in patterns)
    for library in ("does not match", "is not of type", "is not valid under", "non-unique"):
        assert library not in sentence


def test_the_largest_number_is_taken_where_nothing_else_bounds_it() -> None:
    own = {"kind": "pkg:read", "options": {"most": LARGEST}}
    validate(merge(STUDY, {"datasets": {"own2": own}}), "x")


def test_the_study_of_these_tests_is_sound(tmp_path: Path) -> None:
    assert validate(STUDY, "x")["name"] == "small"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("title: no", "YAML reads yes, no, on and off as true and false: quote the word"),
        ("title: 012", 'write "10" in quotes, or what YAML made it of (012 becomes 10'),
        ("title: 12:30", "12:30 is 750"),
        ("title: 1.0e-3", 'write "0.001" in quotes'),
        ("title: 2024-01-01", "'title' is a date (2024-01-01); quote it to have text"),
        ("title: ~", "is empty (YAML reads null, ~ and nothing at all as that: quote"),
        ("title:", "is empty (YAML reads null"),
        (
            "datasets: {no: {kind: phantom}}",
            "name false under datasets is not text (YAML reads yes",
        ),
        (
            "datasets: {1: {kind: phantom}}",
            "name 1 under datasets is not text; put it in quotes",
        ),
        (
            "datasets: {~: {kind: phantom}}",
            "name null under datasets is not text (YAML reads null",
        ),
        (
            "recipe: {epochs: yes}",
            "is true, not a number; write a number (YAML reads",
        ),
        (
            "pretrainings: {a: {of: b, derive: [{keep: statistics, filters: gabor}]}}",
            "has no setting 'filters'; allowed are keep, such as { keep: { through: 2 } } (each "
            "step is a mapping of its own)",
        ),
        ("grid: [{pretrainings: [on]}]", "is true, not text (YAML reads yes, no, on"),
    ],
)
def test_what_yaml_takes_a_word_for_is_explained(tmp_path: Path, line: str, words: str) -> None:
    key = line.split(":")[0]
    kept = yaml.safe_dump({name: value for name, value in STUDY.items() if name != key})
    (tmp_path / "study.yaml").write_text(f"{kept}{line}\n")
    with pytest.raises(UserError) as caught:
        load_study(tmp_path / "study.yaml")
    assert words in str(caught.value)
