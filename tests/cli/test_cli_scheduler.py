"""The command line's --scheduler: stores that the workers of a cluster read themselves."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from typer.testing import CliRunner

from nonneg import NMF
from nonneg.cli import dask_client
from nonneg.cli.commands import app
from nonneg.io.model_files import load
from nonneg.stores.dask_array import as_dask
from support import stored

pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_model_is_that_of_one_machine(tmp_path, cluster):
    X = stored.dense()
    stored.h5_chunked(tmp_path, X).file.close()
    done = run(
        "fit", "x.h5::/g/X", "-k", 3, "-o", "model", "--max-iter", 20,
        "--solver", "hals", "--save-w", "w.npy", "--scheduler", cluster.scheduler_address,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    model = NMF(3, solver="hals", max_iter=20, random_state=0)
    W = model.fit_transform(X)
    np.testing.assert_allclose(load("model").components_, model.components_, atol=1e-8)
    np.testing.assert_allclose(np.load("w.npy"), W, atol=1e-8)


@pytest.mark.parametrize(
    ("write", "name", "sparse"),
    [
        (stored.h5_chunked, "x.h5::/g/X", False), (stored.h5_10x, "x.h5", True),
        (stored.backed, "x.h5ad", True), (stored.zarr_chunked, "x.zarr", False),
        (stored.parquet_folder, "x", False), (stored.npy_folder, "csr", True),
    ],
    ids=["h5", "10x", "h5ad", "zarr", "parquet", "csr"],
)  # fmt: skip
def test_a_store_as_a_dask_array(tmp_path, write, name, sparse):
    X = stored.sparse() if sparse else stored.dense()
    made = write(tmp_path, X)
    if hasattr(made, "file") and "h5" in name:
        made.file.close()
    D = as_dask(name, least_blocks=4)
    assert D.shape == X.shape
    assert D.numblocks[0] > 1
    rows = [block.compute(scheduler="sync") for block in D.to_delayed().ravel()]
    if sparse:
        assert all(sp.issparse(block) for block in rows)
        rows = [block.toarray() for block in rows]
        X = X.toarray()
    np.testing.assert_array_equal(np.concatenate(rows), X)


def test_an_array_file_as_a_dask_array():
    X = stored.dense()
    np.save("x.npy", X)
    D = as_dask("x.npy", block_bytes=1)
    assert D.numblocks == (X.shape[0], 1)
    np.testing.assert_array_equal(D.compute(scheduler="sync"), X)


def test_what_cannot_be_is_told_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(dask_client, "PATIENCE", 0.5)
    stored.market(tmp_path, stored.sparse())
    with pytest.raises(ValueError, match="can't be read from the middle"):
        as_dask("x.mtx")
    np.save("x.npy", stored.dense())
    done = run("fit", "x.npy", "-k", 2, "-o", "m", "--scheduler", "tcp://127.0.0.1:9")
    assert done.exit_code == 2
    assert "No Dask scheduler answers at 'tcp://127.0.0.1:9'" in done.output
    assert "Traceback" not in done.output
