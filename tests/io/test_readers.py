"""Data files: every format there and back with its names, and what is refused."""

from __future__ import annotations

import builtins
import gzip
import os
import pickle
import stat

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import scipy.io
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from nonneg.io.output_files import replace_file
from nonneg.io.readers import read_matrix
from nonneg.io.writers import write_matrix

ROWS = ["first", "se,cond", 'th"ird', "1", "línea"]
COLUMNS = ["a", "b b", "c"]
WRITTEN = [".npy", ".npz", ".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet"]


@pytest.fixture
def X():
    return np.random.default_rng(0).gamma(0.3, size=(5, 3)) * np.pi


@pytest.mark.parametrize("suffix", WRITTEN)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [None, ROWS])
@pytest.mark.parametrize("columns", [None, COLUMNS])
def test_round_trip(tmp_path, X, suffix, dtype, rows, columns):
    X = X.astype(dtype)
    path = tmp_path / f"data{suffix}"
    write_matrix(path, X, rows, columns)
    table = read_matrix(path)
    # the digits of a float32 are written, so reading them as float64 rounds back
    np.testing.assert_array_equal(np.asarray(table.X, dtype=dtype), X)
    if suffix == ".npy":
        rows = columns = None
    if columns is None and (suffix == ".parquet" or (rows and suffix != ".npz")):
        columns = ["0", "1", "2"]
    assert table.row_names == rows
    assert table.column_names == columns


@pytest.mark.parametrize("suffix", WRITTEN)
def test_the_same_matrix_gives_the_same_bytes(tmp_path, X, suffix):
    paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for path in paths:
        write_matrix(path, X, ROWS, COLUMNS)
    if suffix != ".npz":  # the time of writing may be in it
        assert paths[0].read_bytes() == paths[1].read_bytes()
    assert read_matrix(paths[0]).row_names == read_matrix(paths[1]).row_names


def test_npy_is_mapped_not_read(tmp_path, X):
    np.save(tmp_path / "x.npy", X)
    assert isinstance(read_matrix(tmp_path / "x.npy").X, np.memmap)


@pytest.mark.parametrize("name", ["csr", "csc", "coo", "bsr", "dia"])
def test_scipy_npz(tmp_path, X, name):
    X[X < 0.1] = 0
    sp.save_npz(tmp_path / "x.npz", sp.csr_array(X).asformat(name))
    table = read_matrix(tmp_path / "x.npz")
    assert table.X.format == ("csc" if name == "csc" else "csr")
    np.testing.assert_array_equal(table.X.toarray(), X)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("field", ["real", "integer", "pattern", "dense"])
def test_matrix_market(tmp_path, X, zipped, field):
    X = np.floor(X) if field == "integer" else X
    X[0, 0] = 0
    kept = X if field == "dense" else sp.coo_array(X)
    if field == "integer":
        kept = kept.astype(np.int64)
    kwargs = {} if field == "dense" else {"field": field}
    plain = tmp_path / "x.mtx"
    scipy.io.mmwrite(plain, kept, precision=17, **kwargs)
    path = plain
    if zipped:
        path = tmp_path / "y.mtx.gz"
        path.write_bytes(gzip.compress(plain.read_bytes()))
    found = read_matrix(path).X
    if field != "dense":
        assert found.format == "csr"
        found = found.toarray()
    np.testing.assert_array_equal(found, X > 0 if field == "pattern" else X)


TEXTS = {
    "plain": ("1,2\n3,4\n", None, None, [[1, 2], [3, 4]]),
    "header": ("a,b\n1,2\n3,4\n", None, ["a", "b"], [[1, 2], [3, 4]]),
    "header partly numbers": ("a,7\n1,2\n", None, ["a", "7"], [[1, 2]]),
    "corner": ("name,a\nx,1\ny,2\n", ["x", "y"], ["a"], [[1], [2]]),
    "empty corner": (",2001,2002\n0,1,2\n1,3,4\n", ["0", "1"], ["2001", "2002"],
                     [[1, 2], [3, 4]]),
    "short header": ("a,b\nx,1,2\n", ["x"], ["a", "b"], [[1, 2]]),
    "short header, numbers for names": ("a,b\n7,1,2\n", ["7"], ["a", "b"], [[1, 2]]),
    "one text above numbers": ("a,2\n1,2\n", None, ["a", "2"], [[1, 2]]),
    "one column": ("a\n1\n2\n", None, ["a"], [[1], [2]]),
    "one number": ("5\n", None, None, [[5]]),
    "names in quotes": ('"","a, b"\n"x\ny",1e3\n', ["x\ny"], ["a, b"], [[1000]]),
    "numbers in quotes": ('"1","2"\n"3","4"\n', None, None, [[1, 2], [3, 4]]),
    "empty lines, no last newline": ("\n1,2\n\n3,4", None, None, [[1, 2], [3, 4]]),
    "byte order mark": ("\ufeffa,b\n1,2\n", None, ["a", "b"], [[1, 2]]),
    "Windows lines": ("a,b\r\n1,2\r\n", None, ["a", "b"], [[1, 2]]),
    "spaces": ("1, 2\n 3,4 \n", None, None, [[1, 2], [3, 4]]),
}  # fmt: skip


@pytest.mark.parametrize("delimiter", [",", "\t"], ids=["csv", "tsv"])
@pytest.mark.parametrize(("text", "rows", "columns", "X"), TEXTS.values(), ids=TEXTS)
def test_text_layouts(tmp_path, text, rows, columns, X, delimiter):
    suffix = ".csv"
    if delimiter == "\t":
        suffix, text = ".tsv", text.replace(", b", "; b").replace(",", "\t")
        columns = columns and [name.replace(", b", "; b") for name in columns]
    path = tmp_path / f"x{suffix}"
    path.write_bytes(text.encode())
    table = read_matrix(path)
    assert table.row_names == rows
    assert table.column_names == columns
    np.testing.assert_array_equal(table.X, X)


@pytest.mark.parametrize(
    ("header", "row_names", "text", "shape"),
    [
        (False, None, "x,1,2\ny,3,4\n", (2, 2)),
        (True, None, "x,1,2\ny,3,4\n", (1, 2)),
        (True, False, "1,2\n3,4\n", (1, 2)),
        (False, True, "1,2\n3,4\n", (2, 1)),
        (True, True, "1,2\n3,4\n", (1, 1)),
    ],
)
def test_the_caller_decides(tmp_path, header, row_names, text, shape):
    path = tmp_path / "x.csv"
    path.write_text(text)
    table = read_matrix(path, header=header, row_names=row_names)
    assert table.X.shape == shape
    assert (table.column_names is not None) == header


@given(
    st.lists(
        st.lists(st.floats(0, 1e308), min_size=3, max_size=3), min_size=1, max_size=4
    )
)
def test_every_digit_of_a_text_file_counts(rows):
    import tempfile

    X = np.array(rows)
    with tempfile.TemporaryDirectory() as folder:
        write_matrix(f"{folder}/x.csv", X)
        np.testing.assert_array_equal(read_matrix(f"{folder}/x.csv").X, X)


BAD_TEXTS = {
    "text cell": ("a,b\n1,2\n3,x\n", "'x' in line 3, column 'b'"),
    "empty cell": ("1,2\n3,\n", "an empty cell in line 2, column 2"),
    "cell far below": ("1,2\n" * 200 + "1,oops\n", "'oops' in line 201, column 2"),
    "name far below": (
        "a,b\n" + "1,2\n" * 200 + "x,1\n",
        "'x' in line 202, column 'a'",
    ),
    "long row": ("1,2\n1,2,3\n", "3 cells in line 2, but 2"),
    "short row": ("a,b\n1,2\n1\n", "1 cells in line 3, but 2"),
    "bad header": ("a,b,c,d\n1,2\n", "4 cells in its header, but 2"),
    "empty": ("", "is empty"),
    "header only": ("a,b\n", "has a header, but no rows"),
    "texts alone": ("one\ntwo\n", "by `separator` (--separator)"),
    "may be a header": ("x,1,2\ny,3,4\n", "--no-header"),
    "thousands": ('s,x,y\na,"1,234",7\n', "'1,234' in line 2, column 'x'"),
    "thousands in every row": ('"1,234","5,678"\n' * 2, "in line 1"),
    "thousands in the first cell": ('"1,234",7\n3,4\n', "'1,234' in line 1"),
    "thousands in the first row": ('a,"1,234",7\nb,3,4\n', "'1,234' in line 1"),
    "quoted thousands below": ("1,2\n" * 200 + '1,"2,345"\n', "'2,345' in line 201"),
    "decimal underscore": ("1,1_0\n2,3\n2,4_0\n", "4_0"),
}


@pytest.mark.parametrize(("text", "message"), BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_bad_text_is_named(tmp_path, text, message):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"x\.csv") as caught:
        read_matrix(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_in_quotes(tmp_path):
    (tmp_path / "x.csv").write_text('a,b\n"1","2\n"\n" 3 ","4e1"\n')
    np.testing.assert_array_equal(read_matrix(tmp_path / "x.csv").X, [[1, 2], [3, 40]])


class Runs:
    """Would run code when unpickled."""

    def __reduce__(self):
        return (os.mkdir, ("unpickled",))


def test_pickles_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bad = np.empty((1, 1), dtype=object)
    bad[0, 0] = Runs()
    np.save("x.npy", bad, allow_pickle=True)
    (tmp_path / "y.npy").write_bytes(pickle.dumps(Runs()))
    np.savez("z.npz", X=bad)
    for name in ("x.npy", "y.npy", "z.npz"):
        with pytest.raises(ValueError, match=name):
            read_matrix(name)
    assert not (tmp_path / "unpickled").exists()


OTHER = {
    "1-d": (".npy", lambda f: np.save(f, np.ones(3)), "1 dimensions"),
    "complex": (".npy", lambda f: np.save(f, np.ones((2, 2), complex)), "complex128"),
    "texts": (".npy", lambda f: np.save(f, np.array([["a"]])), "real numbers"),
    "two": (".npz", lambda f: np.savez(f, A=np.eye(2), B=np.eye(2)), "2 arrays (A, B)"),
    "model": (".npz", lambda f: np.savez(f, header=1, components_=2), "is a model"),
    "names": (".npz", lambda f: np.savez(f, X=np.eye(2), row_names=["a"]),
              "2 rows, but 1 row names"),
    "complex mtx": (".mtx", lambda f: scipy.io.mmwrite(f, np.eye(2) * 1j), "complex128"),
}  # fmt: skip


@pytest.mark.parametrize(("suffix", "write", "message"), OTHER.values(), ids=OTHER)
def test_other_contents_are_refused(tmp_path, suffix, write, message):
    path = tmp_path / f"x{suffix}"
    with path.open("wb") as file:
        write(file)
    with pytest.raises(ValueError, match=r"x\.") as caught:
        read_matrix(path)
    assert message in str(caught.value)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".mtx", ".mtx.gz", ".parquet",
                                    ".csv.gz", ".tsv.gz"])  # fmt: skip
@pytest.mark.parametrize("damage", ["junk", "cut", "empty"])
def test_damaged_files(tmp_path, X, suffix, damage):
    path = tmp_path / f"x{suffix}"
    if ".mtx" in suffix:
        scipy.io.mmwrite(tmp_path / "x.mtx", sp.coo_array(X))
        whole = (tmp_path / "x.mtx").read_bytes()
        whole = gzip.compress(whole) if suffix.endswith("gz") else whole
    else:
        write_matrix(path, X, ROWS, COLUMNS)
        whole = path.read_bytes()
    path.write_bytes(
        {"junk": b"\x01junk\xff" * 9, "cut": whole[:-60], "empty": b""}[damage]
    )
    with pytest.raises(ValueError, match=r"x\.") as caught:
        read_matrix(path)
    assert "\n" not in str(caught.value)


def test_parquet_of_pandas_and_its_index(tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}, index=[10, 20])
    frame.to_parquet(tmp_path / "x.parquet")
    table = read_matrix(tmp_path / "x.parquet")
    assert table.row_names == ["10", "20"]
    assert table.column_names == ["a", "b"]
    np.testing.assert_array_equal(table.X, frame)
    frame.reset_index(drop=True).to_parquet(tmp_path / "y.parquet")
    assert read_matrix(tmp_path / "y.parquet").row_names is None
    frame.astype(np.float32).astype({"a": "int8"}).to_parquet(tmp_path / "z.parquet")
    assert read_matrix(tmp_path / "z.parquet").X.dtype == np.float32


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1.0, None]}, "no value in row 1 (counted from 0), column 'a'"),
        ({"a": [1.0], "b": ["x"]}, "string in column 'b'"),
        ({"a": ["x"]}, "no column of numbers"),
    ],
)
def test_bad_parquet(tmp_path, columns, message):
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=r"x\.parquet") as caught:
        read_matrix(tmp_path / "x.parquet")
    assert message in str(caught.value)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    (tmp_path / "x.parquet").touch()
    for act in (read_matrix, lambda path: write_matrix(path, np.eye(2))):
        with pytest.raises(ImportError, match=r"pip install 'nonneg\[io\]'"):
            act(tmp_path / "x.parquet")
    assert (tmp_path / "x.parquet").read_bytes() == b""


def test_missing_file_and_unknown_suffix(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such file"):
        read_matrix(tmp_path / "none.npy")
    with pytest.raises(ValueError, match=r"known suffixes are .npy, .npz, .mtx"):
        read_matrix(tmp_path / "x.xlsx")
    with pytest.raises(ValueError, match=r"end it in one of .npy"):
        write_matrix(tmp_path / "x.mat", np.eye(2))


class TestReplacing:
    def test_an_error_leaves_what_was_there(self, tmp_path):
        path = tmp_path / "x"
        path.write_text("old")

        def interrupted():
            with replace_file(path) as file:
                file.write(b"new")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert path.read_text() == "old"
        assert os.listdir(tmp_path) == ["x"]

    def test_links_and_modes_are_kept(self, tmp_path):
        path, link = tmp_path / "x", tmp_path / "link"
        path.touch(0o640)
        path.chmod(0o640)
        link.symlink_to(path)
        with replace_file(link) as file:
            file.write(b"new")
        assert link.is_symlink()
        assert path.read_text() == "new"
        assert stat.S_IMODE(path.stat().st_mode) == 0o640

    def test_a_new_file_is_as_open_makes_it(self, tmp_path):
        (tmp_path / "plain").touch()
        with replace_file(tmp_path / "x"):
            pass
        assert (tmp_path / "x").stat().st_mode == (tmp_path / "plain").stat().st_mode

    def test_a_device_is_written_to_not_replaced(self):
        with replace_file(os.devnull) as file:
            file.write(b"gone")
        assert stat.S_ISCHR(os.stat(os.devnull).st_mode)

    def test_a_missing_folder_is_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="No such folder"):
            replace_file(tmp_path / "none" / "x").__enter__()
