"""Weight files are read without running them; names follow the declared rule."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from transfergrid.models import weightfile
from transfergrid.models.weightfile import KeyRule, read_tensors
from transfergrid.runtime.errors import UserError

TENSORS = {"z.weight": torch.ones(2, 3), "a.bias": torch.zeros(3)}


class Attack:
    """Makes a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.trace),)


def test_both_formats_give_the_same_tensors(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "w.safetensors")
    torch.save(TENSORS, tmp_path / "w.pth")
    for name in ("w.safetensors", "w.pth"):
        state = read_tensors(tmp_path / name)
        assert set(state) == set(TENSORS)
        assert all(torch.equal(state[key], TENSORS[key]) for key in TENSORS)
    assert list(read_tensors(tmp_path / "w.pth")) == list(TENSORS)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_that_runs_code_runs_nothing(tmp_path: Path, legacy: bool) -> None:
    trace = tmp_path / "trace"
    path = tmp_path / "attack.pth"
    content = {"w": torch.ones(1), "attack": Attack(trace)}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(UserError, match="nothing was run"):
        read_tensors(path)
    assert not trace.exists()
    torch.load(path, weights_only=False)  # the attack itself works
    assert trace.exists()


def test_missing_and_foreign_files_are_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        read_tensors(tmp_path / "absent.pth")
    (tmp_path / "weights.h5").write_bytes(b"")
    with pytest.raises(UserError, match=r"ends in '\.h5'; allowed are \.safetensors"):
        read_tensors(tmp_path / "weights.h5")


@pytest.mark.parametrize("name", ["w.PTH", "w.Pt", "w.SafeTensors"])
def test_endings_may_be_written_in_capitals(tmp_path: Path, name: str) -> None:
    save = save_file if "Safe" in name else torch.save
    save(TENSORS, tmp_path / name)
    assert set(read_tensors(tmp_path / name)) == set(TENSORS)


def test_nested_tensors_need_their_key(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "state_dict": TENSORS}, tmp_path / "w.pth")
    with pytest.raises(
        UserError,
        match=r"more than tensors \(epoch, state_dict\); tensors .* 'state_dict' \(2\): n",
    ):
        read_tensors(tmp_path / "w.pth")
    assert set(read_tensors(tmp_path / "w.pth", "state_dict")) == set(TENSORS)
    with pytest.raises(UserError, match=r"no mapping under key_rule\.nested 'model'; tensors lie"):
        read_tensors(tmp_path / "w.pth", "model")
    torch.save([torch.ones(1)], tmp_path / "list.pth")
    with pytest.raises(UserError, match="holds list"):
        read_tensors(tmp_path / "list.pth")


def test_tensors_nested_twice_are_named_and_reached_by_a_path(tmp_path: Path) -> None:
    teacher = {key: tensor + 1 for key, tensor in TENSORS.items()}
    inner = {"state_dict": TENSORS, "ema.module": {"x": teacher}, "epoch": 1}
    optimizer = {"state": {0: {"exp_avg": torch.ones(1)}}, "param_groups": [{"lr": 0.1}]}
    torch.save({"model": inner, "optimizer": optimizer}, tmp_path / "w.pth")
    message = r"under 'model\.state_dict' \(2\), 'model\.ema\.module\.x' \(2\), 'optimizer\.state"
    with pytest.raises(UserError, match=message):
        read_tensors(tmp_path / "w.pth")
    found = read_tensors(tmp_path / "w.pth", "model.state_dict")
    assert torch.equal(found["z.weight"], TENSORS["z.weight"])
    found = read_tensors(tmp_path / "w.pth", "model.ema.module.x")
    assert torch.equal(found["z.weight"], teacher["z.weight"])
    for nested in ("model", "model.epoch", "model.state_dict.z", "state_dict"):
        with pytest.raises(UserError, match=r"model\.state_dict"):
            read_tensors(tmp_path / "w.pth", nested)


def test_what_is_no_tensor_beside_tensors_may_be_dropped(tmp_path: Path) -> None:
    torch.save({**TENSORS, "epoch": 3, "extra_state": None}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"\(epoch, extra_state\); leave the others out with ke"):
        read_tensors(tmp_path / "w.pth")
    rule = KeyRule(drop=("^epoch$", "extra"))
    assert set(read_tensors(tmp_path / "w.pth", left_out=rule.drops)) == set(TENSORS)


def test_control_codes_of_a_file_reach_no_message(tmp_path: Path) -> None:
    torch.save({"a\x1b[31m": torch.ones(1)}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"control codes \('a\\x1b\[31m'\)"):
        read_tensors(tmp_path / "w.pth")
    torch.save({"a\x1b[31m\n": 3, "b\r": {"c\x07": torch.ones(1)}}, tmp_path / "w.pth")
    for nested in (None, "a"):
        with pytest.raises(UserError) as caught:
            read_tensors(tmp_path / "w.pth", nested)
        assert str(caught.value).isprintable()


def test_rules_drop_then_strip_then_rename() -> None:
    rule = KeyRule.from_dict(
        {
            "drop": ["queue", r"encoder_k\."],
            "strip_prefix": "module.encoder_q.",
            "rename": [[r"^fc\.2\.", "head."], ["head", "fc"]],
        }
    )
    keys = ["module.encoder_q.conv1.weight", "module.encoder_q.fc.2.bias"]
    others = ["module.queue", "module.encoder_k.conv1.weight"]
    state, dropped = rule.apply({k: torch.ones(1) for k in [*keys, *others]}, [], [])
    assert list(state) == ["conv1.weight", "fc.bias"]
    assert dropped == others


def test_by_order_takes_the_networks_names_with_or_without_the_classifier() -> None:
    names, head = ["a", "b", "fc.weight", "fc.bias"], ["fc.weight", "fc.bias"]
    rule = KeyRule(by_order=True)
    four = {key: torch.full((1,), i) for i, key in enumerate("wxyz")}
    state, _ = rule.apply(four, names, head)
    assert [(name, int(tensor)) for name, tensor in state.items()] == list(
        zip(names, range(4), strict=True)
    )
    two, _ = rule.apply({key: four[key] for key in "wx"}, names, head)
    assert list(two) == ["a", "b"]
    with pytest.raises(UserError, match=r"needs 4 tensors \(2 without the classifier\).* has 3"):
        rule.apply({key: four[key] for key in "wxy"}, names, head)
    with pytest.raises(UserError, match="safetensors"):
        rule.apply(four, names, head, ordered=False)


def test_bad_rules_are_refused() -> None:
    with pytest.raises(UserError, match="key_rule has no 'prefix'"):
        KeyRule.from_dict({"prefix": "module."})
    with pytest.raises(UserError, match=r"'\(', which is not a regular expression"):
        KeyRule.from_dict({"drop": ["("]})
    with pytest.raises(UserError, match="two tensors the same name"):
        KeyRule(rename=((r"[ab]", "c"),)).apply({"a": torch.ones(1), "b": torch.ones(1)}, [], [])
    assert KeyRule.from_dict(None) == KeyRule()


def test_a_rule_that_comes_to_no_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def search(*words: object) -> None:
        while True:  # as a regular expression that goes back and forth would
            time.sleep(0.001)

    rule = KeyRule(drop=("x",))
    monkeypatch.setattr(weightfile, "NAME_S", 0.05)
    monkeypatch.setattr(weightfile, "re", SimpleNamespace(search=search))
    with pytest.raises(
        UserError, match="key_rule's regular expressions take more than 0.05 s on the name 'a'"
    ):
        rule.apply({"a": torch.ones(1)}, [], [])


def test_a_rule_that_makes_names_without_end_is_refused() -> None:
    rule = KeyRule(rename=tuple([("(.+)", r"\1\1")] * 30))
    with pytest.raises(UserError, match="a name of 1024 characters"):
        rule.apply({"a": torch.ones(1)}, [], [])
