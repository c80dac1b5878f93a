"""Rows that are drawn from X: they are X[rows] times numbers, in memory that is used again."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import NMF, bootstrap, kernels
from nonneg.kernels import drawing
from nonneg.kernels.drawing import DrawnEntries
from nonneg.operands.registration import as_operand
from nonneg.selection import replicates
from nonneg.selection.drawn_rows import DrawnRows
from support.requirements import needs_core

N_ROWS, N_COLUMNS = 60, 90


def matrix(dtype, index=np.int32, seed=0):
    rng = np.random.default_rng(seed)
    A = rng.random((N_ROWS, N_COLUMNS)) * (rng.random((N_ROWS, N_COLUMNS)) < 0.15)
    A[7], A[:, [0, 30, 89]] = 0, 0
    A = sp.csr_array(A.astype(dtype))
    A.indices, A.indptr = A.indices.astype(index), A.indptr.astype(index)
    return A


def draws(dtype, seed=1):
    """Rows and numbers: some, all, the empty one alone, and none."""
    rng = np.random.default_rng(seed)
    some = [np.flatnonzero(rng.random(N_ROWS) < share) for share in (0.6, 0.2, 0.7)]
    for rows in (*some, np.arange(N_ROWS), np.array([7]), np.arange(0)):
        yield rows, rng.random(len(rows)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("storage", ["dense", "csr", "csc"])
def test_draws_are_rows_times_numbers(storage, index, dtype):
    A = matrix(dtype, index)
    X = as_operand(A.toarray() if storage == "dense" else A)
    draw = DrawnRows(X, by_columns=storage == "csc")
    for rows, scale in draws(dtype):
        drawn = draw(rows, scale)
        expected = A.toarray()[rows] * scale[:, None]
        assert drawn.dtype == dtype
        assert drawn.shape == expected.shape
        if storage == "dense":
            np.testing.assert_array_equal(drawn, expected)
            continue
        assert drawn.format == storage
        assert drawn.indices.dtype == drawn.indptr.dtype == index
        np.testing.assert_array_equal(drawn.toarray(), expected)
        # as SciPy has them, entry by entry
        kept = A[rows].asformat(storage)
        kept.sort_indices()
        np.testing.assert_array_equal(drawn.indices, kept.indices)
        np.testing.assert_array_equal(drawn.indptr, kept.indptr)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_core_draws_what_the_reference_draws(dtype):
    A, At = matrix(dtype), matrix(dtype).T.tocsr()
    for rows, scale in draws(dtype):
        n = int(np.diff(A.indptr)[rows].sum())
        place, of_column = np.full(N_ROWS, -1), np.zeros(N_ROWS, dtype)
        place[rows], of_column[rows] = np.arange(len(rows)), scale
        results = []
        for module in (kernels, drawing):
            for name, X, numbers, by, lines in (
                ("draw_rows", A, rows, scale, len(rows)),
                ("draw_columns", At, place, of_column, N_COLUMNS),
            ):
                out = DrawnEntries(
                    np.empty(n, dtype),
                    np.empty(n, np.int32),
                    np.empty(lines + 1, np.int32),
                )
                getattr(module, name)(X, numbers, by, out)
                results.append(out)
        for a, b in zip(results[:2], results[2:], strict=True):
            for first, second in zip(a, b, strict=True):
                np.testing.assert_array_equal(first, second)


@needs_core  # the reference writes what NumPy lets it
def test_entries_without_room_are_refused():
    A = matrix(np.float64)
    all_rows = np.arange(N_ROWS)
    for call, X, lines in (
        (kernels.draw_rows, A, N_ROWS),
        (kernels.draw_columns, A.T.tocsr(), N_COLUMNS),
    ):
        values, indices = np.full(A.nnz, 7.0), np.full(A.nnz, 7, np.int32)
        n = A.nnz - 1
        out = DrawnEntries(values[:n], indices[:n], np.zeros(lines + 1, np.int32))
        with pytest.raises(ValueError, match="no room"):
            call(X, all_rows, np.ones(N_ROWS), out)
        assert values[n] == indices[n] == 7


@pytest.mark.parametrize("by_columns", [False, True])
def test_each_thread_draws_into_memory_of_its_own(by_columns):
    A = matrix(np.float64)
    draw = DrawnRows(as_operand(A), by_columns)
    rows = np.arange(0, N_ROWS, 2)
    mine = draw(rows, np.ones(len(rows)))
    before = mine.toarray()
    other = threading.Thread(target=draw, args=(rows + 1, np.ones(len(rows))))
    other.start()
    other.join()
    np.testing.assert_array_equal(mine.toarray(), before)
    again = draw(rows, np.ones(len(rows)))
    assert np.shares_memory(mine.data, again.data)


@pytest.mark.parametrize("wide", [False, True])
def test_replicates_are_the_same_bits_for_any_number_of_threads(monkeypatch, wide):
    monkeypatch.setattr(replicates, "WIDE", 0 if wide else np.inf)
    monkeypatch.setattr(replicates, "FAR", 0)
    monkeypatch.setattr(replicates, "LONG", 0)
    rng = np.random.default_rng(3)
    rate = rng.gamma(0.5, size=(150, 3)) @ rng.gamma(0.5, size=(3, 80))
    X = sp.csr_array(rng.poisson(rate).astype(float))
    model = NMF(3, init="nndsvda", solver="hals", max_iter=500).fit(X)
    one, *others = (
        bootstrap(model, X, n_resamples=7, random_state=0, n_threads=n).replicates
        for n in (1, 2, 5)
    )
    for other in others:
        np.testing.assert_array_equal(one, other)
