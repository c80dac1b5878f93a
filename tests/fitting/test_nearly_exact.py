"""Fits that leave little of X end where little of that is still to be gained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.datasets import load_digits, load_iris, load_wine

from nonneg import NMF

Array = NDArray[Any]
DATA = {
    "wine-10": (load_wine, 10),
    "wine-4": (load_wine, 4),
    "iris-3": (load_iris, 3),
}


def objective_at(X: Any, k: int, tol: float, **options: Any) -> float:
    model = NMF(k, tol=tol, random_state=0, max_iter=3000, **options).fit(X)
    return float(model.history_["objective"][-1])


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
@pytest.mark.parametrize(
    ("name", "solver", "init"),
    [
        ("wine-10", "hals", None), ("wine-10", "bpp", "random"), ("wine-4", "hals", None),
        ("wine-4", "bpp", "random"), ("iris-3", "hals", None), ("iris-3", "bpp", None),
        ("iris-3", "sn", None), ("iris-3", "irls", None),
    ],
)  # fmt: skip
def test_default_tol_ends_near_the_end(
    name: str, solver: str, init: str | None
) -> None:
    """Within 1 % of where the same start ends at 1e-8, though columns differ in size."""
    load, k = DATA[name]
    X = load().data
    loss = 1 if solver == "sn" else 2
    options: dict[str, Any] = {"solver": solver, "init": init, "beta_loss": loss}
    end = objective_at(X, k, 1e-7, **options)
    assert objective_at(X, k, 1e-4, **options) <= 1.01 * end


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
def test_float32_where_objectives_are_rounding() -> None:
    """The objective is computed entry by entry where products leave no digit of it."""
    X = load_wine().data
    end = objective_at(X, 10, 1e-7, solver="bpp")
    model = NMF(10, solver="bpp", random_state=0, max_iter=6000)
    model.fit(X.astype(np.float32))
    assert 0.5 * model.reconstruction_err_**2 <= 1.03 * end


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array, sp.csc_array])
@pytest.mark.parametrize(("solver", "loss"), [("hals", 2), ("bpp", 2), ("sn", 1)])
def test_exact_fits_end(solver: str, loss: float, storage: Any, dtype: str) -> None:
    """Where X has the rank k, the objective falls up to rounding; the fit ends before."""
    rng = np.random.default_rng(0)
    X = ((rng.random((60, 3)) @ rng.random((3, 25))) * 40).astype(dtype)
    for init in ("random", "nndsvda"):
        model = NMF(
            3, solver=solver, beta_loss=loss, init=init, random_state=0, max_iter=3000
        ).fit(storage(X))
        assert model.stop_reason_ == "converged"
        assert model.n_iter_ < 1500
        assert model.reconstruction_err_ < 0.02 * np.linalg.norm(X) ** (loss / 2)


@pytest.mark.parametrize(("solver", "loss"), [("hals", 2), ("bpp", 2), ("sn", 1)])
def test_fit_from_its_result_ends_at_once(solver: str, loss: float) -> None:
    """Nothing is left to gain at a result, whatever was gained before."""
    X = load_digits().data[:300] + 1.0
    options: dict[str, Any] = {"solver": solver, "beta_loss": loss, "max_iter": 2000}
    first = NMF(5, **options)
    W = first.fit_transform(X)
    again = NMF(5, init="custom", **options).fit(X, W=W, H=first.components_)
    assert again.n_iter_ <= 4
