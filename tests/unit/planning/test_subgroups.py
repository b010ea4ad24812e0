"""Which columns a study may group its test films by, and what asking for them changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from unit.planning.made_up_plan import names
from unit.reporting.grouped_study import ASKED, films, study

from transfergrid.catalog.stages import STAGE
from transfergrid.planning.planned import PlannedStudy
from transfergrid.runtime.errors import UserError


def asked(folder: Path, subgroups: Any, **more: Any) -> PlannedStudy:
    return study(folder, films(10), subgroups, **more)


def test_asking_for_groups_changes_no_cell_and_the_stages_that_tell_of_them_alone(
    tmp_path: Path,
) -> None:
    without, with_them = asked(tmp_path, None), asked(tmp_path, ASKED)
    assert names(without) == names(with_them)
    other = asked(tmp_path, ASKED[:1])
    assert not without.has(STAGE["subgroups"]) and with_them.has(STAGE["subgroups"])
    before, after = (made.stamps for made in (without, with_them))
    changed = {stage for stage in after if before.get(stage) != after[stage]}
    # The costs of the new tables are added up as well.
    assert changed == {"subgroups", "shortcuts", "costs", "figures", "report"}
    assert other.stamps["subgroups"] != with_them.stamps["subgroups"]
    assert other.stamps["cells"] == with_them.stamps["cells"]


def test_the_stamp_names_columns_by_data_set(tmp_path: Path) -> None:
    made = asked(tmp_path, ASKED)
    (columns,) = made.content("subgroups")["subgroups"].values()
    assert columns == [{"bands": None, **entry} for entry in ASKED]
    some = [{**ASKED[0], "datasets": ["table"]}]
    assert asked(tmp_path, some).content("subgroups")["subgroups"]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"column": "sax"}, r"no column of the tables of data set 'table' \(did you mean 'sex'"),
        ({"column": "age"}, "an age is given in bands alone"),
        ({"column": "Patient Age"}, "an age is given in bands alone"),
        ({"column": "age", "bands": [60, 40]}, "write numbers that rise"),
        ({"column": "patient"}, "tell patients, studies or films of data set 'table' apart"),
        ({"column": "image"}, "one by one"),
        ({"column": "sex", "datasets": ["tables"]}, r"data set 'tables' \(did you mean 'table'"),
        ({"column": "sex", "datasets": ["shapes"]}, "on which no cell is tested"),
    ],
)
def test_columns_that_cannot_be_told_are_refused_before_training(
    tmp_path: Path, entry: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        asked(tmp_path, [entry])


def test_a_column_is_named_once_for_a_data_set(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="name the column 'sex' twice"):
        asked(tmp_path, [{"column": "sex"}, {"column": "sex", "datasets": ["table"]}])


def test_an_image_column_word_like_stage_is_no_age(tmp_path: Path) -> None:
    table = films(10).assign(stage="I")
    assert study(tmp_path, table, [{"column": "stage"}]).has(STAGE["subgroups"])
