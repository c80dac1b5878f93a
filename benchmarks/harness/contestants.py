"""nonneg and scikit-learn at the start line: each makes a curve and factors."""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from harness.curves import Curve
from harness.problems import Limits, Problem, Recorder, Stop
from sklearn.decomposition import _nmf
from sklearn.exceptions import ConvergenceWarning

import nonneg

Result = tuple[Curve, Any, Any, float | None]
"""Curve, W, H and the last objective that the library itself reported, if any."""
LOSS_NAMES = {2: "frobenius", 1: "kullback-leibler", 0: "itakura-saito"}
"""What both libraries call them."""
ACCELERATED = " accelerated"
"""Ends the name of a solver that is run with accelerate=True."""


@dataclass(frozen=True)
class Contestant:
    """A library and solver under its name."""

    name: str
    run: Callable[[Problem, Limits], Result]
    same_start: bool = True
    """Whether it starts from the W and H of the others."""
    tasks: tuple[str, ...] = ("fit", "transform")


def options_of(solver: str, beta: float) -> dict[str, Any]:
    """What `nonneg.NMF` is called with for a solver's name and a loss."""
    options: dict[str, Any] = {"solver": solver.removesuffix(ACCELERATED)}
    if solver.endswith(ACCELERATED):
        options["accelerate"] = True
    if beta != 2:
        options["beta_loss"] = LOSS_NAMES.get(beta, beta)
    return options


def available(solver: str, beta: float) -> bool:
    """Whether this version of nonneg has the solver, for this loss."""
    options = options_of(solver, beta)
    if not set(options) <= set(inspect.signature(nonneg.NMF).parameters):
        return False
    try:
        nonneg.NMF(1, **options, max_iter=1, tol=0).fit(np.ones((2, 2)))
    except ValueError:
        return False
    return True


def run_nonneg(solver: str, problem: Problem, limits: Limits) -> Result:
    """Fit by nonneg; its callback tells the objective, so nothing is computed for it.

    Where it does not know the objective after every iteration, the curve has a point
    after those of which it does.
    """
    if problem.task == "transform":
        return _transform_nonneg(solver, problem)
    curve = Curve()
    reported: list[float] = []
    clock = time.perf_counter

    def record(iteration: Any) -> bool:
        now = clock() - began
        if not np.isfinite(iteration.objective):
            return now >= limits.seconds or iteration.n_iter >= limits.max_iter
        reported.append(iteration.objective)
        curve.add(now, iteration.objective, iteration.n_iter)
        return limits.over(curve)

    model = nonneg.NMF(
        problem.k,
        init="custom",
        tol=0,
        max_iter=limits.max_iter,
        max_time=limits.seconds,
        callback=record,
        n_threads=problem.threads,
        # "auto" is all that is chosen for the user
        compress="auto" if solver == "auto" else False,
        **options_of(solver, problem.beta),
    )
    began = clock()
    W = model.fit_transform(problem.X, W=problem.W, H=problem.H)
    H, n_iter = model.components_, model.n_iter_
    end = clock() - began
    # the last point is what was returned, when it was, measured by ourselves
    curve.add(end, problem.objective(W, H), n_iter)
    return curve, W, H, min(reported, default=None)


def _transform_nonneg(solver: str, problem: Problem) -> Result:
    """`NMF.transform` for the given H; it has one point, its end."""
    model = nonneg.NMF(
        problem.k, init="custom", solver=solver, max_iter=1, n_threads=problem.threads
    )
    few = problem.X[: 4 * problem.k]
    W = np.ones((few.shape[0], problem.k), dtype=problem.X.dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(few, W=W, H=problem.H)
        model.components_ = problem.H
        model.set_params(max_iter=200)
        began = time.perf_counter()
        W = model.transform(problem.X)
    end = time.perf_counter() - began
    curve = Curve([end], [problem.objective(W, problem.H)], [1])
    return curve, W, problem.H, None


@contextmanager
def _replaced(name: str, function: Any) -> Iterator[None]:
    """scikit-learn's loop calls `function` under this name inside the block."""
    original = getattr(_nmf, name)
    setattr(_nmf, name, function)
    try:
        yield
    finally:
        setattr(_nmf, name, original)


def plain_sklearn(problem: Problem, solver: str, max_iter: int) -> tuple[Any, Any]:
    """W and H of scikit-learn's `NMF`, as users call it, or of a solve for W alone."""
    options = {
        "n_components": problem.k,
        "solver": solver,
        "beta_loss": LOSS_NAMES.get(problem.beta, problem.beta),
        "tol": 0,
        "max_iter": max_iter,
    }
    if problem.task == "fit":
        model = _nmf.NMF(init="custom", **options)
        start = problem.W.copy(), problem.H.copy()
        W = model.fit_transform(problem.X, W=start[0], H=start[1])
        return W, model.components_
    W, H, _ = _nmf.non_negative_factorization(
        problem.X, H=problem.H.copy(), init=None, update_H=False, **options
    )
    return W, H


def _listened(
    problem: Problem, limits: Limits, solver: str, name: str, hear: Any, whole: bool
) -> Result:
    """scikit-learn's own function, told to call `hear` in place of its step `name`.

    `hear(recorder, original, *args)` does the step and tells the recorder of a
    finished iteration; the watch stands still while the recorder works. A `whole` run does
    all its iterations, and what comes after the last one counts as if it came first.
    """
    original = getattr(_nmf, name)
    recorder = Recorder(problem, limits, stops=not whole)
    curve = recorder.curve

    def step(*args: Any, **options: Any) -> Any:
        return hear(recorder, original, *args, **options)

    with _replaced(name, step):
        try:
            recorder.watch.began = time.perf_counter()
            W, H = plain_sklearn(problem, solver, limits.max_iter)
            after = recorder.watch.now() - curve.end
            if whole:
                curve.seconds = [seconds + after for seconds in curve.seconds]
        except Stop as stop:
            W, H = stop.W, stop.H
    return curve, W, H, None


def run_sklearn_cd(problem: Problem, limits: Limits, whole: bool = False) -> Result:
    """scikit-learn's coordinate descent, heard at each half of an iteration."""
    halves = 0

    def hear(recorder: Recorder, original: Any, X: Any, A: Any, B: Any, *rest: Any):
        nonlocal halves
        violation = original(X, A, B, *rest)
        halves += 1
        if problem.task == "transform":
            recorder.iteration(A, B.T)
        elif halves % 2 == 0:  # the second half has the factors the other way round
            recorder.iteration(B, A.T)
        return violation

    return _listened(problem, limits, "cd", "_update_coordinate_descent", hear, whole)


def run_sklearn_mu(problem: Problem, limits: Limits, whole: bool = False) -> Result:
    """scikit-learn's multiplicative updates, heard after the update of H."""

    def hear(recorder: Recorder, original: Any, X: Any, W: Any, H: Any, **options: Any):
        H = original(X, W, H, **options)
        recorder.iteration(W, H)
        return H

    return _listened(problem, limits, "mu", "_multiplicative_update_h", hear, whole)


def run_again_and_again(
    problem: Problem,
    limits: Limits,
    fit: Callable[[int], tuple[Any, Any]],
    complete: Callable[[Any, Any], tuple[Any, Any]] = lambda W, H: (W, H),
) -> Result:
    """Curve of a library that can't be heard: runs of 1, 2, 4, … iterations.

    Each starts anew, and each is a point. `complete` makes factors of what the fit
    returned, and is not timed.
    """
    curve = Curve()
    n_iter = 1
    while True:
        began = time.perf_counter()
        W, H = fit(n_iter)
        seconds = time.perf_counter() - began
        W, H = complete(W, H)
        curve.add(seconds, problem.objective(W, H), n_iter)
        if limits.over(curve) or 2 * curve.end > limits.seconds:
            break
        n_iter *= 2
    # fewer iterations don't take longer: what was slower than a later run was disturbed
    sooner = np.minimum.accumulate(curve.seconds[::-1])[::-1].tolist()
    return Curve(sooner, curve.objective, curve.n_iter), W, H, None


def run_mini_batch(problem: Problem, limits: Limits) -> Result:
    """scikit-learn's MiniBatchNMF, an iteration being one pass over the rows."""

    def fit(n_passes: int) -> tuple[Any, Any]:
        model = _nmf.MiniBatchNMF(
            problem.k,
            init="custom",
            beta_loss=LOSS_NAMES.get(problem.beta, problem.beta),
            tol=0,
            max_no_improvement=None,
            max_iter=n_passes,
            random_state=problem.seed,
        )
        W = model.fit_transform(problem.X, W=problem.W.copy(), H=problem.H.copy())
        return W, model.components_

    return run_again_and_again(problem, limits, fit)


@dataclass(frozen=True)
class Field:
    """Who competes for a loss."""

    baseline: Contestant
    solver: str
    """scikit-learn's name of the baseline's solver."""
    slow: list[Contestant]
    """Other solvers of scikit-learn, which run if asked for."""
    solvers: tuple[str, ...]
    """Solvers of nonneg that are run; what this version does not have is left out."""


CD = Contestant("scikit-learn cd", run_sklearn_cd)
MU = Contestant("scikit-learn mu", run_sklearn_mu, tasks=("fit",))
MINI_BATCH = Contestant("scikit-learn MiniBatchNMF", run_mini_batch, tasks=("fit",))
FIELDS: dict[float, Field] = {
    2: Field(CD, "cd", [MU, MINI_BATCH], ("auto", "hals")),
    1: Field(MU, "mu", [MINI_BATCH], ("auto", "mu", "mu" + ACCELERATED, "sn")),
    0: Field(MU, "mu", [MINI_BATCH], ("auto", "mu")),
}
"""By the loss's beta."""


def _nonneg(solver: str) -> Contestant:
    return Contestant(
        f"nonneg {solver}", lambda problem, limits: run_nonneg(solver, problem, limits)
    )


def ours(beta: float, solvers: tuple[str, ...] | None = None) -> list[Contestant]:
    """nonneg with those of the solvers that it has for this loss."""
    wanted = FIELDS[beta].solvers if solvers is None else solvers
    return [_nonneg(solver) for solver in wanted if solver and available(solver, beta)]
