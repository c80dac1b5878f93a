"""Nearest columns of a shape, against isotonic fits for each place of the peak."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import lsq_linear
from sklearn.isotonic import isotonic_regression

from nonneg.kernels import nearest_monotone, nearest_unimodal
from nonneg.kernels.shaped_columns import rising_errors
from support.cases import DTYPES
from support.tolerances import tol


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("increasing", [True, False])
def test_monotone_columns_are_isotonic_fits(increasing, dtype):
    rng = np.random.default_rng(0)
    for n in (1, 2, 7, 50):
        values = rng.normal(0.3, 1, n).astype(dtype)
        fit = nearest_monotone(values, increasing)
        assert fit.dtype == dtype
        expected = isotonic_regression(
            values.astype(np.float64), y_min=0, increasing=increasing
        )
        np.testing.assert_allclose(fit, expected, atol=tol(dtype, n))


@pytest.mark.parametrize("seed", range(8))
def test_unimodal_columns_are_the_best_of_all_peaks(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 14))
    values = rng.normal(0.4, 1, n)
    fit = nearest_unimodal(values)
    signs = np.sign(np.diff(fit))
    assert (np.diff(signs[signs != 0]) <= 0).all()
    assert (fit >= 0).all()
    least = min(_error_with_peak(values, peak) for peak in range(n))
    assert np.sum((fit - values) ** 2) == pytest.approx(least, abs=1e-7)


def _error_with_peak(values, peak):
    """The least error with the peak there: steps from both ends, solved by SciPy."""
    n = len(values)
    rising = [np.arange(n) >= i for i in range(peak + 1)]
    falling = [np.arange(n) <= i for i in range(peak, n)]
    # sums of steps that begin at one side alone: columns up to, and behind, the peak
    left = [step & (np.arange(n) <= peak) for step in rising]
    right = [step & (np.arange(n) > peak) for step in falling[1:]]
    best = np.inf
    for side, other in ((left, right), (left, right)):
        A = np.array([*side, *other], dtype=float).T
        if np.linalg.matrix_rank(A) < n:
            continue
        result = lsq_linear(A, values, bounds=(0, np.inf), tol=1e-14)
        best = min(best, 2 * result.cost)
    return best


def test_errors_to_each_beginning_are_those_of_fits():
    rng = np.random.default_rng(3)
    values = rng.normal(0.2, 1, 25)
    for i, error in enumerate(rising_errors(values)):
        fit = isotonic_regression(values[: i + 1], y_min=0)
        assert error == pytest.approx(np.sum((fit - values[: i + 1]) ** 2), abs=1e-10)
