from __future__ import annotations

import os
from typing import Any

import pytest
from unit.planning.made_up_plan import planned

from transfergrid.planning import cells, grid, lengths
from transfergrid.planning.naming import name_of
from transfergrid.runtime.errors import UserError


def long_words(letters: int) -> dict[str, Any]:
    word = "p" * letters
    return {"protocols": {word: {}}, "grid": [{**block(), "protocols": [word]}]}


def block() -> dict[str, Any]:
    return {"datasets": ["films"], "architectures": ["lcnet_050"], "pretrainings": ["random"]}


def test_the_longest_name_that_is_let_through_can_be_written(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (name,) = [cell.name for cell in planned(tmp_path, long_words(64)).targets]
    suffix = ".top10.log"  # the longest of the study's selections
    limit = len(name) + len(suffix)
    monkeypatch.setattr(lengths, "USUAL_NAME", limit)
    planned(tmp_path, long_words(64))
    monkeypatch.setattr(lengths, "USUAL_NAME", limit - 1)
    with pytest.raises(UserError, match=f"{len(name)} characters.*protocol 'p+'"):
        planned(tmp_path, long_words(64))
    monkeypatch.undo()
    room = os.pathconf(tmp_path, "PC_NAME_MAX") - len(name)
    (tmp_path / (name + "x" * room)).write_text("")  # the oracle: the file system itself
    with pytest.raises(OSError, match="too long"):
        (tmp_path / (name + "x" * (room + 1))).write_text("")


def test_all_axes_together_may_be_too_long(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    word = "x" * 64
    axes = {"dataset": word, "architecture": word, "pretraining": word, "truncation": 0}
    assert len(name_of({**axes, "protocol": word, "seed": 0}, "0" * 8)) > 255
    change = {
        "datasets": {word: {"kind": "phantom"}},
        "pretrainings": {"z" * 64: {"kind": "random"}},
        "protocols": {"y" * 64: {}},
        "grid": [
            {
                "datasets": [word],
                "architectures": ["legacy_seresnext101_32x4d.in1k"],
                "pretrainings": ["z" * 64],
                "protocols": ["y" * 64],
            }
        ],
    }
    with pytest.raises(UserError, match="shorten names") as caught:
        planned(tmp_path, change)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_too_deep_is_told(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lengths, "USUAL_PATH", len(str(tmp_path)) + 120)
    with pytest.raises(UserError, match="a folder with a shorter path"):
        planned(tmp_path)


def chain(links: int) -> dict[str, Any]:
    entries: dict[str, Any] = {"p0": {"kind": "random"}}
    for number in range(1, links + 1):
        before = f"p{number - 1}"
        entries[f"p{number}"] = {
            "kind": "cell",
            "dataset": "films",
            "protocol": "finetune",
            "pretraining": before,
        }
    return {"pretrainings": entries, "grid": [{**block(), "pretrainings": [f"p{links}"]}]}


def test_a_chain_of_sources_is_bounded(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(planned(tmp_path, chain(cells.LONGEST_CHAIN)).cells) == cells.LONGEST_CHAIN + 1
    with pytest.raises(UserError, match="pretraining 'p1500' rests on a chain of more than 50"):
        planned(tmp_path, chain(1500))


def test_a_grid_is_counted_before_it_is_written_out(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(grid, "MOST_POINTS", 11)
    block_of_12 = {**block(), "truncations": [0, 1, 2], "seeds": [0, 1, 2, 3]}
    with pytest.raises(UserError, match="asks for 12 cells"):
        planned(tmp_path, {"grid": [block_of_12]})
    planned(tmp_path, {"grid": [{**block_of_12, "truncations": [0, 1]}]})
