from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from transfergrid.planning import fingerprint, known_syntax
from transfergrid.planning.fingerprint import SOURCE, remember_code, stage_fingerprint
from transfergrid.planning.known_syntax import remember, syntax_of
from transfergrid.runtime.sealed import read_sealed, write_sealed

TEXT = '''"""Documented."""
import numpy as np  # a comment
from typing import TYPE_CHECKING
from transfergrid.runtime import hashing, errors
if TYPE_CHECKING:
    import torch
def late():
    import timm
'''


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A memory of this test's own, which nothing has read yet."""
    monkeypatch.setattr(known_syntax, "MEMORY", tmp_path / "syntax.json")
    forget()
    yield tmp_path / "syntax.json"
    forget()


def forget() -> None:
    """Do as a process that starts: it knows nothing but what the file says."""
    known_syntax.syntax_of.cache_clear()
    known_syntax._remembered.cache_clear()
    for function in ("_fingerprint", "_digest", "_file", "_text", "_imports"):
        getattr(fingerprint, function).cache_clear()


def test_a_text_comes_to_its_syntax_and_what_it_imports() -> None:
    found = syntax_of(TEXT)
    named = {"numpy", "timm", "transfergrid.runtime", "transfergrid.runtime.errors"}
    assert named <= set(found.imports)
    assert "torch" not in found.imports
    assert syntax_of(TEXT.replace("  # a comment", "")).digest == found.digest
    assert syntax_of(TEXT.replace("late", "later")).digest != found.digest


def test_what_is_remembered_is_what_parsing_gives(memory: Path) -> None:
    texts = [path.read_text(encoding="utf-8") for path in sorted(SOURCE.rglob("*.py"))[::10]]
    parsed = [syntax_of(text) for text in texts]
    remember(texts, memory)
    forget()
    assert [syntax_of(text) for text in texts] == parsed


def test_only_the_very_text_is_looked_up(memory: Path) -> None:
    parsed = syntax_of(TEXT)
    remember([TEXT], memory)
    value = read_sealed(memory)
    (key,) = value["texts"]
    value["texts"][key][0] = "from the memory"
    write_sealed(memory, value)
    forget()
    assert syntax_of(TEXT).digest == "from the memory"
    assert syntax_of(TEXT + "\n").digest == parsed.digest  # other bytes are parsed


@pytest.mark.parametrize("how", ["damaged", "of another version", "lost"])
def test_a_memory_that_cannot_be_trusted_counts_as_none(memory: Path, how: str) -> None:
    parsed = syntax_of(TEXT)
    remember([TEXT], memory)
    value = json.loads(memory.read_text(encoding="utf-8"))
    value["texts"] = {key: ["wrong"] for key in value["texts"]}
    if how == "damaged":
        memory.write_text(json.dumps(value), encoding="utf-8")
    elif how == "of another version":
        write_sealed(memory, {"by": "an earlier Python", "texts": value["texts"]})
    else:
        memory.unlink()
    forget()
    assert syntax_of(TEXT) == parsed


def test_the_code_of_a_stage_is_the_same_with_a_memory_and_without(memory: Path) -> None:
    stages = ("train", "evaluate", "statistics", "report")
    parsed = [stage_fingerprint(stage) for stage in stages]
    remember_code(memory)
    made = memory.stat()
    forget()
    assert [stage_fingerprint(stage) for stage in stages] == parsed
    remember_code(memory)  # nothing new
    assert memory.stat().st_mtime_ns == made.st_mtime_ns


def test_a_file_that_is_being_saved_does_not_stop_the_others(memory: Path) -> None:
    remember([TEXT, "def half("], memory)
    assert len(read_sealed(memory)["texts"]) == 1
