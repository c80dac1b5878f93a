"""Text files of other forms: separators, encodings, chosen columns, and advice that works."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonneg.io.readers import read_matrix

SEPARATORS = {"comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|", "blank": " ",
              "blanks": "  \t "}  # fmt: skip
LAYOUTS = {
    "header and names": ([["", "a", "b"], ["x", 1, 2.5], ["y", 3, 4e3]], "ab", "xy"),
    "header": ([["a", "b"], [1, 2.5], [3, 4e3]], "ab", None),
    "names": ([["x", 1, 2.5], ["y", 3, 4e3]], None, "xy"),
    "numbers": ([[1, 2.5], [3, 4e3]], None, None),
    "short header": ([["a", "b"], ["x", 1, 2.5], ["y", 3, 4e3]], "ab", "xy"),
}


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", SEPARATORS)
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt"])
def test_what_is_plainly_separated_is_read(tmp_path, name, layout, suffix, quoted):
    rows, columns, row_names = LAYOUTS[layout]
    if "blank" in name and rows[0][0] == "":
        rows = [['""', *rows[0][1:]], *rows[1:]]
    if quoted:
        rows = [[f'"{str(cell).strip(chr(34))}"' for cell in row] for row in rows]
    text = "\n".join(SEPARATORS[name].join(map(str, row)) for row in rows)
    path = tmp_path / f"x{suffix}"
    path.write_text(text + "\n")
    # "x,1,2" may be a header
    header = False if layout == "names" else None
    table = read_matrix(path, header=header)
    np.testing.assert_array_equal(table.X, [[1, 2.5], [3, 4000]])
    assert table.column_names == (columns and list(columns))
    assert table.row_names == (row_names and list(row_names))
    word = "blank" if "blank" in name else name
    again = read_matrix(path, header=header, separator=word)
    np.testing.assert_array_equal(again.X, table.X)


@given(
    st.lists(
        st.lists(st.floats(0, 1e300), min_size=3, max_size=3), min_size=2, max_size=5
    ),
    st.sampled_from([",", "\t", ";", "|", " "]),
)
def test_every_digit_counts_whatever_separates_it(rows, separator):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        path.write_text("\n".join(separator.join(map(repr, row)) for row in rows))
        np.testing.assert_array_equal(read_matrix(path).X, rows)


def test_the_separator_of_the_caller_counts(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a:b\n1:2\n")
    np.testing.assert_array_equal(read_matrix(path, separator=":").X, [[1, 2]])
    for wrong in ("", "::", "\n", '"'):
        with pytest.raises(ValueError, match="one character or a word of comma, tab"):
            read_matrix(path, separator=wrong)
    with pytest.raises(ValueError, match=r"--separator"):
        read_matrix(path)
    np.save(tmp_path / "x.npy", np.eye(2))
    with pytest.raises(ValueError, match="is no text file"):
        read_matrix(tmp_path / "x.npy", separator=",")


def test_blanks_around_names_are_not_part_of_them(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("name , g1,g2 \n first,1,2\nsecond ,3,4\n")
    table = read_matrix(path)
    assert table.column_names == ["g1", "g2"]
    assert table.row_names == ["first", "second"]


class TestEncodings:
    TEXT = "größe,b\n1,2\n3,4\n"

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
    def test_read_by_themselves(self, tmp_path, encoding):
        path = tmp_path / "x.csv"
        path.write_bytes(self.TEXT.encode(encoding))
        assert read_matrix(path).column_names == ["größe", "b"]

    @pytest.mark.parametrize(
        "encoding", ["latin-1", "utf-16-le", "utf-16-be", "cp1252"]
    )
    def test_read_by_their_names(self, tmp_path, encoding):
        path = tmp_path / "x.csv"
        path.write_bytes(self.TEXT.encode(encoding))
        with pytest.raises(ValueError, match=r"encoding=.*--encoding"):
            read_matrix(path)
        assert read_matrix(path, encoding=encoding).column_names == ["größe", "b"]

    def test_the_byte_is_named(self, tmp_path):
        path = tmp_path / "x.csv"
        path.write_bytes(b"a,b\n" + b"1,2\n" * 5000 + b"1,\xe9\n")
        with pytest.raises(ValueError, match=r"UTF-8 text \(byte 0xe9 in line 5002\)"):
            read_matrix(path)
        with pytest.raises(ValueError, match="'nonsense', which is not known"):
            read_matrix(path, encoding="nonsense")


class TestColumns:
    TEXT = 'who,id,"a,b",c,kind\nx,10,1,2,good\ny,20,3,4,bad\nz,30,5,6,good\n'

    @pytest.fixture
    def path(self, tmp_path):
        path = tmp_path / "x.csv"
        path.write_text(self.TEXT)
        return path

    @pytest.mark.parametrize(
        ("options", "names"),
        [
            ({"drop": ["kind"]}, ["id", "a,b", "c"]),
            ({"drop": ["kind,id"]}, ["a,b", "c"]),
            ({"drop": ["a,b", "kind,id"]}, ["c"]),
            ({"columns": ["c,id"]}, ["c", "id"]),
            ({"columns": ["a,b"]}, ["a,b"]),
            ({"columns": ["c", "a,b"], "drop": ["c"]}, ["a,b"]),
        ],
    )
    @pytest.mark.filterwarnings("ignore:The column 'id'")
    def test_by_name(self, path, options, names):
        table = read_matrix(path, **options)
        assert table.column_names == names
        whole = {"id": [10, 20, 30], "a,b": [1, 3, 5], "c": [2, 4, 6]}
        np.testing.assert_array_equal(table.X.T, [whole[name] for name in names])
        assert table.row_names == ["x", "y", "z"]

    def test_the_column_of_row_names(self, path):
        table = read_matrix(path, drop=["who", "kind", "id"])
        assert table.row_names is None
        assert table.column_names == ["a,b", "c"]

    @pytest.mark.parametrize(
        "text", ["1,2,3,x,5\n2,3,4,y,6\n", "1;2;3;x;5\n2;3;4;y;6\n"]
    )
    def test_by_number(self, tmp_path, text):
        path = tmp_path / "x.csv"
        path.write_text(text)
        X = np.array([[1, 2, 3, 5], [2, 3, 4, 6.0]])
        for options, kept in (
            ({"drop": ["4"]}, [0, 1, 2, 3]),
            ({"columns": ["1-3"]}, [0, 1, 2]),
            ({"columns": ["5", "2,1"]}, [3, 1, 0]),
        ):
            table = read_matrix(path, header=False, row_names=False, **options)
            np.testing.assert_array_equal(table.X, X[:, kept])
            assert table.column_names is None

    def test_no_such_column(self, path):
        with pytest.raises(
            ValueError, match=r"no column 'd'; its columns are 'id', 'a,b'"
        ):
            read_matrix(path, columns=["d"])
        with pytest.raises(ValueError, match=r"no column left"):
            read_matrix(path, columns=["c"], drop=["c"])

    def test_of_other_files(self, tmp_path):
        X = np.arange(12.0).reshape(3, 4)
        np.save(tmp_path / "x.npy", X)
        table = read_matrix(tmp_path / "x.npy", drop=["2"])
        np.testing.assert_array_equal(table.X, X[:, [0, 2, 3]])
        frame = pd.DataFrame(
            {"n": ["x", "y"], "a": [1, 2], "t": ["u", "v"], "b": [3, 4]}
        )
        frame.to_parquet(tmp_path / "x.parquet")
        with pytest.raises(ValueError, match=r"column 't'.*\(--drop t\)"):
            read_matrix(tmp_path / "x.parquet")
        table = read_matrix(tmp_path / "x.parquet", drop=["t"])
        assert (table.row_names, table.column_names) == (["x", "y"], ["a", "b"])


@pytest.mark.parametrize(
    "name", ["id", "ID", "Row", "index", "gene_id", "cellId", "No."]
)
def test_a_column_that_numbers_the_rows_is_told(tmp_path, name):
    path = tmp_path / "x.csv"
    path.write_text(f"{name},a\n101,1\n102,2\n105,2\n")
    with pytest.warns(UserWarning, match=rf"column '{re.escape(name)}' .*--drop"):
        assert read_matrix(path).X.shape == (3, 2)
    assert read_matrix(path, drop=[name]).X.shape == (3, 1)
    assert read_matrix(path, columns=[name, "a"]).X.shape == (3, 2)
    assert read_matrix(path, row_names=True).row_names == ["101", "102", "105"]
    for others in ("3,1\n3,2\n4,2\n", "1.5,1\n2,2\n3,2\n"):
        path.write_text(f"{name},a\n{others}")
        assert read_matrix(path).X.shape == (3, 2)


REFUSED = {
    "a text": "a,b,c\n1,x,2\n3,4,y\n5,6,7\n",
    "more texts than numbers": "a,b,c,d\n1,x,x,x\n3,4,y,y\n",
    "names with signs": "a;b' c;d\n1;x;2\n3;y;4\n",
    "a comma in a name": 'a,"b,c",d\n1,x,2\n3,y,4\n',
    "a comma in a cell": 'a,b\n1,"x,y"\n3,"u,v"\n',
    "no header": "1,x,2\n3,4,5\n",
    "empty cells": "a,b\n1,\n3,4\n",
    "empty cells everywhere": "a,b\n1,\n,4\n",
    "NA and texts": "a,b,c\n1,NA,x\nNA,4,y\n",
    "short rows": "a,b\n1,2\n3\n",
    "a title": "The title of it\n\na,b\n1,2\n3,4\n",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_a_refusal_names_options_that_work(tmp_path, text):
    path = tmp_path / "x.csv"
    path.write_text(text)
    options = {}
    for _ in range(3):
        try:
            table = read_matrix(path, **options)
        except ValueError as error:
            message = str(error)
            assert "\n" not in message
            before = dict(options)
            for advice in re.findall(r"\((--[^)]*)\)", message):
                words = shlex.split(advice)
                for flag, value in zip(words[::2], words[1::2], strict=False):
                    known = {"--empty": 0.0, "--skip": 2}
                    if flag in known:
                        options[flag[2:]] = known[flag]
                    else:
                        options.setdefault(flag[2:], []).append(value)
            assert options != before, message
        else:
            break
    else:
        pytest.fail(f"still refused with {options}")
    assert np.isfinite(table.X).all()
    assert table.X.size >= 2


def test_truth_values_are_numbers(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text('a,b\n2,TRUE\n3,"False"\n')
    np.testing.assert_array_equal(read_matrix(path).X, [[2, 1], [3, 0]])


def test_empty_cells_get_the_number_of_the_caller(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,b,c\n1,,3\nNA,5,n/a\n7, ,NaN\n")
    expected = [[1, 9, 3], [9, 5, 9], [7, 9, 9]]
    np.testing.assert_array_equal(read_matrix(path, empty=9).X, expected)
    assert np.isnan(read_matrix(path, empty=np.nan).X).sum() == 5


def test_lines_above_the_table(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("Title, and more\n1999\na,b\n1,2\n3,x\n")
    with pytest.raises(ValueError, match="'x' in line 5, column 'b'"):
        read_matrix(path, skip=2)
    assert read_matrix(path, skip=2, drop=["b"]).X.tolist() == [[1], [3]]


def test_a_header_that_ends_with_a_separator_below_a_title(tmp_path):
    """As the tables of the Bureau of Labor Statistics have it."""
    path = tmp_path / "rate.csv"
    path.write_text(
        "Series Id:           LNS14000000Q\n\nSeasonally Adjusted\n"
        "Series id,Year,Period,Value,\nLNS,1959,Q01,5.8\nLNS,1959,Q02,5.1\n\n"
    )
    with pytest.raises(ValueError, match=r"\(--skip N\)"):
        read_matrix(path)
    with pytest.raises(ValueError, match=r"column 'Period'.*\(--drop Period\)"):
        read_matrix(path, skip=3)
    table = read_matrix(path, skip=3, drop=["Period"])
    np.testing.assert_array_equal(table.X, [[1959, 5.8], [1959, 5.1]])
    assert table.column_names == ["Year", "Value"]
    assert table.row_names == ["LNS", "LNS"]
