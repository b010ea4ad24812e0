from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.exceptions import WorkflowError
from snakemake.resources import Resource

from transfergrid.commands.slurm_profile import SIZES, TIMES, amount_of, read_profile, unquoted
from transfergrid.planning.paths import PROJECT
from transfergrid.runtime.errors import UserError


def snakemakes(name: str, value: Any, attempt: int) -> Any:
    """What Snakemake itself makes of a resource that a profile sets; None if it refuses it."""
    raw = str(value)
    with suppress(WorkflowError):
        raw = Resource.parse_human_friendly(name, raw)
    try:
        if isinstance(raw, str):
            raw = Resource.cli_evaluator(
                name, raw, wildcards=None, input=[], attempt=attempt, async_run=None
            )
            raw = Resource.parse_human_friendly(name, raw)
    except WorkflowError:
        return None
    return raw if isinstance(raw, int | float) else None


@pytest.mark.parametrize("attempt", [1, 2, 3])
@pytest.mark.parametrize(
    "value", [720, "720", "240 * attempt", "attempt*240", "12h", "2d", "90m", "2d12h", "1:00:00"]
)
def test_times_are_those_that_snakemake_reads(value: Any, attempt: int) -> None:
    found = amount_of(value, TIMES)
    assert (found and found.at(attempt)) == snakemakes("runtime", value, attempt)


@pytest.mark.parametrize("value", ["8GB", "8 GB", "8000MB", "2GiB", 4000, "1000 * attempt"])
def test_sizes_are_those_that_snakemake_reads(value: Any) -> None:
    found = amount_of(value, SIZES)
    assert found is not None
    assert found.at(2) == pytest.approx(snakemakes("mem", value, 2), rel=1e-3)


def test_what_only_the_run_can_tell_is_not_guessed() -> None:
    assert amount_of("min(2 * input.size_mb, 8000)", SIZES) is None
    assert amount_of("8GB", {}) is None
    assert amount_of(True, TIMES) == amount_of(None, TIMES) == None  # noqa: E711


def test_quotes_within_quotes_are_taken_off() -> None:
    assert unquoted("'a100'") == unquoted("a100") == "a100"
    assert unquoted(None) == ""
    assert unquoted("4 * attempt") == "4 * attempt"


def test_the_rules_own_numbers_count_where_the_profile_says_nothing() -> None:
    wishes = {wish.rule: wish for wish in read_profile(PROJECT / "profiles" / "slurm").wishes()}
    assert wishes["train"].gpu and not wishes["prepare"].gpu
    train = wishes["train"]
    assert train.minutes and (train.minutes.at(1), train.minutes.at(2)) == (720, 1440)
    assert train.mem_mb and train.mem_mb.at(3) == 12_000
    assert train.text("slurm_extra") == "--signal=TERM@120"
    assert wishes["page"].minutes and wishes["page"].minutes.at(1) == 30
    # Made where Snakemake runs, so not batch jobs.
    assert not {"spec", "stamp", "weights", "tune", "gather", "figure"} & set(wishes)


def test_the_profile_goes_before_the_rule_and_the_rule_before_defaults(tmp_path: Path) -> None:
    (tmp_path / "profile.yaml").write_text(
        yaml.safe_dump(
            {
                "executor": "slurm",
                "retries": 2,
                "default-resources": ["mem_mb=2000 * attempt", "runtime=1", "slurm_partition=cpu"],
                "set-resources": {"train": {"runtime": "4h", "slurm_partition": "'gpu'"}},
            }
        )
    )
    profile = read_profile(tmp_path)
    wishes = {wish.rule: wish for wish in profile.wishes()}
    assert profile.attempts == 3
    assert wishes["train"].minutes and wishes["train"].minutes.at(2) == 240
    assert wishes["train"].text("slurm_partition") == "gpu"
    assert wishes["evaluate"].minutes and wishes["evaluate"].minutes.at(1) == 120
    assert wishes["evaluate"].text("slurm_partition") == "cpu"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a", "is no list of settings"),
        ("set-resources: [train]", "has to name rules"),
        ("default-resources: mem_mb", "has to be a list of name=value"),
    ],
)
def test_a_profile_of_another_form_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "profile.yaml").write_text(text)
    with pytest.raises(UserError, match=said):
        read_profile(tmp_path)
    with pytest.raises(UserError, match="does not exist; name a folder with a profile.yaml"):
        read_profile(tmp_path / "other")
