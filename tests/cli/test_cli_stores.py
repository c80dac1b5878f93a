"""The command line on stores: names of files and places in them, whole or in parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from typer.testing import CliRunner

from nonneg import NMF
from nonneg.base.memory_size import parse_size
from nonneg.cli import inputs
from nonneg.cli.commands import app
from nonneg.cli.inputs import measure_free_memory, open_matrix
from nonneg.io.model_files import load
from nonneg.io.readers import read_matrix
from nonneg.stores.locations import parse_location
from support import stored

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def ok(*arguments):
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    return done


def expected(X):
    return NMF(3, max_iter=20, random_state=0).fit(X)


# how it is written, what it is called, whether it is sparse
NAMES = {
    "h5": (stored.h5_chunked, "x.h5::/g/X", False),
    "h5 without a path": (stored.h5_contiguous, "x.h5", False),
    "10x": (stored.h5_10x, "x.h5", True),
    "layer": (stored.h5_group, "x.h5::layers/counts", True),
    "h5ad": (stored.backed, "x.h5ad", True),
    "h5ad dense": (stored.backed, "x.h5ad::X", False),
    "zarr": (stored.zarr_chunked, "x.zarr", False),
    "zarr group": (stored.zarr_group, "x.zarr::/X", True),
    "zarr root": (stored.zarr_group, "x.zarr", True),
    "parquet": (stored.parquet_file, "x.parquet", False),
    "parquet folder": (stored.parquet_folder, "x", False),
    "csr folder": (stored.npy_folder, "csr", True),
    "mtx": (stored.market, "x.mtx", True),
}


@pytest.fixture(params=["whole", "in parts"])
def how(request, monkeypatch):
    """Memory for all of X, or for none."""
    free = 1 << 30 if request.param == "whole" else 100
    monkeypatch.setattr(inputs, "measure_free_memory", lambda: free)
    return request.param


@pytest.mark.parametrize(("write", "name", "sparse"), NAMES.values(), ids=NAMES)
def test_the_model_is_that_of_the_library(tmp_path, write, name, sparse, how):
    X = stored.sparse() if sparse else stored.dense()
    made = write(tmp_path, X)
    if hasattr(made, "file") and "h5" in name:
        made.file.close()
    ok("fit", name, "-k", 3, "-o", "model", "--max-iter", 20, "--save-w", "w.npz")
    model = load("model")
    np.testing.assert_array_equal(model.components_, expected(X).components_)
    W = ok("transform", "model", name, "-o", "t.npy")
    assert "53 × 3 matrix W" in W.stdout
    np.testing.assert_array_equal(np.load("t.npy"), expected(X).transform(X))
    in_parts = getattr(open_matrix(Path(name)).X, "in_parts", False)
    assert in_parts == (how == "in parts")


def test_names_of_rows_and_features(tmp_path, how):
    stored.h5_10x(tmp_path, stored.sparse()).close()
    ok("fit", "x.h5", "-k", 3, "-o", "model", "--save-w", "w.csv")
    names = [f"gene {j}" for j in range(7)]
    assert load("model").feature_names_in_.tolist() == names
    assert read_matrix("w.csv").row_names == ["c"] * 53
    stored.backed(tmp_path, stored.sparse()).file.close()
    ok("fit", "x.h5ad", "-k", 3, "-o", "model", "--save-w", "w.csv")
    assert read_matrix("w.csv").row_names == [str(i) for i in range(53)]


def test_a_limit_holds_for_the_whole_fit(tmp_path):
    """One that X fits into is taken; one that the factors exceed is refused at once."""
    stored.h5_contiguous(tmp_path, stored.dense()).file.close()
    ok("fit", "x.h5", "-k", 3, "-o", "model", "--memory-limit", "100MB")
    assert load("model").memory_limit == "100MB"
    ok("transform", "model", "x.h5", "-o", "w.npy", "--memory-limit", "1 GB")
    for command in (["fit", "x.h5", "-k", 3, "-o", "m"],
                    ["transform", "model", "x.h5", "-o", "w.npy"]):  # fmt: skip
        done = run(*command, "--memory-limit", "1kB")
        assert done.exit_code == 2
        assert "is too small: with 3 components" in done.stderr


def test_columns_in_another_order_need_all_of_X(tmp_path, monkeypatch):
    X = stored.dense()
    stored.parquet_file(tmp_path, X)
    ok("fit", "x.parquet", "-k", 3, "-o", "model")
    table = stored.table(X).select([f"f{j}" for j in range(6, -1, -1)])
    import pyarrow.parquet

    pyarrow.parquet.write_table(table, "y.parquet")
    for name in "xy":
        ok("transform", "model", f"{name}.parquet", "-o", f"{name}.npy")
    np.testing.assert_array_equal(np.load("x.npy"), np.load("y.npy"))
    monkeypatch.setattr(inputs, "measure_free_memory", lambda: 100)
    done = run("transform", "model", "y.parquet", "-o", "z.npy")
    assert done.exit_code == 2
    assert "Raise --memory-limit" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.h5"], "No such file: 'none.h5'"),
        (["none.zarr::/X"], "No such file: 'none.zarr'"),
        (["x.h5::/none"], "'x.h5' has nothing at '/none'; its members are 'layers'"),
        (["x.h5::/layers"], "is no matrix; it has"),
        (["x.mtx::/X"], "'x.mtx' has no paths inside; only HDF5 files and zarr"),
        (["junk.h5"], "'junk.h5' can't be opened"),
        (["x.h5::/layers/counts", "--memory-limit", "2 apples"], "'memory_limit' parameter of NMF must be"),
    ],
)  # fmt: skip
def test_what_is_refused_in_one_line(tmp_path, arguments, message):
    group = stored.h5_group(tmp_path, stored.sparse())
    group.parent.create_group("more")
    group.file.close()
    stored.market(tmp_path, stored.sparse())
    (tmp_path / "junk.h5").write_bytes(b"junk")
    done = run("fit", *arguments, "-k", 3, "-o", "model")
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "model").exists()


def test_a_solver_that_needs_all_of_X_says_so(tmp_path, monkeypatch):
    stored.h5_contiguous(tmp_path, stored.dense()).file.close()
    monkeypatch.setattr(inputs, "measure_free_memory", lambda: 100)
    done = run("fit", "x.h5", "-k", 3, "-o", "model", "--solver", "pg")
    assert done.exit_code == 2
    assert "'pg' needs X in memory" in done.stderr


def test_columns_on_disk_are_refused_or_converted(tmp_path):
    stored.h5_group(tmp_path, sp.csc_array(stored.dense())).file.close()
    fit = ["fit", "x.h5::layers/counts", "-k", 3, "-o", "model", "--max-iter", 20]
    ok(*fit)
    X = sp.csc_array(stored.dense())
    np.testing.assert_array_equal(load("model").components_, expected(X).components_)
    done = run(*fit, "--memory-limit", "1kB")
    assert done.exit_code == 2
    assert "by_rows" in done.stderr


def write_old(name, X):
    """A file as anndata wrote it before 0.7: tables of records, `raw.X`, h5sparse."""
    h5py = pytest.importorskip("h5py")
    genes = np.array([(f"g{j}".encode(), 1.0) for j in range(X.shape[1])],
                     dtype=[("index", "S8"), ("means", "f4")])  # fmt: skip
    cells = np.array(
        [(f"c{i}".encode(),) for i in range(X.shape[0])], [("index", "S8")]
    )
    with h5py.File(name, "w") as file:
        file["X"], file["obs"], file["var"] = X, cells, genes
        file["raw.var"] = np.array([(b"r" + g,) for g, _ in genes], [("index", "S8")])
        group = file.create_group("raw.X")
        rows = sp.csr_matrix(X)
        group.attrs["h5sparse_format"], group.attrs["h5sparse_shape"] = "csr", X.shape
        for part in ("data", "indices", "indptr"):
            group[part] = getattr(rows, part)


@pytest.mark.parametrize(
    ("inside", "prefix"),
    [("", "g"), ("::/X", "g"), ("::raw/X", "rg"), ("::raw.X", "rg")],
)
def test_names_in_old_files(inside, prefix):
    X = stored.dense()
    write_old("old.h5ad", X)
    ok("fit", f"old.h5ad{inside}", "-k", 3, "-o", "model", "--save-w", "w.csv")
    names = load("model").feature_names_in_.tolist()
    assert names == [f"{prefix}{j}" for j in range(X.shape[1])]
    rows = read_matrix("w.csv").row_names
    assert rows == [f"c{i}" for i in range(X.shape[0])]


@pytest.mark.parametrize("inside", ["X", "layers/counts", "raw/X", "mod/rna/X"])
def test_names_belong_to_their_matrix(inside):
    """The tables beside X, around the layers, in raw and in a modality of MuData."""
    anndata = pytest.importorskip("anndata")
    X = stored.dense()
    genes, cells = ([f"{c}{i}" for i in range(n)] for c, n in zip("gc", X.shape[::-1],
                                                                  strict=True))  # fmt: skip
    data = anndata.AnnData(X)
    data.var_names, data.obs_names = [f"raw{g}" for g in genes], cells
    raw = data.copy()
    data.var_names = genes
    data.raw = raw
    data.layers["counts"] = X
    name = "x.h5mu" if inside.startswith("mod") else "x.h5ad"
    if inside.startswith("mod"):
        h5py = pytest.importorskip("h5py")
        with h5py.File("x.h5mu", "w") as file:
            anndata.io.write_elem(file.create_group("mod"), "rna", data)
            file["mod/other/X"] = X
    else:
        data.write_h5ad("x.h5ad")
    table = open_matrix(Path(f"{name}::{inside}"), names_of_rows=True)
    np.testing.assert_array_equal(table.X, X)
    prefix = "raw" if inside == "raw/X" else ""
    assert table.column_names == [prefix + g for g in genes]
    assert table.row_names == cells


def test_a_file_without_X_names_the_matrices_in_it():
    h5py = pytest.importorskip("h5py")
    with h5py.File("nox.h5ad", "w") as file:
        file["layers/counts"] = stored.dense()
        file["obs/_index"] = ["a"]
    done = run("fit", "nox.h5ad", "-k", 3, "-o", "model")
    assert done.exit_code == 2
    assert "'NAME::/layers/counts'" in done.stderr
    ok("fit", "nox.h5ad::/layers/counts", "-k", 3, "-o", "model")


def test_columns_are_chosen_in_stores():
    write_old("old.h5ad", stored.dense())
    for name in ("old.h5ad", "old.h5ad::raw/X"):
        table = open_matrix(
            Path(name), drop=["g0,g2"] if name[-1] == "d" else ["rg0,rg2"]
        )
        assert table.X.shape[1] == stored.dense().shape[1] - 2
    options = ["--drop", "g0", "--memory-limit", "1kB"]
    done = run("fit", "old.h5ad", "-k", 3, "-o", "model", *options)
    assert "raise --memory-limit" in done.stderr


def test_the_input_is_not_written_over(tmp_path):
    stored.h5_group(tmp_path, stored.sparse()).file.close()
    done = run("fit", "x.h5::layers/counts", "-k", 3, "-o", "x.h5")
    assert done.exit_code == 2
    assert "is the input" in done.stderr


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch):
    import sys

    stored.zarr_chunked(tmp_path, stored.dense())
    monkeypatch.setitem(sys.modules, "zarr", None)
    done = run("fit", "x.zarr", "-k", 3, "-o", "model")
    assert "'x.zarr' needs zarr: pip install 'nonneg[io]'" in done.stderr


@pytest.mark.parametrize(
    ("text", "size"),
    [("2GB", 2 * 10**9), ("1.5 GiB", 3 << 29), ("500m", 5 * 10**8), ("7", 7), ("1kb", 1000),
     ("1KiB", 1024), (".5T", 5 * 10**11)],
)  # fmt: skip
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "0", "1 PB", "1GB2", "nan"])
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match="is no size"):
        parse_size(text)


def test_free_memory_is_less_than_all():
    import os

    assert (
        0
        < measure_free_memory()
        <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    )


def test_half_of_the_free_memory_is_the_limit(tmp_path, monkeypatch):
    stored.h5_contiguous(tmp_path, stored.dense()).file.close()
    size = 53 * 7 * 8
    for free, in_parts in ((2 * size, False), (2 * size - 1, True)):
        monkeypatch.setattr(inputs, "measure_free_memory", lambda free=free: free)
        X = open_matrix(Path("x.h5")).X
        assert getattr(X, "in_parts", False) == in_parts


@pytest.mark.parametrize(
    ("name", "path", "inside"),
    [("x.h5", "x.h5", None), ("x.h5::/a/b", "x.h5", "/a/b"), ("x.h5::a", "x.h5", "/a"),
     ("a::b.h5::/c", "a::b.h5", "/c"), ("x.h5::", "x.h5", "/"), ("odd::name", "odd::name", None)],
)  # fmt: skip
def test_names_of_places(tmp_path, name, path, inside):
    (tmp_path / "odd::name").touch()
    found = parse_location(name)
    assert (str(found.path), found.inside) == (path, inside)
