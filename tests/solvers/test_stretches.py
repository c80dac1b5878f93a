"""Several iterations in one call give what as many single ones give, to the bit."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from nonneg import NMF, MiniBatchNMF, kernels
from nonneg.base.interfaces import Penalty, Problem, Progress, SolverBase
from nonneg.base.records import Stretch
from nonneg.fitting.pace import Pace
from nonneg.losses.registry import losses
from nonneg.operands.registration import as_operand
from nonneg.solvers.hals import Hals
from nonneg.solvers.registry import solvers
from support.combinations import covering
from support.requirements import needs_core
from support.tolerances import tol

STORAGES = {
    "rows": np.ascontiguousarray,
    "columns": np.asfortranarray,
    "CSR": sp.csr_matrix,
    "CSC": sp.csc_array,
}
FITS: dict[str, dict[str, Any]] = {
    "cd": {"solver": "cd"},
    "cd shuffled": {"solver": "cd", "shuffle": True},
    "hals": {"solver": "hals"},
    "sn": {"solver": "sn", "beta_loss": 1},
    "mu": {"solver": "mu"},
    "mu KL": {"solver": "mu", "beta_loss": 1},
    "mu 1.5": {"solver": "mu", "beta_loss": 1.5},
}
WEIGHTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "L1 and L2": {"alpha_W": 1e-3, "l1_ratio": 0.5},
    "H alone": {"alpha_H": 1e-2, "l1_ratio": 1.0},
}
SHAPES = [(96, 60, 4), (20, 10, 7), (700, 33, 9), (5, 4, 1)]
LIMITS = [(0, 37), (1e-3, 200)]


def made(shape: tuple[int, int, int], dtype: str) -> tuple[Any, Any, Any]:
    """A matrix with zeros, and a start for it."""
    rng = np.random.default_rng(1)
    m, n, k = shape
    X = rng.random((m, n)) * (rng.random((m, n)) < 0.4) + 1e-3
    W, H = rng.random((m, k)), rng.random((k, n))
    return X.astype(dtype), W.astype(dtype), H.astype(dtype)


def listened(patch: pytest.MonkeyPatch, fit: str) -> Iterator[Any]:
    """Callbacks: none, one that hears of calls of an iteration, one of single half-steps."""
    yield None
    yield lambda _: False
    patch.setattr(solvers.class_of(FITS[fit]["solver"]), "advances", False)
    yield lambda _: False


def outcome(model: Any, W: Any) -> dict[str, Any]:
    """All that a fit leaves behind, but for its seconds."""
    history = {key: part for key, part in model.history_.items() if key != "seconds"}
    assert model.history_["seconds"].shape == history["objective"].shape
    assert np.all(np.diff(model.history_["seconds"]) >= 0)
    facts = {"n_iter": model.n_iter_, "reason": model.stop_reason_}
    return history | facts | {"W": W, "H": model.components_}


def assert_equal(outcomes: list[dict[str, Any]]) -> None:
    """Fail unless all fits have left the same."""
    for other in outcomes[1:]:
        for name, value in outcomes[0].items():
            np.testing.assert_array_equal(value, other[name], err_msg=name)


@pytest.mark.parametrize(
    ("fit", "storage", "dtype", "weights", "shape", "limit"),
    covering(list(FITS), list(STORAGES), ["f4", "f8"], list(WEIGHTS), SHAPES, LIMITS),
)
def test_nobody_who_listens_changes_a_fit(
    monkeypatch: pytest.MonkeyPatch,
    fit: str,
    storage: str,
    dtype: str,
    weights: str,
    shape: Any,
    limit: Any,
) -> None:
    X, W, H = made(shape, dtype)
    X = STORAGES[storage](X)
    tol, max_iter = limit
    outcomes = []
    for callback in listened(monkeypatch, fit):
        model = NMF(
            shape[2], init="custom", tol=tol, max_iter=max_iter, random_state=0,
            callback=callback, **FITS[fit], **WEIGHTS[weights],
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            outcomes.append(outcome(model, model.fit_transform(X, W=W, H=H)))
    assert_equal(outcomes)


@pytest.mark.parametrize(
    ("shape", "storage", "dtype", "weights", "max_iter"),
    covering(
        [(1, 9, 1), (16, 33, 2), (64, 47, 3), (29, 100, 5), (250, 61, 6), (9, 513, 4)],
        ["rows", "columns"], ["f4", "f8"], list(WEIGHTS), [1, 2, 37],
    ),
)  # fmt: skip
def test_rows_in_lanes_have_the_bits_of_passes(
    monkeypatch: pytest.MonkeyPatch,
    shape: tuple[int, int, int],
    storage: str,
    dtype: str,
    weights: str,
    max_iter: int,
) -> None:
    """Last tiles of each height, one row, and more than a block of them."""
    X, W, H = made(shape, dtype)
    outcomes = []
    for callback in listened(monkeypatch, "cd"):
        model = NMF(
            shape[2], "custom", "cd", tol=0, max_iter=max_iter, callback=callback,
            **WEIGHTS[weights],
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted = model.fit_transform(STORAGES[storage](X), W=W, H=H)
        outcomes.append(outcome(model, fitted))
    assert_equal(outcomes)


@pytest.mark.parametrize(
    ("fit", "storage", "dtype", "limit"),
    covering(["cd", "hals", "sn", "mu KL"], list(STORAGES), ["f4", "f8"], LIMITS),
)
def test_starts_of_a_small_matrix_are_fits_of_their_own(
    fit: str, storage: str, dtype: str, limit: Any
) -> None:
    X, _, _ = made((60, 40, 4), dtype)
    X = STORAGES[storage](X)
    tol, max_iter = limit
    options = FITS[fit] | {"tol": tol, "max_iter": max_iter, "init": "random"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        outcomes = []
        for callback in (None, lambda _: False):
            model = NMF(4, random_state=0, n_init=4, callback=callback, **options)
            outcomes.append(outcome(model, model.fit_transform(X)))
        assert_equal(outcomes)
        seeds = np.random.RandomState(0).randint(2**31 - 1, size=4)
        alone = [NMF(4, random_state=int(s), **options).fit(X) for s in (0, *seeds[1:])]
    objectives = outcomes[0]["objectives"][:max_iter]
    assert outcomes[0]["n_iter"] == max(fit.n_iter_ for fit in alone)
    for r, model in enumerate(alone):
        told = model.history_["objective"][: model.n_iter_]
        least = np.where(np.isnan(told), np.nan, np.fmin.accumulate(told))
        np.testing.assert_array_equal(objectives[: model.n_iter_, r], least)
        ended = objectives[model.n_iter_ : outcomes[0]["n_iter"], r]
        np.testing.assert_array_equal(ended, np.full_like(ended, least[-1]))


@pytest.mark.parametrize(
    ("fit", "rank", "dtype", "tol"),
    covering(["hals", "sn"], [1, 2, 4], ["f4", "f8"], [0, 1e-5]),
)
def test_nearly_exact_pairs_and_dead_components_are_judged_alike(
    monkeypatch: pytest.MonkeyPatch, fit: str, rank: int, dtype: str, tol: float
) -> None:
    """The core leaves them to Python in the midst of a stretch."""
    rng = np.random.default_rng(rank)
    X = (rng.random((60, rank)) @ rng.random((rank, 40))).astype(dtype)
    W, H = rng.random((60, 4)).astype(dtype), rng.random((4, 40)).astype(dtype)
    W[:, 0], H[0] = 1e-12, 1e-12
    outcomes = []
    for callback in listened(monkeypatch, fit):
        model = NMF(
            4, init="custom", tol=tol, max_iter=150, callback=callback, **FITS[fit]
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcomes.append(outcome(model, model.fit_transform(X, W=W, H=H)))
    assert_equal(outcomes)


@pytest.mark.parametrize(
    ("storage", "dtype", "shape", "limit", "noise"),
    covering(
        list(STORAGES), ["f4", "f8"], SHAPES, [(0, 1), (0, 2), (1e-3, 200)], [1, 5e-3]
    ),
)
def test_hals_has_the_bits_of_single_half_steps(
    monkeypatch: pytest.MonkeyPatch,
    storage: str,
    dtype: str,
    shape: Any,
    limit: Any,
    noise: float,
) -> None:
    """From the first iteration to the exact last solve.

    With little noise, products in float32 tell too little of the objective.
    """
    X, W, H = made(shape, dtype)
    X = noise * X + (1 - noise) * np.sqrt(W) @ np.sqrt(H)
    X, (tol, max_iter) = STORAGES[storage](X.astype(dtype)), limit
    outcomes = []
    for _ in range(2):
        model = NMF(shape[2], "custom", "hals", tol=tol, max_iter=max_iter)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            outcomes.append(outcome(model, model.fit_transform(X, W=W, H=H)))
        steps = "nonneg.solvers.steps.extrapolated_stretch.stretches"
        monkeypatch.setattr(steps, None)
    assert_equal(outcomes)


@needs_core
@pytest.mark.parametrize(
    ("dtype", "shape", "zero", "scale"),
    covering(["f4", "f8"], [*SHAPES, (9000, 13, 3)], [None, 0], [1, 1e-30, 1e30]),
)
def test_a_start_is_balanced_alike_by_the_core(
    monkeypatch: pytest.MonkeyPatch, dtype: str, shape: Any, zero: Any, scale: float
) -> None:
    X, W, H = made(shape, dtype)
    if zero is not None:
        W[:, zero] = 0  # a component without a scale
    H = (H * scale).astype(dtype)
    operand, none = as_operand(X), Penalty.elastic(shape[2])
    problem, states = Problem(operand, losses["frobenius"](), none, none), []
    for _ in range(2):
        start = W.copy(), H.T.copy(order="C")
        states.append(vars(Hals().start(problem, *start)))
        steps = "nonneg.solvers.steps.extrapolated_stretch.stretches"
        monkeypatch.setattr(steps, None)
    assert_equal(
        [{name: A for name, A in state.items() if A is not None} for state in states]
    )
    W, Ht, product = (states[0][name] for name in ("W", "Ht", "product"))
    tight = tol(dtype, max(X.shape))
    np.testing.assert_allclose(product, X @ Ht, rtol=tight)
    squares = (
        np.square(W.astype(float)).sum(axis=0),
        np.square(Ht.astype(float)).sum(axis=0),
    )
    alive = slice(None) if zero is None else slice(1, None)
    np.testing.assert_allclose(squares[0][alive], squares[1][alive], rtol=10 * tight)


IN_STRETCHES = [
    (fit, storage) for fit in FITS for storage in STORAGES if fit != "cd shuffled"
]


@needs_core
@pytest.mark.parametrize(("fit", "storage"), IN_STRETCHES)
def test_small_fits_take_few_calls(
    monkeypatch: pytest.MonkeyPatch, fit: str, storage: str
) -> None:
    kind = solvers.class_of(FITS[fit]["solver"])
    single = kind.iterate
    calls = []

    def counted(self: Any, problem: Problem, state: Any) -> Progress:
        calls.append(state.n_iter)
        return single(self, problem, state)

    monkeypatch.setattr(kind, "iterate", counted)
    X, W, H = made(SHAPES[0], "f8")
    model = NMF(4, init="custom", tol=0, max_iter=100, **FITS[fit])
    model.fit(STORAGES[storage](X), W=W, H=H)
    assert model.n_iter_ == 100
    # the first one, of which the pace is not known, and more on a busy machine
    assert len(calls) < 50
    calls.clear()
    heard: list[int] = []
    model.set_params(callback=lambda one: heard.append(one.n_iter))
    model.fit(STORAGES[storage](X), W=W, H=H)
    assert heard == list(range(1, 101))
    assert len(calls) <= 1  # others are calls of the core as well


@pytest.mark.parametrize("solver", ["cd", "mu", "hals"])
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_a_transform_is_that_of_single_iterations(
    monkeypatch: pytest.MonkeyPatch, solver: str, storage: str, weights: str
) -> None:
    X, W, H = made(SHAPES[0], "f8")
    X = STORAGES[storage](X)
    options = {"init": "custom", "solver": solver, "tol": 1e-6, **WEIGHTS[weights]}
    model, results = NMF(4, **options), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, W=W, H=H)
        for _ in range(2):
            results.append(model.transform(X))
            for module in ("mu_steps", "cd_iteration"):
                monkeypatch.setattr(f"nonneg.solvers.steps.{module}.stretches", None)
    np.testing.assert_array_equal(*results)


def test_updates_of_rows_are_those_of_single_iterations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X, _, _ = made(SHAPES[0], "f8")
    results = []
    for _ in range(2):
        model = MiniBatchNMF(4, init="random", random_state=0, batch_size=32)
        for first in range(0, 96, 16):
            model.partial_fit(X[first : first + 16])
        results.append((model.components_, model.transform(X)))
        monkeypatch.setattr(kernels, "stretches", None)
        monkeypatch.setattr("nonneg.solvers.steps.mu_steps.stretches", None)
    for together, single in zip(*results, strict=True):
        np.testing.assert_array_equal(together, single)


class Clockwork(SolverBase):
    """Iterations in stretches, which note their lengths."""

    advances = True

    def advance(self, problem: Any, state: Any, most: int) -> Stretch | None:
        if state is None:
            return None
        state.append(most)
        return Stretch([0.0] * most, [0.0] * most, False)

    def iterate(self, problem: Any, state: Any) -> Progress:
        if state is not None:
            state.append(1)
        return Progress(None, np.zeros(1), None, np.zeros(1, bool))


def test_stretches_grow_to_the_end_and_not_beyond() -> None:
    lengths: list[int] = []
    pace, problem = Pace(), Any
    left = 100
    while left:
        pace.advance(Clockwork(), problem, lengths, left)  # type: ignore[arg-type]
        left -= lengths[-1]
    assert lengths[0] == 1
    assert sum(lengths) == 100
    assert len(lengths) < 50


def test_a_solver_without_stretches_is_asked_once() -> None:
    pace = Pace()
    for _ in range(5):
        done = pace.advance(Clockwork(), Any, None, 100)  # type: ignore[arg-type]
        assert isinstance(done, Progress)
    assert pace.most == 1


def test_single_iterations_where_no_seconds_are_given() -> None:
    lengths: list[int] = []
    pace = Pace(0.0)
    for _ in range(4):
        pace.advance(Clockwork(), Any, lengths, 100)  # type: ignore[arg-type]
    assert lengths == [1, 1, 1, 1]
