"""Stamps of owners whose names begin alike, or look like a stage, are told apart."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.planning.made_up_plan import planned

from transfergrid.catalog.stages import STAGES
from transfergrid.planning.ids import DATASET_ID, STUDY
from transfergrid.planning.known_syntax import MEMORY
from transfergrid.planning.notes import note_path
from transfergrid.planning.paths import PROJECT
from transfergrid.planning.plan import Plan
from transfergrid.planning.stamps import (
    LOCATION,
    StampName,
    replaced_by,
    stamp_name,
    stamps_in,
)
from transfergrid.runtime.hashing import short_hash

# Few letters and many dots, so that names begin alike and look like stages and hashes.
WORDS = st.lists(st.sampled_from(["one", "report", "location", "x", "0123abcd"]), min_size=1)
HASHES = st.sampled_from(["0123abcd", "89abcdef", "00000000"])
STUDIES = st.sampled_from(["one", "report", "location", "x", "one_x"])
IDS = st.builds(lambda words, digest: f"{'.'.join(words)}-{digest}", WORDS, HASHES)
NAMES = st.one_of(
    st.builds(StampName, STUDIES, st.sampled_from([stage.name for stage in STAGES]), HASHES),
    st.builds(StampName, IDS, st.just(LOCATION), HASHES),
)


@given(NAMES)
def test_a_name_is_taken_apart_into_what_it_was_made_of(name: StampName) -> None:
    assert re.fullmatch(DATASET_ID if "-" in name.owner else STUDY, name.owner)
    assert stamp_name(str(name)) == name


@given(st.sets(NAMES, min_size=1, max_size=12), st.data())
@settings(max_examples=60)
def test_a_stamp_replaces_its_own_and_no_other(names: set[StampName], data: st.DataObject) -> None:
    new = data.draw(st.sampled_from(sorted(names, key=str)))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for name in names:
            (folder / str(name)).write_text(json.dumps({"is": str(name)}))
        (folder / "logs").mkdir()
        replaced = {path.name for path in replaced_by(folder / str(new))}
        owners = {name.owner for name in names if name.stage == LOCATION}
        notes = {owner: note_path(owner, folder).name for owner in owners}
        assert {name for name, _ in stamps_in(folder)} == names
    mine = (new.owner, new.stage)
    assert replaced == {str(n) for n in names if (n.owner, n.stage) == mine and n != new}
    for owner, said in notes.items():
        assert (found := stamp_name(said)) and (found.owner, found.stage) == (owner, LOCATION)


ASIDE = ".tmp-0123456789abcdef-one.report.0123abcd"
"""The name under which a job is just writing a stamp."""


@pytest.mark.parametrize(
    "name", ["logs", "one.report", "a.report.0123abc", ".report.0123abcd", ASIDE, ""]
)
def test_other_files_are_no_stamps(name: str) -> None:
    assert stamp_name(name) is None


def test_publishing_a_stamp_leaves_those_of_others(tmp_path: Path) -> None:
    stamps, scratch = tmp_path / "stamps", tmp_path / "scratch"
    new = f"one.report.{short_hash({})}"
    others = ["one.report.x-0123abcd.location.0123abcd", "one.tables.0123abcd", "logs"]
    for folder, names in ((scratch, [new]), (stamps, [*others, "one.report.0123abcd"])):
        folder.mkdir()
        for name in names:
            (folder / name).write_text("{}")
    program = PROJECT / "workflow" / "scripts" / "stamp.py"
    words = [program, "--scratch", scratch, "--output", stamps / new]
    subprocess.run([sys.executable, *map(str, words)], check=True)
    assert sorted(path.name for path in stamps.iterdir()) == sorted([*others, new])


def test_planned_notes_replace_their_own_only(tmp_path: Path) -> None:
    plan = Plan({"made_up": planned(tmp_path, {})})
    (note, *_) = plan.notes
    mine = stamp_name(note)
    assert mine is not None
    old = str(StampName(mine.owner, LOCATION, "00000000"))
    other = str(StampName(f"{mine.owner}.{LOCATION}.x-0123abcd", LOCATION, "00000000"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for name in (old, other):
        (scratch / name).write_text("{}")
    plan.write_scratch(scratch)
    assert {path.name for path in scratch.iterdir()} == {*plan.stamps, other, MEMORY.name}
