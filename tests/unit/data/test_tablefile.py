"""Tables are read as they are, or named with what is wrong and the mend."""

from __future__ import annotations

import pandas as pd
import pytest

from transfergrid.data.tablefile import canonical, read_table
from transfergrid.runtime.errors import UserError


def written(tmp_path, content, name="t.csv"):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2,3\n4,5,6\n", "more cells than its header: line 2 has 3, the header 2"),
        ("a,b\n1,2\n4,5,6\n", "more cells than its header: line 3 has 3, the header 2"),
        ("a,b\n1,2\n4\n", "fewer cells than its header: line 3 has 1, the header 2"),
        ('a,b\n"1,2\n', "cannot be read"),
        ("", "it is empty"),
        (",\n1,2\n", "has no header"),
        ("a,b\n", "a header but no rows"),
        ("a,b,a\n1,2,3\n", "has the column 'a' more than once"),
        ("a,b, a \n1,2,3\n", "has the column 'a' more than once"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer.*git lf"),
        ("<!DOCTYPE html>\n<html>\n", "a web page"),
        ("a,b\nx,é\n".encode("utf-16"), "UTF-16"),
        ("a,b\nx,é\n".encode("utf-16-le"), "UTF-16"),
        ("a,b\nx,y\nz,é\n".encode("latin-1"), "line 3 is not UTF-8 text.*Latin-1"),
        (b"PK\x03\x04" + bytes(60), "a spreadsheet or a zip archive"),
        ("sep=;\na;b\n1;2\n", "begins with 'sep=;', a note to Excel, not.*save .* with commas"),
        ("sep=,\na,b\n1,2\n", "begins with 'sep=,', a note to Excel, not a .* that line\\.$"),
    ],
)
def test_broken_tables_are_named(tmp_path, text, message):
    path = written(tmp_path, text)
    with pytest.raises(UserError, match=rf"t\.csv .*{message}") as caught:
        read_table(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "divider", "words", "key"),
    [
        ("t.csv", ";", "semicolons", '";"'),
        ("t.csv", "\t", "tabs", r'"\\t"'),
        ("t.csv", "|", "bars", r'"\|"'),
        ("t.tsv", ",", "commas", '","'),
    ],
)
def test_another_separator_is_named_and_may_be_declared(tmp_path, name, divider, words, key):
    path = written(tmp_path, "image;label\nx.png;1\n".replace(";", divider), name)
    with pytest.raises(UserError, match=rf"its header has {words}; write separator: {key}"):
        read_table(path, settable=True)
    with pytest.raises(UserError, match=rf"its header has {words}; save the table with "):
        read_table(path)
    path.write_text(f"sep={divider}\n{path.read_text()}")
    with pytest.raises(UserError, match=rf"remove that line, and write separator: {key} beside"):
        read_table(path, settable=True)
    path.write_text(path.read_text().partition("\n")[2])
    frame = read_table(path, divider).frame
    assert frame.to_dict("list") == {"image": ["x.png"], "label": ["1"]}


def test_only_an_empty_cell_is_blank(tmp_path):
    frame = read_table(written(tmp_path, "\ufeffa,b\nNA,\nnan,0\n \t,1\n")).frame
    assert frame["a"].tolist()[:2] == ["NA", "nan"]
    assert frame["a"].isna().tolist() == [False, False, True]
    assert frame["b"].isna().tolist() == [True, False, False]


def test_blanks_around_names_and_cells_are_no_part_of_them(tmp_path):
    text = 'ImageId, EncodedPixels\n x.png ," -1"\n'
    table = read_table(written(tmp_path, text))
    assert table.text(" EncodedPixels").tolist() == table.text("EncodedPixels").tolist() == ["-1"]
    assert table.text("ImageId").tolist() == ["x.png"]
    frame = pd.DataFrame({"ImageId ": [" x.png"], " n": [3]})
    frame.to_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert (table.text("ImageId").tolist(), table.text("n").tolist()) == (["x.png"], ["3"])


def test_quotes_lines_in_cells_and_capital_endings_are_read(tmp_path):
    text = 'a,b\r\n"x,1","two\r\nlines"\r\n\r\n"say ""y""",2\r\n'
    frame = read_table(written(tmp_path, text, "T.CSV")).frame
    expected = pd.read_csv(tmp_path / "T.CSV", dtype=str)
    assert frame["a"].tolist() == expected["a"].tolist() == ["x,1", 'say "y"']
    assert frame["b"].tolist() == ["two\r\nlines", "2"]


def test_columns_of_parquet_are_plain_text_and_numbers(tmp_path):
    frame = pd.DataFrame(
        {
            "category": pd.Categorical([" yes", "no", None]),
            "code": pd.Categorical([1, 0, 1]),
            "bytes": [b"a.png", b"b.png ", None],
            "number": [1.0, None, 3.0],
            "list": [["A", "B"], ["A"], []],
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert table.column("category").tolist()[:2] == ["yes", "no"]
    assert table.column("bytes").tolist()[:2] == ["a.png", "b.png"]
    assert all(table.column(name).isna()[2] for name in ("category", "bytes"))
    assert table.column("code").tolist() == [1, 0, 1]
    assert table.column("number").isna().tolist() == [False, True, False]
    with pytest.raises(UserError, match="lists or records in column 'list'; write one value"):
        table.column("list")
    (tmp_path / "t.parquet").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(UserError, match="it is a Git LFS pointer"):
        read_table(tmp_path / "t.parquet")
    pd.concat([frame[["code"]]] * 2, axis=1).rename(columns=str).to_csv(tmp_path / "t.csv")
    with pytest.raises(UserError, match="has the column 'code' more than once"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "1.0", "+1", "1.", "-0", "2"], ["1", "1", "1", "1", "0", "2"]),
        (["01", "02"], ["01", "02"]),
        (["1.5", "v1.0", "-3.0"], ["1.5", "v1.0", "-3"]),
    ],
)
def test_whole_numbers_are_written_in_one_way(values, expected):
    assert canonical(pd.Series(values), "here").tolist() == expected


@pytest.mark.parametrize("values", [["1", "01"], ["1.0", "001"], ["00", "0"]])
def test_a_code_that_may_be_a_number_is_refused(values):
    with pytest.raises(UserError, match="here: '0.*' and '[01]' may be the same value or not"):
        canonical(pd.Series(values), "here")
