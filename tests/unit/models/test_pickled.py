"""Checkpoints with plain data beside the tensors are read; everything else is named, never run."""

from __future__ import annotations

import argparse
import collections
import datetime
import os
import pathlib
import pickle
import random
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from transfergrid.models.weightfile import read_tensors
from transfergrid.runtime.errors import UserError

TENSORS = {"z.weight": torch.ones(2, 3), "a.bias": torch.zeros(3)}
PLAIN: dict[str, Any] = {
    "arguments": argparse.Namespace(lr=0.1, out=pathlib.Path("x"), names=["a", None]),
    "numbers": [np.float64(1.5), np.float32(1), np.int64(3), np.bool_(True), np.str_("x")],
    "arrays": [np.arange(5), np.array(["a", None], dtype=object), np.dtype("f4")],
    "records": np.zeros(3, dtype=[("a", "i4")]),
    "times": [datetime.datetime.now(datetime.UTC), datetime.timedelta(1), datetime.date.today()],
    "dicts": [collections.defaultdict(list, {"a": [1]}), collections.Counter("aab")],
    "ordered": collections.OrderedDict(a=1),
    "queues": collections.deque([1, 2], maxlen=3),
    "torch": [torch.Size([1]), torch.device("cpu"), torch.float16, torch.get_rng_state()],
    "python": [{1}, frozenset([1]), range(3), slice(1, 2), 1j, b"abc", types.SimpleNamespace(a=1)],
    "generators": [random.getstate(), np.random.default_rng(0).bit_generator.state],
}
ADVICE = ("weights_only", "safe_globals", "allowlist", "trust this", "pytorch.org", "torch.load(")


def refused(path: Path, nested: str | None = None) -> str:
    """Return the sentence that a file is refused with; none advises to switch safety off."""
    with pytest.raises(UserError) as caught:
        read_tensors(path, nested)
    told = str(caught.value)
    assert told.isprintable() and str(path) in told
    assert not [word for word in ADVICE if word in told]
    return told


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("what", PLAIN)
def test_plain_data_beside_tensors_is_no_hindrance(tmp_path: Path, what: str, legacy: bool) -> None:
    path = tmp_path / "w.pth"
    content = {"model": TENSORS, what: PLAIN[what]}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    found = read_tensors(path, "model")
    assert list(found) == list(TENSORS)
    assert all(torch.equal(found[name], TENSORS[name]) for name in TENSORS)


@pytest.fixture
def library() -> Iterator[types.ModuleType]:
    """Modules of the names that checkpoints hold; gone from sys.modules with `forget`."""
    name = "omegaconf.dictconfig"
    module = types.ModuleType(name)
    sys.modules |= {"omegaconf": types.ModuleType("omegaconf"), name: module}
    yield module
    forget()


def forget() -> None:
    for name in ("omegaconf", "omegaconf.dictconfig"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("kind", [dict, object])
def test_settings_of_a_library_are_read_without_it(
    tmp_path: Path, library: types.ModuleType, kind: type
) -> None:
    config = type("DictConfig", (kind,), {"__module__": "omegaconf.dictconfig"})
    library.DictConfig = config
    settings = config()
    settings.__dict__["lr"] = 0.1
    torch.save({"model": TENSORS, "settings": settings}, tmp_path / "w.pth")
    forget()
    assert set(read_tensors(tmp_path / "w.pth", "model")) == set(TENSORS)
    assert "omegaconf" not in sys.modules


def test_tensors_in_a_dict_of_another_kind_are_found(tmp_path: Path) -> None:
    torch.save({"model": collections.defaultdict(list, TENSORS)}, tmp_path / "w.pth")
    assert list(read_tensors(tmp_path / "w.pth", "model")) == list(TENSORS)


def test_arrays_in_the_place_of_tensors_are_named(tmp_path: Path) -> None:
    torch.save({"model": {"w": np.ones(3), "b": np.ones(2)}, "n": 1}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"holds numpy arrays \(w, b\); save them as tensors"):
        read_tensors(tmp_path / "w.pth", "model")


class Scanner:
    """Of a program of one's own; an enumeration would be named `getattr` by Python 3.11.2."""


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({"model": TENSORS, "scanner": Scanner()}, f"{__name__}.Scanner"),
        (torch.nn.Linear(1, 1), "torch.nn.modules.linear.Linear"),
        ({"model": TENSORS, "run": os.path.join}, "posixpath.join"),
    ],
)
def test_classes_and_functions_are_named_with_the_conversion(
    tmp_path: Path, content: Any, name: str, legacy: bool
) -> None:
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=not legacy)
    told = refused(tmp_path / "w.pth")
    assert name in told and "nothing was run" in told
    assert "torch.save(model.state_dict(), 'weights.pth')" in told


class Call:
    """Is pickled as a call of a class with arguments that it does not take."""

    def __init__(self, kind: type) -> None:
        self.kind = kind

    def __reduce__(self) -> Any:
        return self.kind, ([1], {"a": 1}, 3)


def test_a_stand_in_does_nothing_with_what_it_is_given(tmp_path: Path) -> None:
    torch.save({"model": TENSORS, "x": Call(pathlib.PosixPath)}, tmp_path / "w.pth")
    with pytest.raises(TypeError):  # the class itself is called with these arguments
        torch.load(tmp_path / "w.pth", weights_only=False)
    assert set(read_tensors(tmp_path / "w.pth", "model")) == set(TENSORS)


class Hides:
    """Is pickled as an OrderedDict whose methods are hidden behind attributes."""

    def __reduce__(self) -> Any:
        hidden = {"items": None, "keys": None, "get": 3}
        return collections.OrderedDict, (), hidden, None, iter(TENSORS.items())


def test_a_dict_that_hides_its_own_methods_is_read_as_a_dict(tmp_path: Path) -> None:
    torch.save({"model": Hides()}, tmp_path / "w.pth")
    assert torch.load(tmp_path / "w.pth", weights_only=True)["model"].items is None
    assert set(read_tensors(tmp_path / "w.pth", "model")) == set(TENSORS)
    assert "'model' (2)" in refused(tmp_path / "w.pth")


def test_a_checkpoint_that_contains_itself_is_told_of_in_a_sentence(tmp_path: Path) -> None:
    content: dict[str, Any] = {"state": TENSORS, "epoch": 1}
    content |= {f"again{i}": content for i in range(200)}
    torch.save(content, tmp_path / "w.pth")
    assert "'state' (2)" in refused(tmp_path / "w.pth")


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("share", [0.001, 0.3, 0.9, 0.999])
def test_a_file_that_is_cut_short_is_named_as_that(
    tmp_path: Path, share: float, legacy: bool
) -> None:
    whole, path = tmp_path / "whole.pth", tmp_path / "w.pth"
    tensors = {"a": torch.rand(100, 100)}
    torch.save(tensors, whole, _use_new_zipfile_serialization=not legacy)
    content = whole.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert "cut short" in refused(path) or "of a longer file" in refused(path)


def test_other_pickles_and_programs_are_told_in_our_words(tmp_path: Path) -> None:
    (tmp_path / "four.pth").write_bytes(pickle.dumps({"a": 1}, protocol=4))
    assert "not a checkpoint of plain data" in refused(tmp_path / "four.pth")
    (tmp_path / "junk.pth").write_bytes(b"\x80\x02" + bytes(range(256)))
    assert "get it again" in refused(tmp_path / "junk.pth")
    with pytest.warns(FutureWarning, match="deprecated"):
        torch.jit.script(torch.nn.Linear(1, 1)).save(tmp_path / "program.pt")
    assert "a TorchScript program" in refused(tmp_path / "program.pt")
