"""Half-steps by reweighted least squares: the compiled core, its reference, their formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import nnls

from nonneg import kernels
from nonneg.kernels.beta_terms import BetaTerms
from nonneg.kernels.irls_steps import SETTLED, SWEEPS, IrlsUpdate, curvatures
from nonneg.kernels.row_methods import RowArrays
from nonneg.kernels.term_records import TermShared
from nonneg.operands.registration import as_operand
from support import oracles
from support.cases import DTYPES, STORAGES, data
from support.combinations import covering
from support.records import as_dict
from support.tolerances import assert_close

pytestmark = pytest.mark.usefixtures("eager_threads")
Array = NDArray[Any]
BETAS = [0.0, 0.3, 0.5, 1.0, 1.5, 2.0]
POWERS = [0.0, 0.5, 1.0]
ANY_STRIDES = [name for name in STORAGES if name.startswith("dense")]
FLOOR = 1e-7
SHAPES = [(37, 29), (5, 600), (600, 5), (1, 1)]


def entries(shape: tuple[int, int], beta: float, dtype: Any = np.float64) -> Array:
    """An X with zeros, where these may be."""
    X = data(*shape, density=0.8, dtype=dtype)
    return X + X.dtype.type(0.1) if beta == 0 else X


def factors(shape: tuple[int, int], k: int, dtype: Any = np.float64) -> list[Array]:
    """W with some zeros, and Ht without any, so that no entry of W·H is 0 after a step."""
    rng = np.random.default_rng(1)
    W, Ht = (rng.random((n, k)) + 0.05 for n in shape)
    W *= rng.random(W.shape) > 0.2
    W[:, 0] = 0.5
    return [A.astype(dtype) for A in (W, Ht)]


def run(
    step: IrlsUpdate,
    X: Array,
    W: Array,
    Ht: Array,
    penalty: tuple[float, float] = (0.0, 0.0),
    compiled: bool = True,
    n_threads: int = 1,
) -> dict[str, Any]:
    """The rows after a step by the core or by the reference, and its report."""
    previous = (W * W.dtype.type(0.9)).astype(W.dtype)
    rows = RowArrays(W.copy(), np.empty_like(W), previous, np.empty_like(W))
    l1, l2 = (np.full(W.shape[1], weight) for weight in penalty)
    shared = TermShared(Ht, Ht.sum(axis=0, dtype=np.float64), l1, l2)
    operand, kept = as_operand(X, n_threads), kernels.native
    if not compiled:
        kernels.native = None
    try:
        report = operand.run_pass(step, rows, shared)
    finally:
        kernels.native = kept
    return {"solved": rows.solved, "moved": rows.moved, **as_dict(report)}


def objective(
    X: Array, W: Array, Ht: Array, beta: float, penalty: tuple[float, float]
) -> Array:
    """The objective of each row as the loss has it, in float64."""
    X, W, Ht = (A.astype(np.float64) for A in (X, W, Ht))
    each = BetaTerms(beta, FLOOR).value(X, W @ Ht.T).sum(axis=1)
    return each + (penalty[0] * W + 0.5 * penalty[1] * W * W).sum(axis=1)


@pytest.mark.of_the_core
@pytest.mark.parametrize(
    ("beta", "dtype", "storage", "k", "shape", "penalty", "power"),
    covering(
        BETAS,
        DTYPES,
        ANY_STRIDES,
        [1, 3, 8, 17, 40],
        SHAPES,
        [(0, 0), (0.1, 0.3)],
        POWERS,
    ),
)
def test_the_core_agrees_with_its_reference(
    beta, dtype, storage, k, shape, penalty, power
):
    X = STORAGES[storage](entries(shape, beta, dtype))
    W, Ht = factors(shape, k, dtype)
    step = IrlsUpdate(beta, FLOOR, 0.5, power)
    core, reference = (run(step, X, W, Ht, penalty, way) for way in (True, False))
    # steps by matrices whose eigenvalues are far apart, of sums of powers
    factor = 100 if dtype == np.float64 else 1000
    for name in ("solved", "moved"):
        assert_close(core[name], reference[name], dtype, X.size, factor)
    size = abs(reference["value"]) + reference["size"] + X.size
    for name in ("value", "residual", "size"):
        assert_close(core[name], reference[name], dtype, X.size, factor, cancelled=size)
    if dtype == np.float64:
        assert core["shortened"] == reference["shortened"]


@pytest.mark.parametrize("way", [True, False], ids=["installed", "reference"])
@pytest.mark.parametrize(
    ("beta", "dtype", "k", "penalty", "power"),
    covering(BETAS, DTYPES, [1, 4, 17], [(0, 0), (0.1, 0.3)], POWERS),
)
def test_no_row_rises(beta, dtype, k, penalty, power, way):
    """From factors near a solution and far away, in small and large units."""
    X = entries((37, 29), beta, dtype)
    W, Ht = factors(X.shape, k, dtype)
    for scale in (1e-3, 1.0, 1e3):
        start = (scale * W).astype(dtype)
        after = run(IrlsUpdate(beta, FLOOR, 0.0, power), X, start, Ht, penalty, way)
        assert (after["solved"] >= 0).all()
        before = objective(X, start, Ht, beta, penalty)
        size = before + np.maximum(X, X.mean()).sum(axis=1) ** max(1, beta)
        most = before + 30 * np.finfo(dtype).eps * size
        assert (objective(X, after["solved"], Ht, beta, penalty) <= most).all()


@pytest.mark.parametrize("way", [True, False], ids=["installed", "reference"])
@pytest.mark.parametrize("beta", BETAS)
def test_the_report_is_that_of_the_definitions(beta, way):
    X = entries((37, 29), beta)
    W, Ht = factors(X.shape, 4)
    l1, l2 = 0.1, 0.3
    report = run(IrlsUpdate(beta, 1e-9), X, W, Ht, (l1, l2), way)
    Y = W @ Ht.T
    assert report["size"] == pytest.approx((Y**beta).sum(), rel=1e-12)
    gradient = ((Y - X) * Y ** (beta - 2)) @ Ht + l1 + l2 * W
    if not report["shortened"]:
        larger = np.maximum(W, report["solved"])
        expected = (abs(gradient) * larger).sum()
        assert report["residual"] == pytest.approx(expected, rel=1e-9)
    # the rest of the divergence depends on X alone
    values = [run(IrlsUpdate(beta, 1e-9), X, A, Ht, compiled=way) for A in (W, 0.7 * W)]
    told = values[0]["value"] - values[1]["value"]
    each = [oracles.divergence(X, one["solved"], Ht, beta) for one in values]
    assert told == pytest.approx(each[0] - each[1], rel=1e-9, abs=1e-9 * sum(each))


@pytest.mark.parametrize("way", [True, False], ids=["installed", "reference"])
def test_least_squares_is_solved_by_sweeps(way):
    """At β = 2 the problem of a row is that of NNLS; one component takes one step."""
    X = entries((20, 15), 2.0)
    W, Ht = factors(X.shape, 1)
    solved = run(IrlsUpdate(2.0, 0.0), X, W, Ht, compiled=way)["solved"]
    expected = np.array([nnls(Ht, x)[0] for x in X])
    np.testing.assert_allclose(solved, expected, rtol=1e-12)
    W, Ht = factors(X.shape, 5)
    solved = run(IrlsUpdate(2.0, 0.0), X, W, Ht, compiled=way)["solved"]
    gram, rhs = Ht.T @ Ht, X @ Ht
    for i, a in enumerate(W):
        first = 0.0
        for _ in range(SWEEPS):
            decrease = 0.0
            for t in range(5):
                moved = max(0, a[t] + (rhs[i, t] - a @ gram[t]) / gram[t, t])
                decrease += gram[t, t] * (moved - a[t]) ** 2
                a[t] = moved
            first = first or decrease
            if decrease <= SETTLED * first:
                break
    np.testing.assert_allclose(solved, W, rtol=1e-10, atol=1e-13)


@pytest.mark.of_the_core
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("beta", [0.0, 0.5, 2.0])
def test_the_bits_do_not_depend_on_the_threads(beta, order, dtype):
    X = np.asarray(entries((700, 40), beta, dtype), order=order)
    W, Ht = factors(X.shape, 6, dtype)
    one, *others = (
        run(IrlsUpdate(beta, FLOOR, 0.3), X, W, Ht, n_threads=n) for n in (1, 2, 7)
    )
    for other in others:
        for name, value in one.items():
            np.testing.assert_array_equal(value, other[name], err_msg=name)


@pytest.mark.parametrize("way", [True, False], ids=["installed", "reference"])
@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 1.5])
def test_rows_whose_numbers_overflow_stay(beta, way):
    X = entries((9, 7), beta)
    W, Ht = factors(X.shape, 3)
    W[4] = 1e300
    with np.errstate(all="ignore"):
        after = run(IrlsUpdate(beta, 1e-9), X, W, 1e300 * Ht, compiled=way)["solved"]
    assert np.isfinite(after).all()
    np.testing.assert_array_equal(after[4], W[4])


@pytest.mark.parametrize("way", [True, False], ids=["installed", "reference"])
def test_rows_may_be_written_over(way):
    X = entries((50, 29), 0.5)
    W, Ht = factors(X.shape, 4)
    expected = run(IrlsUpdate(0.5, FLOOR), X, W, Ht, compiled=way)["solved"]
    kept, rows = kernels.native, RowArrays(W, W)
    if not way:
        kernels.native = None
    try:
        shared = TermShared(Ht, Ht.sum(axis=0), np.zeros(4), np.zeros(4))
        as_operand(X).run_pass(IrlsUpdate(0.5, FLOOR), rows, shared)
    finally:
        kernels.native = kept
    np.testing.assert_array_equal(W, expected)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 1.5, 2.0])
def test_curvatures_are_second_derivatives(beta):
    """Fisher's is that at x = y; the other that of the divergence, or of its convex part."""
    x, y, h = np.array([[0.3, 1.0, 4.0]]), np.array([[1.1, 1.0, 0.9]]), 1e-4

    def convex(y):
        """The divergence; for β < 1 its part −x·y^(β−1)/(β−1)."""
        if beta == 0:
            return x / y
        mixed = -x * np.log(y) if beta == 1 else x * y ** (beta - 1) / (1 - beta)
        return mixed + (y**beta / beta if beta >= 1 else 0)

    second = (convex(y + h) - 2 * convex(y) + convex(y - h)) / h**2
    exact = curvatures(x, y, beta, 1.0)
    np.testing.assert_allclose(exact, second, rtol=1e-5)
    fisher = curvatures(x, y, beta, 0.0)
    np.testing.assert_allclose(fisher, y ** (beta - 2), rtol=1e-14)
    middle = curvatures(x, y, beta, 0.5)
    np.testing.assert_allclose(middle, np.sqrt(fisher * exact), rtol=1e-12)
