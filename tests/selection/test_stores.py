"""Rank selection on stores: the folds are read window by window where X has no room."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import NMFCV, select_rank
from nonneg.fitting import plan_choices
from nonneg.fitting.preparation import prepare_X
from nonneg.selection.latin import LatinPartition
from nonneg.selection.windows import WindowedPartition

LIMIT = "42 MB"


def counts(density=1.0):
    rng = np.random.default_rng(0)
    Y = rng.gamma(0.6, size=(20000, 3)) @ rng.gamma(0.6, size=(3, 90))
    X = rng.poisson(Y * 30 / Y.mean()).astype(float)
    return X * (rng.random(X.shape) < density)


def mapped(X, folder):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


def csr_folder(X, folder):
    rows = sp.csr_array(X)
    for name in ("data", "indices", "indptr"):
        np.save(folder / f"{name}.npy", getattr(rows, name))
    np.save(folder / "shape.npy", np.array(X.shape))
    return folder


@pytest.mark.parametrize("store", [mapped, csr_folder])
def test_windows_give_the_table_of_an_X_in_memory(tmp_path, store, monkeypatch):
    # only folds of an X in memory may be in float32
    monkeypatch.setattr(plan_choices, "SINGLE_WORK", np.inf)
    X = counts(1.0 if store is mapped else 0.9)
    stored = store(X, tmp_path)
    in_memory = sp.csr_array(X) if store is csr_folder else X
    options = {"random_state": 0, "max_iter": 3, "folds": 2}
    expected = select_rank(in_memory, [2, 3], **options)
    read = select_rank(stored, [2, 3], memory_limit=LIMIT, **options)
    np.testing.assert_allclose(read.errors, expected.errors, rtol=1e-9)
    np.testing.assert_allclose(read.null_errors, expected.null_errors, rtol=1e-12)
    np.testing.assert_allclose(read.table["train"], expected.table["train"], rtol=1e-9)
    # the same bits for any number of threads
    again = select_rank(stored, [2, 3], memory_limit=LIMIT, n_threads=3, **options)
    assert np.array_equal(again.errors, read.errors)
    # what needs X in memory says so
    with pytest.raises(ValueError, match="which reads windows of it"):
        select_rank(stored, [2, 3], memory_limit=LIMIT, method="bcv")


def test_windows_hold_the_rows_of_each_class(tmp_path):
    X = counts()
    with h5py.File(tmp_path / "X.h5", "w") as file:
        file["X"] = X
        operand = prepare_X(file["X"], 1).configured(window_bytes=1 << 20)
        windows, whole = (
            kind(A, 5, np.random.RandomState(1))
            for kind, A in (
                (WindowedPartition, operand),
                (LatinPartition, prepare_X(X, 1)),
            )
        )
        seen = np.zeros(len(X), dtype=int)
        for start, bounds, part in windows.fitted(2):
            seen[start : start + part.shape[0]] += 1
            assert bounds[0] == 0
            assert bounds[-1] == part.shape[0]
            assert np.all(np.diff(bounds) >= 0)
        assert np.all(seen == 1)
        assert len(list(windows.fitted(2))) > 1
    np.testing.assert_allclose(windows.sums, whole.sums, rtol=1e-12)
    np.testing.assert_allclose(windows.squares, whole.squares, rtol=1e-12)
    # the rows of a start go with the rows of X that they go with in memory
    marks = X.sum(axis=1)[whole.rows.order]
    ordered = windows.in_order(marks[:, None])[:, 0]
    assert not np.array_equal(ordered, marks)
    assert np.array_equal(np.sort(ordered), np.sort(marks))


def test_the_estimator_reads_windows(tmp_path):
    options = {"random_state": 0, "folds": 2, "cv_max_iter": 3, "max_iter": 3, "tol": 0}
    stored = mapped(counts(), tmp_path)
    model = NMFCV([2, 3], memory_limit=LIMIT, **options).fit(stored)
    assert model.components_.shape == (model.n_components_, 90)
