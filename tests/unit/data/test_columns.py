"""Which group each study of a data set is in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets.chexpert.make import make as make_chexpert
from datasets.nih14.make import make as make_nih14

from transfergrid.data.columns import MOST, UNKNOWN, Grouped, band_names, read_grouped
from transfergrid.data.phantom import read as read_phantom
from transfergrid.runtime.errors import UserError

TABLE: dict[str, Any] = {
    "kind": "csv",
    "table": "films.csv",
    "image_column": "image",
    "label_columns": ["sick"],
    "patient_column": "patient",
    "split": {"random": {"valid": 0.2, "test": 0.2}},
}


def films(folder: Path, rows: list[dict[str, Any]], **settings: Any) -> tuple[dict[str, Any], Path]:
    frame = pd.DataFrame(rows)
    defaults = {
        "image": [f"{row}.png" for row in range(len(frame))],
        "patient": [f"p{row}" for row in range(len(frame))],
        "sick": [str(row % 2) for row in range(len(frame))],
    }
    for name, values in defaults.items():
        if name not in frame:
            frame[name] = values
    frame.to_csv(folder / "films.csv", index=False)
    return {**TABLE, **settings}, folder


def groups(found: Grouped, column: str) -> dict[str, str]:
    own = found.columns[column].group
    return dict(zip(found.study_id.tolist(), own.tolist(), strict=True))


def test_values_are_groups_and_blanks_are_unknown(tmp_path: Path) -> None:
    rows = [{"sex": sex} for sex in ("M", "F", "", " F ", "M")]
    found = read_grouped(*films(tmp_path, rows), [{"column": "sex"}])
    assert list(groups(found, "sex").values()) == ["M", "F", UNKNOWN, "F", "M"]
    assert found.columns["sex"].names == ("F", "M", UNKNOWN)
    assert found.labels[:, 0].tolist() == [0, 1, 0, 1, 0]


def test_bands_begin_with_their_number_and_read_dicoms_ages(tmp_path: Path) -> None:
    ages = ["058Y", "40", "39.9", "018M", "7D", "", "80", "079Y"]
    asked = {"column": "age", "bands": [40, 60, 80]}
    found = read_grouped(*films(tmp_path, [{"age": age} for age in ages]), [asked])
    middle, old = "40 to under 60", "80 and over"
    want = [middle, middle, "under 40", "under 40", "under 40", UNKNOWN, old, "60 to under 80"]
    assert list(groups(found, "age").values()) == want
    assert found.columns["age"].names == (*band_names([40, 60, 80]), UNKNOWN)


def test_a_study_with_images_of_two_groups_is_of_both(tmp_path: Path) -> None:
    views = [("a", "PA"), ("a", "AP"), ("b", "PA"), ("b", "PA"), ("c", ""), ("c", "AP")]
    rows = [{"view": view, "exam": exam, "patient": exam, "sick": "1"} for exam, view in views]
    settings = {"study_column": "exam"}
    found = read_grouped(*films(tmp_path, rows, **settings), [{"column": "view"}])
    assert groups(found, "view") == {"a/a": "AP and PA", "b/b": "PA", "c/c": "AP"}
    assert found.patient_id.tolist() == ["a", "b", "c"]


def test_the_view_of_the_manifest_stands_in_where_no_column_has_its_name(tmp_path: Path) -> None:
    rows = [{"side": side} for side in ("L", "R", "L")]
    declared, root = films(tmp_path, rows, view_column="side")
    found = read_grouped(declared, root, [{"column": "view"}])
    assert list(groups(found, "view").values()) == ["L", "R", "L"]


def test_what_would_tell_people_apart_is_refused_without_their_values(tmp_path: Path) -> None:
    rows = [
        {"ward": str(number), "note": f"word{number}", "long": "x" * 99} for number in range(30)
    ]
    declared, root = films(tmp_path, rows)
    with pytest.raises(UserError, match=f"has 30 groups, and at most {MOST}.*with bands"):
        read_grouped(declared, root, [{"column": "ward"}])
    with pytest.raises(UserError, match="name one that many patients share"):
        read_grouped(declared, root, [{"column": "note"}])
    with pytest.raises(UserError, match="99 characters"):
        read_grouped(declared, root, [{"column": "long"}])
    with pytest.raises(UserError, match="no number") as told:
        read_grouped(declared, root, [{"column": "note", "bands": [3]}])
    assert "word" not in str(told.value)
    with pytest.raises(UserError, match="no column 'wards'"):
        read_grouped(declared, root, [{"column": "wards"}])


def test_studies_are_found_by_their_id(tmp_path: Path) -> None:
    found = read_grouped(*films(tmp_path, [{"sex": s} for s in "MFMF"]), [{"column": "sex"}])
    rows = found.rows(np.array(["3.png", "0.png"]))
    assert found.columns["sex"].group[rows].tolist() == ["F", "M"]
    with pytest.raises(UserError, match=r"study 9\.png was scored and is not among"):
        found.rows(np.array(["0.png", "9.png"]))


@pytest.mark.parametrize("release", ["2017", "2017_v2020"])
def test_chest_xray14s_words_are_its_columns_in_both_releases(tmp_path: Path, release: str) -> None:
    make_nih14(tmp_path, np.random.default_rng(0), release)
    (path,) = tmp_path.glob("Data_Entry_*.csv")
    table = pd.read_csv(path, dtype=str, index_col=False)
    asked = [{"column": "sex"}, {"column": "age", "bands": [50]}, {"column": "view"}]
    found = read_grouped({"kind": "nih14"}, tmp_path, asked)
    sex = "Patient Sex" if release == "2017" else "Patient Gender"
    assert groups(found, "sex") == dict(zip(table["Image Index"], table[sex], strict=True))
    assert groups(found, "view") == dict(
        zip(table["Image Index"], table["View Position"], strict=True)
    )
    old = table["Patient Age"].str.strip("Y").astype(int) >= 50
    words = old.map({True: "50 and over", False: "under 50"})
    assert groups(found, "age") == dict(zip(table["Image Index"], words, strict=True))


def test_chexperts_columns_are_found_by_film(tmp_path: Path) -> None:
    make_chexpert(tmp_path, np.random.default_rng(0))
    asked = [{"column": "sex"}, {"column": "projection"}, {"column": "view"}]
    found = read_grouped({"kind": "chexpert", "test_split": "test"}, tmp_path, asked)
    tables = [pd.read_csv(p, dtype=str) for p in tmp_path.rglob("*.csv") if "Sex" in p.read_text()]
    frame = pd.concat(tables)
    parts = frame["Path"].str.extract(r"(patient\w+)/(study\w+)")
    frame["exam"] = parts[0] + "/" + parts[1]
    sexes = frame.groupby("exam")["Sex"].agg(lambda s: " and ".join(sorted(set(s.dropna()))))
    known = {exam: sex for exam, sex in groups(found, "sex").items() if sex != UNKNOWN}
    assert known and all(sexes[exam] == sex for exam, sex in known.items())
    assert set(found.columns["view"].names) <= {"frontal", "lateral", "frontal and lateral"}


def test_drawn_films_have_their_tables_without_being_drawn(tmp_path: Path) -> None:
    sizes = {"patients": 20, "valid_patients": 3, "test_patients": 3, "image_px": 16, "seed": 4}
    settings = {"kind": "phantom", "set": "chest", "tasks": 5, **sizes}
    asked = [{"column": "sex"}, {"column": "source"}, {"column": "projection"}]
    found = read_grouped(settings, None, asked)
    drawn = read_phantom(settings, tmp_path)
    assert sorted(set(drawn.table["study_id"])) == found.study_id.tolist()
    first = drawn.table.drop_duplicates("study_id").set_index("study_id").loc[found.study_id]
    labels = first[list(found.tasks)].to_numpy()
    assert np.array_equal(found.labels, labels, equal_nan=True)
    frame = pd.concat(pd.read_csv(path, dtype=str) for path in tmp_path.rglob("*.csv"))
    parts = frame["Path"].str.extract(r"(patient\w+)/(study\w+)")
    sexes = dict(zip(parts[0] + "/" + parts[1], frame["Sex"], strict=True))
    assert groups(found, "sex") == sexes
    assert set(groups(found, "source").values()) == {"A", "B", "C"}
    with pytest.raises(UserError, match="no column 'sex'"):
        read_grouped({**settings, "set": "shapes"}, tmp_path, asked[:1])
