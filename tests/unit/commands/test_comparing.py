"""What plan says of the time that comparing networks takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from unit.commands import made_up_results as made

from transfergrid.commands import costs
from transfergrid.commands import plan as told
from transfergrid.commands.comparing import comparing
from transfergrid.commands.images import Images

SEEN = Images(100, 2000, 300, 14, True)


def test_time_grows_with_pairs_permutations_and_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def seconds(**settings: object) -> float:
        (study,) = made.plan(tmp_path, {"similarity": settings}).studies.values()
        found = comparing(study, {"films": SEEN})
        assert not found.unknown and (found.memory > 0) == (found.seconds > 0)
        return found.seconds

    usual = seconds()
    assert seconds(permutations=420) / usual == pytest.approx(2, rel=0.1)
    assert seconds(pairs=["before_after"]) < usual
    # The widest layer has 1,280 channels, which are as many directions as there are rows.
    assert seconds(rows=500) < usual / 4
    (study,) = made.plan(tmp_path, {"similarity": {}}).studies.values()
    assert comparing(study, {"films": None}).unknown == 2  # the whole network, and a cut one


def test_plan_says_it_where_it_is_to_be_done_with_advice_where_it_is_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = made.plan(tmp_path, {"similarity": {}})

    def line() -> list[str]:
        lines = told.report(told.survey(plan, Path("results")))
        return [text for text in lines if "comparing networks" in text]

    monkeypatch.setattr(costs, "MANY_SECONDS", 0)
    (text,) = line()
    assert "of one core" in text and "similarity.rows" in text
    monkeypatch.setattr(costs, "MANY_SECONDS", 1e9)
    (text,) = line()
    assert "of one core" in text and "similarity.rows" not in text
