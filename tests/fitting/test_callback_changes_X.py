"""A callback that changes the matrix that is fitted: refused at its line, or of no effect."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import NMF, MiniBatchNMF
from nonneg.solvers.registry import solvers
from support.combinations import covering

SHAPE = (60, 40)
pytestmark = pytest.mark.filterwarnings("ignore:Iteration limit:UserWarning")


def matrix(storage):
    return sp.random(*SHAPE, 0.3, format=storage, random_state=0)


def model(solver, **options):
    options |= {"random_state": 0, "max_iter": 4, "tol": 0}
    if solver == "batches":
        return MiniBatchNMF(3, init="random", batch_size=20, **options)
    poisson = "poisson" in solvers[solver].requires
    loss = "kullback-leibler" if poisson else "frobenius"
    return NMF(3, "random", solver, beta_loss=loss, **options)


def far_index(X):
    X.indices[:] = 2**30


def negative_index(X):
    X.indices[3] = -5


def far_pointer(X):
    X.indptr[-1] = 2**30


def falling_pointer(X):
    X.indptr[5] = -(2**30)


def through_a_base(X):
    base = X.indices if X.indices.base is None else X.indices.base
    base[...] = 2**30


def shrunk(X):
    X.data, X.indices = X.data[:3], X.indices[:3]


def replaced(X):
    X.data, X.indices = np.ones(3), np.full(3, 2**30, np.int32)
    X.indptr = np.zeros(3, np.int32)


def smaller(X):
    X.resize((10, 10))


WRITES = [far_index, negative_index, far_pointer, falling_pointer, through_a_base]
REPLACEMENTS = [shrunk, replaced]
SOLVERS = [*solvers, "batches"]


@pytest.mark.parametrize(
    ("solver", "storage", "change"),
    covering(SOLVERS, ["csr", "csc"], WRITES),
)
def test_structure_can_not_be_written_to(solver, storage, change):
    X = matrix(storage)
    before = X.copy()
    with pytest.raises(ValueError, match="read-only"):
        model(solver, callback=lambda iteration: change(X)).fit(X)
    # afterwards it is the caller's again
    assert X.indices.flags.writeable
    assert X.indptr.flags.writeable
    assert X.shape == SHAPE
    np.testing.assert_array_equal(X.indices, before.indices)
    X.indices[:] = X.indices.copy()


@pytest.mark.parametrize(
    ("solver", "storage", "change"), covering(SOLVERS, ["csr", "csc"], REPLACEMENTS)
)
def test_other_arrays_in_the_callers_matrix_change_nothing(solver, storage, change):
    expected = model(solver).fit(matrix(storage))
    X = matrix(storage)
    fitted = model(solver, callback=lambda iteration: change(X)).fit(X)
    np.testing.assert_array_equal(fitted.components_, expected.components_)
    assert fitted.reconstruction_err_ == expected.reconstruction_err_


@pytest.mark.parametrize(
    ("solver", "storage"), covering(["cd", "sn", "hals"], ["csr", "csc"])
)
def test_unpickled_arrays_stay_the_callers(solver, storage):
    """NumPy can't lock them for a while: their memory is that of bytes."""
    expected = model(solver).fit(matrix(storage))
    X = pickle.loads(pickle.dumps(matrix(storage)))
    fitted = model(solver, callback=lambda iteration: far_index(X)).fit(X)
    np.testing.assert_array_equal(fitted.components_, expected.components_)
    assert X.indices.flags.writeable


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["cd", "hals", "mu"])
def test_values_that_become_nan_are_not_a_perfect_fit(solver):
    X = matrix("csr")

    def callback(iteration):
        X.data[:] = np.nan

    with np.errstate(all="ignore"):
        fitted = model(solver, callback=callback).fit(X)
    assert np.isnan(fitted.reconstruction_err_)


@pytest.mark.parametrize("storage", ["csr", "csc"])
def test_a_matrix_that_is_resized_is_refused_or_of_no_effect(storage):
    X = matrix(storage)
    with pytest.raises(ValueError, match="read-only"):
        model("hals", callback=lambda iteration: smaller(X)).fit(X)
