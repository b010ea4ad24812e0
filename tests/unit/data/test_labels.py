"""Labels of tables: words, classes, and several in a cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from transfergrid.data import labels
from transfergrid.data.tablefile import Table
from transfergrid.runtime.errors import UserError


def table(tmp_path, cells):
    cells = [None if cell == "" else cell for cell in cells]
    return Table(tmp_path / "t.csv", pd.DataFrame({"x": pd.Series(cells, dtype="object")}))


def read(tmp_path, cells, values=None):
    return labels.columns(table(tmp_path, cells), ["x"], values)["x"].to_numpy()


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["TRUE", "FALSE", ""], [1, 0, np.nan]),
        (["true", "false", "1"], [1, 0, 1]),
        (["True", "False", "0.5"], [1, 0, 0.5]),
        (["1.0", "0.0", "1"], [1, 0, 1]),
    ],
)
def test_numbers_and_truth_values_are_labels(tmp_path, cells, expected):
    found = read(tmp_path, cells)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.float32(expected))


@pytest.mark.parametrize("word", ["yes", "No", "Y", "N", "positive", "absent", "1,0", "nan", "-1"])
def test_other_words_are_refused_with_the_key_that_says_what_they_mean(tmp_path, word):
    with pytest.raises(UserError, match=rf"'{word}' in column 'x' of row 2; a label is 0, 1 or bl"):
        read(tmp_path, ["1", word, "0"])


def test_all_words_are_named_at_once(tmp_path):
    message = "'yes', 'no', 'maybe' means with label_values, such as {'yes': 1}"
    with pytest.raises(UserError, match=message):
        read(tmp_path, ["1", "yes", "no", "maybe", "yes"])


def test_two_values_are_explained_together(tmp_path):
    # {'2': 1} alone would have every image show the finding.
    message = "say what '2' means with label_values, such as {'1': 0, '2': 1}, or null"
    with pytest.raises(UserError, match=message):
        read(tmp_path, ["2", "1", "", "1"])


def test_declared_words_mean_what_they_say(tmp_path):
    cells = ["yes", "no", "uncertain", "", "1", "-1.0", "True"]
    values = {"yes": 1, "no": 0, "uncertain": None, "-1": 0.5, "": 0}
    np.testing.assert_array_equal(
        read(tmp_path, cells, values), np.float32([1, 0, np.nan, 0, 1, 0.5, 1])
    )
    np.testing.assert_array_equal(read(tmp_path, ["1", "0"], {"1": 0, "0": 1}), np.float32([0, 1]))
    with pytest.raises(UserError, match="'Yes' in column 'x' of row 1"):
        read(tmp_path, ["Yes"], values)


def test_one_class_is_one_however_its_number_is_written(tmp_path):
    found = labels.classes(table(tmp_path, ["1", "1.0", "2", "2.00"]), ["x"])
    assert found.to_dict("list") == {"1": [1, 1, 0, 0], "2": [0, 0, 1, 1]}
    with pytest.raises(UserError, match=r"t\.csv, column 'x': '01' and '1' may be the same"):
        labels.classes(table(tmp_path, ["1", "01", "2"]), ["x"])


@pytest.mark.parametrize(
    ("cells", "cell"),
    [
        (["Cardiomegaly|Effusion", "Cardiomegaly", "Edema"], r"Cardiomegaly\|Effusion"),
        (["A|B", "B|C", "D"], r"A\|B"),
        (["A", "B", "C", "B; A"], "B; A"),
        (["A", "B", "A,B"], "A,B"),
    ],
)
def test_several_labels_in_a_cell_are_no_class(tmp_path, cells, cell):
    with pytest.raises(UserError, match=rf"'{cell}' in column 'x' .* several labels .*label_sepa"):
        labels.classes(table(tmp_path, cells), ["x"])


def test_a_comma_may_belong_to_the_name_of_a_class(tmp_path):
    cells = ["Pneumonia, bacterial", "Pneumonia, viral", "Pneumonia", "a|b"]
    assert len(labels.classes(table(tmp_path, cells), ["x"]).columns) == 4


def test_each_label_of_a_cell_becomes_a_task(tmp_path):
    cells = ["B| A", "No Finding", "", "A", "B||B"]
    found = labels.divided(table(tmp_path, cells), ["x"], "|", "No Finding")
    np.testing.assert_array_equal(
        found.to_numpy(), np.float32([[1, 1], [0, 0], [np.nan] * 2, [1, 0], [0, 1]])
    )
    assert list(found.columns) == ["a", "b"]
    whole = labels.divided(table(tmp_path, cells), ["x"], "|", None)
    assert list(whole.columns) == ["a", "b", "no_finding"]
    assert whole["no_finding"].tolist()[:2] == [0, 1]


@pytest.mark.parametrize(
    ("cells", "separator", "message"),
    [
        (["A|none", "B"], "|", r"'A\|none' in column 'x' of row 1, where no_label 'none'"),
        (
            ["A;B", "A", "B", "none"],
            "|",
            "the label 'A;B', really several, .*correct label_sep",
        ),
        (["none", ""], "|", "no label in column 'x'"),
        (["None", "A"], "|", r"no_label 'none' \(did you mean 'None'\?\) is in no cell of"),
    ],
)
def test_faults_of_divided_cells_are_named(tmp_path, cells, separator, message):
    with pytest.raises(UserError, match=message):
        labels.divided(table(tmp_path, cells), ["x"], separator, "none")


def test_several_labels_in_a_column_of_numbers_are_told_with_both_ways_out(tmp_path):
    with pytest.raises(UserError, match=r'label_separator: "\|", and if .*multiclass'):
        read(tmp_path, ["A|B", "A"])


@pytest.mark.parametrize("cell", ["a\x1b[31m", "two\nlines", "x" * 5000])
def test_a_cell_of_any_text_makes_one_short_sentence(tmp_path, cell):
    with pytest.raises(UserError) as caught:
        read(tmp_path, [cell])
    told = str(caught.value)
    assert told.isprintable() and len(told) < 500 + len(str(tmp_path))
