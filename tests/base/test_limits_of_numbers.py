"""Sizes at which 32-bit numbers end: counted in 64 bits, or refused in one sentence."""

from __future__ import annotations

import types

import numpy as np
import pytest

from nonneg import NMF, nnls
from nonneg.base.threads import MOST_THREADS
from nonneg.kernels import native
from nonneg.operands.streamed.prefetch import read_rows
from nonneg.stores.base import StoreBase
from support.requirements import needs_core

BEYOND = 2**31 + 64
"""Numbers from one row of a map to the next."""


@pytest.fixture(scope="module")
def strided(tmp_path_factory):
    """Three rows of a map that takes 52 GB of addresses and a few pages of disk."""
    path, shape = tmp_path_factory.mktemp("map") / "X.bin", (3, 60_000)
    dense = np.random.default_rng(0).random(shape)
    with path.open("wb") as file:
        for i, row in enumerate(dense):
            file.seek(8 * BEYOND * i)
            file.write(row.tobytes())
        file.truncate(8 * BEYOND * 3)
    whole = np.memmap(path, dtype=float, mode="r", shape=(3, BEYOND))
    return whole[:, : shape[1]], dense


@pytest.mark.parametrize("solver", ["cd", "hals", "mu", "sn", "irls"])
def test_rows_that_are_further_apart_than_an_int(solver, strided):
    X, dense = strided
    options = {"beta_loss": 1} if solver == "sn" else {}
    model = NMF(2, "random", solver, random_state=0, max_iter=5, tol=0, **options)
    far, near = model.fit_transform(X), model.fit_transform(dense)
    np.testing.assert_allclose(far, near, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n_threads", [2**15 + 1, 2**31, 2**63, 10**30])
def test_too_many_threads(n_threads):
    sentence = f"of at most {MOST_THREADS} or None; got {n_threads}"
    X = np.eye(3)
    for call in (
        lambda: NMF(2, n_threads=n_threads).fit(X),
        lambda: nnls(X, X, n_threads=n_threads),
    ):
        with pytest.raises(ValueError, match=sentence):
            call()


def test_as_many_threads_as_may_be_asked_for():
    """There is no scratch for threads that find no task."""
    X = np.random.default_rng(0).random((300, 200))
    model = NMF(3, random_state=0, max_iter=3, tol=0)
    expected = model.fit_transform(X)
    found = model.set_params(n_threads=MOST_THREADS).fit_transform(X)
    np.testing.assert_array_equal(found, expected)


@needs_core
def test_the_core_refuses_more_components_than_it_counts():
    with pytest.raises(ValueError, match="46340 components or unknowns at most"):
        native.binding("matmul_dense")(
            np.zeros((1, 1)), np.zeros((1, 46_341)), np.zeros((1, 46_341)), 1
        )


class Huge(StoreBase):
    """A store whose rows have more entries than an int32 counts."""

    sparse = True
    shape = (4, 3)

    def read(self, start, stop, out=None):
        indices = np.broadcast_to(np.int64(0), (2**31,))
        return types.SimpleNamespace(shape=(stop - start, 3), indices=indices)


def test_a_window_of_more_entries_than_an_int32_counts():
    with pytest.raises(OSError, match="have 2,147,483,648 entries in 3 columns"):
        read_rows(Huge(), 0, 4, None)
