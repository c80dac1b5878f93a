"""The lists whose products the tests run over: storages, dtypes, losses, solvers.

Losses and solvers are read from the registries, so a new one is tested unedited;
`OPTIONS` adds further option sets for solvers that have some.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from nonneg import kernels
from nonneg.base.interfaces import Operand, Penalty, Problem
from nonneg.losses.registry import losses
from nonneg.operands.registration import as_operand
from nonneg.solvers.registry import make_solver, solvers

Array = NDArray[Any]
DTYPES = [np.float64, np.float32]
PASSES = ["installed", "reference"][: 1 if kernels.native is None else 2]
"""Kernels of the fixture `passes`; where those installed are the reference, they are one."""


def _non_contiguous(X: Array) -> Array:
    """Every second row and third column of a larger array: gaps along both axes."""
    big = np.full((2 * X.shape[0], 3 * X.shape[1]), np.nan, dtype=X.dtype)
    big[::2, ::3] = X
    return big[::2, ::3]


def _row_gaps(X: Array) -> Array:
    """Rows with room between them, as a slice of a wider array has."""
    wide = np.full((X.shape[0], X.shape[1] + 5), np.nan, dtype=X.dtype)
    wide[:, 2:-3] = X
    return wide[:, 2:-3]


def _negative_strides(X: Array) -> Array:
    return np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1]


def _negative_rows(X: Array) -> Array:
    return np.ascontiguousarray(X[::-1])[::-1]


def _read_only(X: Array) -> Array:
    X = X.copy()
    X.flags.writeable = False
    return X


def _memmap(X: Array) -> Array:
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file, X)
        file.flush()
        mapped = np.load(file.name, mmap_mode="r")
    assert isinstance(mapped, np.memmap)
    return mapped


def _int64_indices(X: Array) -> sp.csr_array:
    S = sp.csr_array(X)
    S.indices, S.indptr = S.indices.astype(np.int64), S.indptr.astype(np.int64)
    return S


def _unsorted(X: Array) -> sp.csr_array:
    """Entries of each row in reverse order of the columns."""
    S = sp.csr_array(X)
    for start, stop in zip(S.indptr[:-1], S.indptr[1:], strict=True):
        S.indices[start:stop] = S.indices[start:stop][::-1].copy()
        S.data[start:stop] = S.data[start:stop][::-1].copy()
    S.has_sorted_indices = False
    S.has_canonical_format = False
    return S


def _duplicates(X: Array) -> sp.csr_array:
    """Every entry stored as two halves at the same place."""
    S = sp.coo_array(X)
    rows, columns = (np.concatenate([index, index]) for index in S.coords)
    order = np.argsort(rows, kind="stable")
    data = np.concatenate([S.data, S.data])[order] / X.dtype.type(2)
    indptr = np.searchsorted(rows[order], np.arange(X.shape[0] + 1))
    return sp.csr_array((data, columns[order], indptr), shape=X.shape)


def _explicit_zeros(X: Array) -> sp.csr_array:
    """Zeros among the stored entries."""
    S = sp.csr_array(np.ones_like(X))
    S.data[:] = X.ravel()
    return S


STORAGES: dict[str, Callable[[Array], Any]] = {
    "dense-C": np.ascontiguousarray,
    "dense-F": np.asfortranarray,
    "dense-non-contiguous": _non_contiguous,
    "dense-row-gaps": _row_gaps,
    "dense-column-gaps": lambda X: _row_gaps(X.T).T,
    "dense-negative-strides": _negative_strides,
    "dense-negative-rows": _negative_rows,
    "dense-read-only": _read_only,
    "dense-memmap": _memmap,
    "csr-array": sp.csr_array,
    "csr-matrix": sp.csr_matrix,
    "csc-array": sp.csc_array,
    "csc-matrix": sp.csc_matrix,
    "coo": sp.coo_array,
    "lil": sp.lil_array,
    "csr-int64": _int64_indices,
    "csc-int64": lambda X: _int64_indices(np.ascontiguousarray(X.T)).T,
    "csr-unsorted": _unsorted,
    "csc-unsorted": lambda X: _unsorted(np.ascontiguousarray(X.T)).T,
    "csr-duplicates": _duplicates,
    "csr-explicit-zeros": _explicit_zeros,
}
"""A name to a function that stores a C-contiguous dense array that way."""

MAIN_STORAGES = ["dense-C", "dense-F", "csr-array", "csc-array"]
"""One storage for each path that a fit takes."""

LOSSES = list(losses)

OPTIONS: dict[str, list[dict[str, Any]]] = {
    "cd": [{}, {"shuffle": True}],
    "sn": [{}, {"sweeps": 1}],
    "pg": [{}, {"sparseness": "data"}, {"sparseness": "components"}],
}
"""Option sets to test a solver with; one without an entry runs with its defaults."""


@dataclass(frozen=True)
class SolverCase:
    """A solver with options, as a test parameter."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    def make(self, **more: Any) -> Any:
        return make_solver(self.name, **{**self.options, **more})

    @property
    def keeps_zeros(self) -> bool:
        """Whether its steps multiply: a factor neither leaves zero nor arrives there."""
        return solvers[self.name].positive_start

    def __str__(self) -> str:
        return "-".join([self.name, *(f"{k}={v}" for k, v in self.options.items())])


SOLVER_CASES = [
    SolverCase(name, options) for name in solvers for options in OPTIONS.get(name, [{}])
]


@cache
def is_finite_at_zeros(loss: str) -> bool:
    """Whether the loss accepts an X with zeros."""
    try:
        losses[loss]().require(as_operand(np.eye(2)))
    except ValueError:
        return False
    return True


def pairs(
    *, with_zeros: bool = False, quadratic: bool = False, to_zero: bool = False
) -> list[tuple[str, SolverCase]]:
    """Every loss with every solver that can minimise it, or those of a property.

    `with_zeros`: X may have zeros. `quadratic`: the loss is a quadratic function of a
    factor. `to_zero`: the solver's factors can become zero.
    """
    return [
        (loss, case)
        for loss in LOSSES
        for case in SOLVER_CASES
        if solvers[case.name].requires <= losses[loss].provides
        and not (with_zeros and not is_finite_at_zeros(loss))
        and not (quadratic and "quadratic" not in losses[loss].provides)
        and not (to_zero and case.keeps_zeros)
    ]


PAIRS = pairs()
"""Every loss with every solver that can minimise it."""


def data(
    n_samples: int = 23,
    n_features: int = 17,
    density: float = 0.4,
    dtype: Any = np.float64,
    seed: int = 0,
) -> Array:
    """Random non-negative X, dense in storage, with a share of zeros."""
    rng = np.random.default_rng(seed)
    X = rng.gamma(1.0, size=(n_samples, n_features))
    return (X * (rng.random(X.shape) < density)).astype(dtype)


def data_for(loss: str, *args: Any, **more: Any) -> Array:
    """Random non-negative X of entries that the loss can be used with."""
    X = data(*args, **more)
    return X if is_finite_at_zeros(loss) else X + X.dtype.type(0.1)


def factors(
    shape: tuple[int, int], k: int = 4, dtype: Any = np.float64, seed: int = 1
) -> tuple[Array, Array]:
    """Random positive start (W, Ht)."""
    rng = np.random.default_rng(seed)
    W, Ht = (rng.random((n, k)) + 0.05 for n in shape)
    return W.astype(dtype), Ht.astype(dtype)


def make_problem(
    X: Any,
    k: int = 4,
    loss: str = "frobenius",
    l1: float = 0.0,
    l2: float = 0.0,
    n_threads: int = 1,
    **more: Any,
) -> Problem:
    """Problem for X with the same penalty on both factors."""
    operand: Operand = as_operand(X, n_threads=n_threads)
    term = Penalty.elastic(k, l1, l2)
    return Problem(operand, losses[loss](), term, term, **more)


def counts(shape=(60, 40), k=4, seed=0):
    """Poisson counts of a product of sparse factors."""
    rng = np.random.default_rng(seed)
    W, H = rng.gamma(0.5, size=(shape[0], k)), rng.gamma(0.5, size=(k, shape[1]))
    return rng.poisson(4 * W @ H).astype(float)
