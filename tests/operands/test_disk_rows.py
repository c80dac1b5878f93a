"""Rows of W on disk: the numbers of a fit in memory, little memory, and no file left."""

from __future__ import annotations

import errno
import os
import tempfile

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import NMF, kernels
from nonneg.kernels import RowArrays, factor_rows
from nonneg.kernels.factor_rows import as_dtype, copy_rows, empty_like
from nonneg.kernels.orthogonal import lower_factor, orthonormal, sign_of_largest
from nonneg.kernels.row_methods import Adaptive
from nonneg.operands.streamed import disk_rows
from nonneg.operands.streamed.disk_rows import (
    DiskRows,
    FactorFolder,
    folder_for,
    giving_back,
)
from nonneg.operands.streamed.operand import StreamedOperand
from nonneg.stores.base import find_store
from support.cases import data
from support.children import printed_by
from support.requirements import needs_core, needs_linux, needs_posix_files
from support.stored import large_file

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    needs_posix_files,
]
SOLVERS = ("cd", "hals", "bpp", "mu")


class Slices:
    """Rows of a matrix by slices alone, as any object may give them."""

    def __init__(self, X):
        self._X, self.shape, self.dtype = X, X.shape, X.dtype

    def __getitem__(self, rows):
        return self._X[rows]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where temporary files go; it has to be empty at the end."""
    path = tmp_path / "temporary"
    path.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    yield path
    assert not list(path.iterdir())


@pytest.fixture
def made(monkeypatch):
    """Shapes of the arrays that were made on disk."""
    shapes, make = [], FactorFolder.rows

    def noting(self, shape, dtype):
        shapes.append(shape)
        return make(self, shape, dtype)

    monkeypatch.setattr(FactorFolder, "rows", noting)
    return shapes


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of a few rows, and pages given back all the time."""
    monkeypatch.setattr(disk_rows, "PART_BYTES", 1000)


def store(kind, dtype=np.float64, n_rows=1500):
    X = data(n_rows, 12).astype(dtype)
    if kind == "sparse":
        X[np.median(X) > X] = 0
        return Slices(sp.csr_array(X))
    return Slices(X)


def windows(X):
    """Windows of a few hundred rows."""
    return StreamedOperand(find_store(X), 2, 1 << 14) if not sp.issparse(X[:1]) else X


def fitted(X, out=None, **options):
    given = {"init": "random", "max_iter": 12, "tol": 1e-9, "random_state": 0}
    model = NMF(3, **{**given, **options})
    W = model.fit_transform(X, out=out)
    return W, model


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"alpha_W": 1e-3, "alpha_H": 1e-3, "l1_ratio": 0.5},
        {"n_init": 2},
        {"init": "nndsvda"},
    ],
    ids=str,
)
@pytest.mark.usefixtures("folder", "small_parts")
def test_the_numbers_are_those_in_memory(kind, solver, options, made):
    X = windows(store(kind))
    W, there = fitted(X, solver=solver, **options)
    assert not made
    out = np.empty_like(W)
    got, model = fitted(X, out, solver=solver, **options)
    assert got is out
    assert made
    np.testing.assert_array_equal(out, W)
    np.testing.assert_array_equal(model.components_, there.components_)
    np.testing.assert_array_equal(
        model.history_["objective"], there.history_["objective"]
    )
    assert model.reconstruction_err_ == there.reconstruction_err_


@pytest.mark.parametrize("options", [{"beta_loss": 1}, {"accelerate": True}], ids=str)
@pytest.mark.usefixtures("folder", "small_parts")
def test_other_forms_of_mu(options, made):
    X = store("dense", np.float32)
    W, _ = fitted(X, solver="mu", tol=1e-3, max_iter=60, **options)
    out, _ = fitted(X, np.empty_like(W), solver="mu", tol=1e-3, max_iter=60, **options)
    assert made
    np.testing.assert_array_equal(out, W)


@pytest.mark.usefixtures("folder")
def test_what_others_hold_stays_in_memory(made):
    X = store("dense")
    out = np.empty((1500, 3))
    fitted(X, out, solver="hals", blocks=5)
    fitted(X, out, solver="sn", beta_loss=1)
    fitted(X[:], out, solver="hals")
    assert not made


def test_w_on_disk_where_memory_is_too_little(folder, made, monkeypatch):
    monkeypatch.setattr("nonneg.fitting.memory_plan.ON_DISK", 48 << 20)
    X = store("dense", np.float32, 1_000_000)
    options = {"solver": "hals", "max_iter": 1}
    W, _ = fitted(X, **options)
    got, model = fitted(X, memory_limit="100MB", **options)
    assert made
    assert type(got) is np.ndarray
    np.testing.assert_array_equal(got, W)
    assert model.components_.shape == (3, 12)
    with pytest.raises(ValueError, match=r"'100MB' is too small.*init='random'"):
        fitted(X, memory_limit="100MB", **{**options, "init": "nndsvd"})
    with pytest.raises(ValueError, match=r"'60MB' is too small: with 3 .* at least"):
        fitted(X, memory_limit="60MB", **options)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.usefixtures("folder", "small_parts")
def test_a_resumed_fit_comes_back_to_disk(solver, tmp_path, made, monkeypatch):
    monkeypatch.setattr("nonneg.fitting.checkpoints.files.READ_BYTES", 1000)
    X, out = store("dense"), np.empty((1500, 3))
    W, whole = fitted(X, solver=solver)
    options = {"checkpoint": tmp_path / "c", "checkpoint_every": 2, "solver": solver}
    fitted(X, out, **{**options, "max_iter": 7})
    out[:] = 0
    made.clear()
    fitted(X, out, resume=True, **options)
    assert made
    np.testing.assert_array_equal(out, W)
    # and in memory what was written on disk
    fitted(X, out, **{**options, "max_iter": 7})
    got, model = fitted(X, resume=True, **options)
    np.testing.assert_array_equal(got, W)
    np.testing.assert_array_equal(model.components_, whole.components_)


def test_a_full_disk_is_told_before_any_work(folder, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    calls = []
    with pytest.raises(OSError, match=r"can't take .* MB .*No space left.*TMPDIR") as e:
        fitted(store("dense"), np.empty((1500, 3)), callback=calls.append)
    assert e.value.errno == errno.ENOSPC
    assert str(folder) in str(e.value)
    assert not calls


def test_arrays_lie_beside_the_map_that_w_is_written_to(tmp_path, folder):
    path = tmp_path / "w.npy"
    out = np.lib.format.open_memmap(path, "w+", np.float64, (1500, 3))
    assert folder_for(out) == folder_for(out[5:]) == str(tmp_path)
    assert folder_for(np.empty(3)) == folder_for(None) == str(folder)
    W, _ = fitted(store("dense"), out)
    before = sorted(tmp_path.iterdir())
    del W, out
    np.testing.assert_array_equal(np.load(path), fitted(store("dense"))[0])
    assert before == sorted([folder, path])


# Arrays


@pytest.fixture
def rows(folder, small_parts):
    """An array on disk, and the same in memory."""
    A = np.random.default_rng(0).standard_normal((1003, 5))
    return FactorFolder(str(folder)).keep(A), A


def test_arrays_alike_are_on_disk_and_slices_are_not(rows):
    D, A = rows
    np.testing.assert_array_equal(D.plain, A)
    like = empty_like(D)
    assert isinstance(like, DiskRows)
    assert (like.shape, like.dtype) == (A.shape, A.dtype)
    assert like.home is D.home
    assert not np.shares_memory(like.plain, D.plain)
    assert type(D[3:7]) is type(D.to_caller()) is np.ndarray
    D[3:7] = 1
    assert (D[3:7] == 1).all()
    assert D.home.keep(D) is D
    assert as_dtype(D, D.dtype) is D
    narrow = as_dtype(D, np.float32)
    assert isinstance(narrow, DiskRows)
    assert narrow.dtype == np.float32
    np.testing.assert_array_equal(narrow.plain, D.plain.astype(np.float32))


def is_zero(A):
    return A == 0


def one_where_positive(A, ones):
    return np.where(A > 0, ones, A)


@pytest.mark.parametrize(
    "of",
    [
        lambda A: factor_rows.map_rows(np.multiply, A, np.arange(5.0)),
        lambda A: factor_rows.map_rows(np.subtract, 2, A),
        lambda A: factor_rows.extrapolate(A, factor_rows.map_rows(np.sin, A), 0.3),
        lambda A: factor_rows.map_rows(is_zero, A),
        lambda A: factor_rows.map_rows(one_where_positive, A, np.ones(5)),
        lambda A: factor_rows.times(A, np.arange(25.0).reshape(5, 5)),
        lambda A: factor_rows.times(A, np.arange(10.0).reshape(5, 2)),
    ],
)
def test_whole_arrays_by_parts(rows, of):
    D, A = rows
    got = of(D)
    assert isinstance(got, DiskRows)
    assert got.home is D.home
    np.testing.assert_array_equal(got.plain, of(A))
    assert got.dtype == of(A).dtype


@pytest.mark.parametrize(
    "of",
    [
        factor_rows.column_totals,
        factor_rows.column_counts,
        factor_rows.column_squares,
        factor_rows.has_nonzero,
        lambda A: factor_rows.cross(A, A),
        kernels.gram,
        kernels.column_sums,
        lambda A: kernels.inner(A, A),
        sign_of_largest,
    ],
)
def test_what_sums_rows_up_is_in_memory(rows, of):
    D, A = rows
    got = of(D)
    assert not isinstance(got, DiskRows)
    np.testing.assert_array_equal(got, of(A))


def test_changes_in_place(rows):
    D, A = rows
    for B in (D, A):
        factor_rows.scale_columns(B, np.arange(5.0))
        factor_rows.divide_columns(B, np.full(5, 3.0))
        factor_rows.change_rows(B, np.maximum, 0.1)
        factor_rows.replace_below(B, 0.2)
        factor_rows.fill_zeros(B, lambda count: np.arange(count, dtype=float))
        factor_rows.replace_zeros(B, 0.7)
    np.testing.assert_array_equal(D.plain, A)
    factor_rows.copy_rows(D, A + 1)
    np.testing.assert_array_equal(D.plain, A + 1)


def test_factorizations_come_back_to_disk(rows):
    D, A = rows
    L = lower_factor(D.home.keep(A.copy()))
    np.testing.assert_array_equal(L.plain, lower_factor(A.copy()))
    Q, R = orthonormal(D)
    for got, expected in zip((Q.plain, R), orthonormal(A), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    "of",
    [
        lambda D: D * 2,
        lambda D: np.ones(5) * D,
        lambda D: D @ np.eye(5),
        lambda D: np.maximum(D, 0),
        lambda D: np.where(D, 1, 2),
        lambda D: np.asarray(D),
        lambda D: np.einsum("ir->r", D),
        lambda D: D[:, 0],
    ],
)
def test_any_other_operation_is_a_type_error(rows, of):
    with pytest.raises(TypeError):
        of(rows[0])


def test_rows_are_solved_for_as_in_memory(rows):
    D, A = rows
    A = np.abs(A)
    copy_rows(D, A)
    home, rng = D.home, np.random.default_rng(1)
    rhs, G = rng.random(A.shape), A.T @ A
    found = []
    for own in (lambda B: B.copy(), home.keep):
        given = RowArrays(own(A), own(0 * A), own(A), own(0 * A))
        report = kernels.solve_rows(
            given, own(rhs), G, np.zeros(5), Adaptive(momentum=0.4), True
        )
        arrays = (A[:] for A, _ in given.uses())
        found.append((*arrays, *(value for value, _ in report.uses())))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def resident(D):
    """Bytes of the map of an array that count as memory of this process."""
    start, name = D.plain.ctypes.data, None
    with open("/proc/self/smaps") as maps:
        for line in maps:
            if "-" in line.split()[0]:
                low, _, high = line.split()[0].partition("-")
                name = int(low, 16) <= start < int(high, 16)
            elif name and line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
    raise AssertionError


@needs_linux  # reads /proc
def test_pages_are_given_back(folder):
    D = FactorFolder(str(folder)).rows((1 << 17, 8), np.float64)
    size = D.nbytes
    D.plain[:] = 1
    assert resident(D) >= size
    D.release(0, 1 << 16)
    assert resident(D) <= 0.8 * size
    with giving_back([D]):
        assert (D.plain == 1).all()
    assert resident(D) <= size / 10
    factor_rows.change_rows(D, np.multiply, 2.0)
    factor_rows.change_rows(D, np.add, 1)
    kernels.gram(D)
    assert resident(D) <= size / 10
    assert (D.plain == 3).all()


CHILD = """
    import numpy as np
    from nonneg import NMF

    X = np.load({path!r}, mmap_mode="r")
    small = np.array(X[:2000])
    NMF(8, "random", {solver!r}, max_iter=2, tol=0).fit(small)
    before = peak()
    model = NMF(8, "random", {solver!r}, max_iter=3, tol=0, random_state=0,
                memory_limit={limit}, checkpoint={checkpoint!r}, checkpoint_every=2)
    model.fit(X)
    NMF(**model.get_params() | {{"max_iter": 5, "resume": True}}).fit(X)
    print(peak() - before, X.shape[0] * 8 * 4)
"""


def peak_of(path, limit, solver, checkpoint):
    script = CHILD.format(
        path=str(path), limit=limit, solver=solver, checkpoint=checkpoint
    )
    return [int(number) for number in printed_by(script)]


@needs_linux  # reads /proc
@needs_core  # the reference makes arrays of its own
def test_peak_memory_with_w_on_disk(tmp_path):
    limit = 170_000_000
    path = large_file(tmp_path, 4_000_000, 8)
    peak, size = peak_of(path, limit, "hals", str(tmp_path / "c"))
    assert 6 * size > 4 * limit
    assert peak <= limit


@pytest.mark.slow
@needs_linux  # reads /proc
@needs_core  # the reference makes arrays of its own
@pytest.mark.parametrize("solver", SOLVERS)
def test_peak_memory_does_not_grow_with_the_rows(tmp_path, solver):
    limit = 170_000_000
    path = large_file(tmp_path, 10_000_000, 8)
    peak, size = peak_of(path, limit, solver, str(tmp_path / "c"))
    assert size > 1.5 * limit
    assert peak <= limit
