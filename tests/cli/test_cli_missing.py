"""Missing values in the shell: how they are read, fitted, told and filled."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import NMF, load
from nonneg.cli.main import main
from nonneg.io import read_matrix
from support.gaps import incomplete

K = ["-k", "3", "--solver", "hals", "--init", "random", "--seed", "0"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_text(path, X, V, gap="", names=False):
    rows = [
        ",".join(repr(float(x)) if v else gap for x, v in zip(*pair, strict=True))
        for pair in zip(X, V, strict=True)
    ]
    if names:
        header = ",".join(["", *(f"c{j}" for j in range(X.shape[1]))])
        rows = [header, *(f"r{i},{row}" for i, row in enumerate(rows))]
    path.write_text("\n".join(rows) + "\n")


def run(*arguments):
    assert main([str(a) for a in arguments]) == 0


def expected(X, V, **options):
    return NMF(3, solver="hals", init="random", random_state=0, missing_values=np.nan,
               **options).fit(np.where(V, X, np.nan))  # fmt: skip


@pytest.mark.parametrize("gap", ["", "NA", " nan ", "null"])
@pytest.mark.parametrize("names", [False, True])
def test_empty_cells_of_text_files(folder, gap, names, capsys):
    X, V = incomplete()
    V[0, 1:4] = False  # in the first row, which decides on the header
    write_text(folder / "x.csv", X, V, gap, names)
    run("fit", "x.csv", *K, "--missing", "nan", "-o", "m.nonneg")
    model = load("m.nonneg")
    np.testing.assert_array_equal(model.components_, expected(X, V).components_)
    assert model.n_observed_ == V.sum()
    assert f"{V.sum():,} entries observed" in capsys.readouterr().out
    if names:
        assert list(model.feature_names_in_) == [f"c{j}" for j in range(X.shape[1])]


def test_without_the_option_they_are_refused(folder, capsys):
    X, V = incomplete()
    V[3, 4] = False
    write_text(folder / "x.csv", X, V)
    assert main(["fit", "x.csv", *K, "-o", "m.nonneg"]) == 2
    assert "--missing nan" in capsys.readouterr().err


def test_unstored_and_zero(folder, capsys):
    X, V = incomplete()
    from scipy.io import mmwrite

    stored = sp.coo_array((X[V] + 1, np.nonzero(V)), shape=X.shape)
    mmwrite(folder / "x.mtx", stored)
    run("fit", "x.mtx", *K, "--missing", "unstored", "-o", "a.nonneg", "--json")
    assert json.loads(capsys.readouterr().out)["n_observed"] == V.sum()
    np.save(folder / "x.npy", stored.toarray())
    run("fit", "x.npy", *K, "--missing", "zero", "-o", "b.nonneg")
    first, second = load("a.nonneg"), load("b.nonneg")
    assert first.missing_values == "unstored"
    assert second.missing_values == 0
    assert first.n_observed_ == second.n_observed_ == V.sum()
    ends = [first.reconstruction_err_, second.reconstruction_err_]
    assert max(ends) < 0.1 * np.linalg.norm(stored.data)


def test_nulls_of_parquet_files(folder):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    X, V = incomplete()
    frame = pandas.DataFrame(
        np.where(V, X, np.nan), columns=[f"c{j}" for j in range(23)]
    )
    frame.convert_dtypes().to_parquet(folder / "x.parquet")
    run("fit", "x.parquet", *K, "--missing", "nan", "-o", "m.nonneg")
    assert load("m.nonneg").n_observed_ == V.sum()


@pytest.mark.parametrize("suffix", [".npy", ".txt"])
def test_sample_weight(folder, suffix, capsys):
    X, V = incomplete()
    r = np.random.default_rng(0).uniform(0.5, 2, len(X))
    np.save(folder / "x.npy", np.where(V, X, np.nan))
    if suffix == ".npy":
        np.save(folder / "w.npy", r)
    else:
        np.savetxt(folder / "w.txt", r, fmt="%.17g")
    weights = ["--missing", "nan", "--sample-weight", f"w{suffix}"]
    run("fit", "x.npy", *K, *weights, "-o", "m.nonneg")
    options = {"solver": "hals", "init": "random", "random_state": 0}
    direct = NMF(3, missing_values=np.nan, **options)
    direct.fit(np.where(V, X, np.nan), sample_weight=r)
    np.testing.assert_allclose(
        load("m.nonneg").components_, direct.components_, rtol=1e-9
    )  # a file is imputed window by window, an array inside the pass
    assert "‖X‖" not in capsys.readouterr().out.replace("‖X − WH‖", "")


@pytest.mark.parametrize("text", ["1\n2\n", "1 2\n3 x\n", ""])
def test_weights_that_are_none(folder, text, capsys):
    X, _ = incomplete()
    np.save(folder / "x.npy", X)
    (folder / "w.txt").write_text(text)
    code = main(["fit", "x.npy", *K, "--sample-weight", "w.txt", "-o", "m.nonneg"])
    assert code == 2
    assert "w.txt" in capsys.readouterr().err
    assert not (folder / "m.nonneg").exists()


@pytest.mark.parametrize("missing", ["nan", "zero", "unstored"])
def test_impute(folder, missing, capsys):
    X, V = incomplete()
    X = X + 0.5
    if missing == "unstored":
        stored = sp.csr_array((X[V], np.nonzero(V)), shape=X.shape)
        sp.save_npz(folder / "x.npz", stored)
        data = "x.npz"
    else:
        np.save(folder / "x.npy", np.where(V, X, np.nan if missing == "nan" else 0))
        data = "x.npy"
    run("fit", data, *K, "--missing", missing, "-o", "m.nonneg")
    capsys.readouterr()
    run("impute", "m.nonneg", data, "-o", "full.csv")
    assert f"{(~V).sum():,} entries filled" in capsys.readouterr().out
    filled = read_matrix(folder / "full.csv", header=False, row_names=False).X
    np.testing.assert_array_equal(filled[V], X[V])
    model = load("m.nonneg")
    W = model.transform(read_matrix(data).X)
    np.testing.assert_allclose(filled[~V], (W @ model.components_)[~V])
    run("impute", "m.nonneg", data, "-o", "full.npy", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["n_filled"] == (~V).sum()


def test_impute_by_a_model_of_whole_data(folder):
    X, V = incomplete()
    np.save(folder / "x.npy", X)
    write_text(folder / "new.csv", X[:5], V[:5], names=True)
    run("fit", "x.npy", *K, "-o", "m.nonneg", "-q")
    run("impute", "m.nonneg", "new.csv", "-o", "full.csv", "-q")
    table = read_matrix(folder / "full.csv")
    assert table.row_names == [f"r{i}" for i in range(5)]
    np.testing.assert_array_equal(table.X[V[:5]], X[:5][V[:5]])


def test_info_tells_what_was_observed(folder, capsys):
    X, V = incomplete()
    np.save(folder / "x.npy", np.where(V, X, np.nan))
    run("fit", "x.npy", *K, "--missing", "nan", "-o", "m.nonneg", "-q")
    run("info", "m.nonneg")
    printed = capsys.readouterr().out
    assert (
        f"{V.sum():,} entries observed, {100 * V.mean():.3g} % of the matrix" in printed
    )
    assert "missing_values=nan" in printed
    run("info", "m.nonneg", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["n_observed"] == V.sum()
    assert told["params"]["missing_values"] == "nan"
