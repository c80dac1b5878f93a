"""The unit of X does not matter: X → s·X scales the factors, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from nonneg import (
    NMF,
    MiniBatchNMF,
    beta_divergence,
    initialize,
    non_negative_factorization,
    reconstruction_error,
)
from nonneg.base.interfaces import Operand
from nonneg.operands.registration import as_operand
from nonneg.operands.units import in_unit, unit_of
from support.combinations import covering

Array = NDArray[Any]

PAIRS = [
    ("cd", 2), ("hals", 2), ("bpp", 2), ("pg", 2), ("mu", 2), ("mu", 1), ("mu", 0.5),
    ("mu", 1.5), ("sn", 1), ("auto", 1), ("auto", 2),
]  # fmt: skip
STARTS = ["random", "nndsvd", "nndsvda", "nnsvd-lrc", "spa"]
STORAGES = {
    "dense-C": np.ascontiguousarray,
    "dense-F": np.asfortranarray,
    "csr": sp.csr_array,
    "csc": sp.csc_array,
}
SCALES = {
    "float64": [1e-30, 1e-12, 1e12, 1e30],
    "float32": [1e-15, 1e-6, 1e6, 1e15],
}
EXTREMES = {"float64": [1e-300, 1e-160, 1e140, 1e300], "float32": [1e-35, 1e24, 1e36]}
K = 3


def data(dtype: str, scale: float = 1.0, seed: int = 0) -> Array:
    """Counts-like data of rank 3 with noise and zeros, (24, 15)."""
    rng = np.random.default_rng(seed)
    W, H = (rng.gamma(1, size=s) * (rng.random(s) < 0.7) for s in ((24, K), (K, 15)))
    X = (W @ H + 0.01) * rng.gamma(10, 0.1, (24, 15)) * (rng.random((24, 15)) < 0.9)
    return (X * scale).astype(dtype)


def summary(X: Array, W: Array, H: Array, loss: float) -> tuple[float, int]:
    """The error relative to X, in extended precision, and the number of living components."""
    scale = np.longdouble(X.max())
    Y = X.astype(np.longdouble) / scale
    root = np.sqrt(scale)
    V = (W.astype(np.longdouble) / root) @ (H.astype(np.longdouble) / root)
    alive = int(np.sum(W.any(axis=0) & H.any(axis=1)))
    if loss == 2:
        return float(np.sqrt(((Y - V) ** 2).sum() / (Y**2).sum())), alive
    factors = (W / W.max()).astype(float), (H / H.max()).astype(float)
    unit = float(W.max() / root) * float(H.max() / root)
    value = beta_divergence(Y.astype(float), factors[0] * unit, factors[1], loss)
    return float(value / Y.sum()), alive


def fitted(X: Any, dense: Array, solver: str, loss: float, init: str) -> Any:
    """Relative error, living components and iterations of a fit."""
    positive = solver in ("mu", "sn") or loss != 2
    init = "nndsvda" if positive and init == "nndsvd" else init
    model = NMF(
        K, solver=solver, beta_loss=loss, init=init, random_state=0, max_iter=3000
    )
    W = model.fit_transform(X)
    return *summary(dense, W, model.components_, loss), model.n_iter_


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:Iteration limit reached in nls subproblem")
@pytest.mark.parametrize(
    ("pair", "init", "storage", "dtype"),
    covering(PAIRS, STARTS, list(STORAGES), list(SCALES)),
)
def test_scale_of_X_does_not_matter(
    pair: tuple[str, float], init: str, storage: str, dtype: str
) -> None:
    """The same relative error and living components, in about as many iterations."""
    solver, loss = pair
    X = data(dtype)
    error, alive, n_iter = fitted(STORAGES[storage](X), X, solver, loss, init)
    assert alive == K
    extremes = EXTREMES[dtype] if loss == 2 else [1e240] if dtype == "float64" else []
    for scale in SCALES[dtype] + (extremes if loss in (1, 2) else []):
        X = data(dtype, scale)
        result = fitted(STORAGES[storage](X), X, solver, loss, init)
        assert result[1] == alive, scale
        # zeros of a start are filled in another proportion to it, and cd, pg and mu stop
        # by the progress since the start
        loose = init == "nndsvda" or solver in ("cd", "pg", "mu")
        assert result[0] == pytest.approx(error, rel=0.03 if loose else 2e-3), scale
        assert result[2] <= (3 if loose else 1.5) * n_iter + 10, scale


@pytest.mark.parametrize(("solver", "loss"), PAIRS)
@pytest.mark.parametrize("side", ["rows", "columns"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:Iteration limit reached in nls subproblem")
def test_rows_and_columns_of_very_different_sizes(
    solver: str, loss: float, side: str
) -> None:
    """Large rows are fitted as without the small ones, and no component is lost."""
    X = data("float64")
    small = np.zeros(X.shape[0 if side == "rows" else 1], bool)
    small[::3] = True
    sizes = np.where(small, 1e-9, 1e9)
    X = X * (sizes[:, None] if side == "rows" else sizes)
    large = X[~small] if side == "rows" else X[:, ~small]
    options: dict[str, Any] = {
        "solver": solver, "beta_loss": loss, "init": "random", "max_iter": 300,
    }  # fmt: skip
    errors = []
    for Y in (X, large):
        fits = [NMF(K, random_state=seed, **options).fit(Y) for seed in range(3)]
        assert all(m.components_.any(axis=1).all() for m in fits)
        errors.append(min(m.reconstruction_err_ for m in fits))
    # β = 0.5 weighs small entries as heavily as large ones
    if loss >= 1:
        assert errors[0] == pytest.approx(errors[1], rel=0.03)


@pytest.mark.parametrize("dtype", list(EXTREMES))
@pytest.mark.parametrize("solver", ["cd", "hals", "bpp", "pg", "mu"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_extreme_units_outside_of_the_fit(solver: str, dtype: str) -> None:
    """transform, errors, custom starts and fixed factors are in the units of X as well."""
    plain = None
    for scale in [1.0, *EXTREMES[dtype]]:
        X = data(dtype, scale)
        model = NMF(K, solver=solver, init="random", random_state=0, max_iter=300)
        W = model.fit_transform(X)
        H, size = model.components_, np.max(W)
        root = np.sqrt(np.sum((X / X.max()).astype(float) ** 2)) * float(X.max())
        relative = model.reconstruction_err_ / root
        assert relative == pytest.approx(summary(X, W, H, 2)[0], rel=1e-4)
        assert reconstruction_error(X, W, H) == pytest.approx(
            model.reconstruction_err_, rel=1e-5
        )
        again = model.transform(X[:7])
        if solver in ("hals", "bpp"):
            np.testing.assert_allclose(again / size, W[:7] / size, atol=1e-4)
        assert summary(X[:7], again, H, 2)[0] < 1.2 * summary(X[:7], W[:7], H, 2)[0]
        custom = NMF(K, solver=solver, init="custom", max_iter=5)
        start = custom.fit_transform(X, W=W, H=H)
        assert summary(X, start, custom.components_, 2)[0] < 1.01 * relative
        fixed, _, _ = non_negative_factorization(
            X, H=H, n_components=K, update_H=False, solver=solver, max_iter=500
        )
        assert summary(X, fixed, H, 2)[0] < 1.2 * relative
        plain = relative if plain is None else plain
        assert relative == pytest.approx(plain, rel=0.02)


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_penalties_are_in_the_units_of_X(l1_ratio: float) -> None:
    """A penalty that grows with the loss gives the fit of X in its own unit."""
    errors, sizes = [], []
    for scale in (1.0, 4.0**240):
        X = data("float64", scale)
        weight = 0.02 * (scale**1.5 if l1_ratio else scale)
        model = NMF(
            K, solver="hals", init="random", random_state=0, alpha_W=weight,
            l1_ratio=l1_ratio, tol=1e-7, max_iter=2000,
        )  # fmt: skip
        W = model.fit_transform(X)
        errors.append(summary(X, W, model.components_, 2)[0])
        sizes.append([np.sum(A / np.sqrt(scale)) for A in (W, model.components_)])
    assert errors[1] == pytest.approx(errors[0], rel=1e-6)
    np.testing.assert_allclose(sizes[1], sizes[0], rtol=1e-5)


def test_progress_and_history_are_in_the_units_of_X() -> None:
    """The callback and the history tell the objective of X."""
    seen: list[float] = []
    X = data("float32", 1e25)
    model = NMF(
        K, solver="hals", init="random", random_state=0, n_init=2,
        callback=lambda step: bool(seen.append(step.objective)),
    ).fit(X)  # fmt: skip
    assert seen == pytest.approx(model.history_["objective"][: len(seen)].tolist())
    expected = 0.5 * model.reconstruction_err_**2
    assert model.history_["objective"][-1] == pytest.approx(expected, rel=1e-4)
    best = model.history_["objectives"][-1].min()
    assert best == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("init", ["random", "nndsvd", "nndsvda", "nnsvd-lrc"])
def test_starts_in_extreme_units(init: str) -> None:
    """A start of a huge X is finite, and that of the ordinary one times √s."""
    X = data("float64")
    W, H = initialize(X, K, init, random_state=0)
    scale = 4.0**200
    big_W, big_H = initialize(X * scale, K, init, random_state=0)
    if init != "nndsvda":
        np.testing.assert_allclose(big_W / np.sqrt(scale), W, atol=1e-5)
        np.testing.assert_allclose(big_H / np.sqrt(scale), H, atol=1e-5)
    assert np.isfinite(big_W).all()
    assert big_W.any(axis=0).all()
    assert np.isfinite(big_H).all()


REFUSAL = "its squares are beyond the range of float32. Multiply X by a number"


@pytest.mark.parametrize("scale", [1e-30, 1e25])
def test_refusal_where_X_is_not_in_memory_or_comes_in_batches(scale: float) -> None:
    """Stores and mini-batches refuse an X whose squares are beyond its dtype."""
    X = data("float32", scale)

    def blocks() -> list[Array]:
        return [X[:12], X[12:]]

    da = pytest.importorskip("dask.array")
    for stored in (blocks, da.from_array(X, chunks=(12, 15))):
        with pytest.raises(ValueError, match=REFUSAL):
            NMF(K, solver="hals", init="random").fit(stored)
    for call in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match=REFUSAL):
            getattr(MiniBatchNMF(K), call)(X)


def test_ordinary_data_keep_their_operand() -> None:
    """No copy is made of an X of ordinary size."""
    X: Operand = as_operand(data("float32", 1e3))
    assert in_unit(X, unit_of(X)) is X
    assert unit_of(as_operand(np.zeros((3, 2)))) == 0
