"""The profile for Slurm holds what it replaces, and nothing that would throttle a cluster."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

PROJECT = Path(__file__).parents[3]
PROFILES = PROJECT / "profiles"
DEFAULT = yaml.safe_load((PROFILES / "default" / "profile.yaml").read_text())
SLURM = yaml.safe_load((PROFILES / "slurm" / "profile.yaml").read_text())


def test_the_slurm_profile_repeats_the_default_one():
    assert {key: SLURM.get(key) for key in DEFAULT} == DEFAULT


def test_slurm_alone_hands_out_the_gpus():
    # A limit in the profile would be one of the whole cluster.
    assert not SLURM.keys() & {"resources", "set-resource-scopes"}


def test_arrays_stay_off():
    # The plugin leaves jobs of an incomplete array waiting for ever.
    assert "slurm-array-jobs" not in SLURM


def test_each_setting_of_the_slurm_profile_has_a_reason():
    _, *settings = (PROFILES / "slurm" / "profile.yaml").read_text().strip().split("\n\n")
    for paragraph in settings:
        assert paragraph.startswith("# "), paragraph


def test_who_reads_what_to_set_for_gpus_reads_of_every_rule_that_asks_for_one():
    rules = PROJECT / "workflow" / "rules"
    asking = {path.stem for path in rules.glob("*.smk") if "gpu=GPUS" in path.read_text()}
    advice = re.findall(
        r"here and for ((?:[^:]|\n)*):", (PROFILES / "slurm/profile.yaml").read_text()
    )
    assert len(advice) == 3
    for rest in advice:
        assert set(re.findall(r"\w+", rest)) - {"and"} == asking - {"train"}
    page = (PROJECT / "docs" / "slurm.md").read_text()
    for told in (r"\| ((?:`\w+`,? ?)+): `slurm_partition`", r"`gres: [^`]*` for ([^.]*)\."):
        (named,) = re.findall(told, page)
        assert set(re.findall(r"`(\w+)`", named)) == asking
