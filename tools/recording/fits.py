"""Cases of fits in memory, out of core and by batches."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from nonneg import NMF, MiniBatchNMF, non_negative_factorization
from recording.data import (
    DTYPES,
    LOCAL,
    MAX_ITER,
    SHAPE,
    STORAGES,
    K,
    factors,
    folder,
    given,
    rows,
)
from recording.groups import Case, group
from recording.outcomes import parts

SOLVERS: dict[str, dict[str, Any]] = {
    "cd": {},
    "hals": {},
    "bpp": {},
    "pg": {"nls_max_iter": 100},
    "mu": {},
    "mu, beta=1": {"solver": "mu", "beta_loss": 1},
    "mu, beta=0.5": {"solver": "mu", "beta_loss": 0.5},
    "sn": {"beta_loss": 1},
    "auto": {},
    "auto, beta=1": {"solver": "auto", "beta_loss": 1},
}
FAST = ("cd", "hals", "bpp", "pg", "mu", "sn")
INITS = (None, "random", "nndsvd", "nndsvda", "nndsvdar", "nnsvd-lrc")
PENALTIES = (
    *({"alpha": 0.3, "regularization": r} for r in ("both", "components")),
    {"alpha": 0.3, "l1_ratio": 0.5, "regularization": "transformation"},
    {"alpha": 0.3, "l1_ratio": 1.0},
    {"alpha_W": 0.001, "l1_ratio": 0.5},
    {"alpha_W": 0.0, "alpha_H": 0.002, "l1_ratio": 1.0},
    {"alpha_W": 0.001, "alpha_H": 0.0},
)
OPTIONS: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    *((("cd", "hals", "mu", "sn"), {"init": init}) for init in INITS),
    *((FAST, penalty) for penalty in PENALTIES),
    *(
        (("mu",), {"beta_loss": beta, "accelerate": accelerate})
        for beta in (0, 0.5, 1, 1.5, 2, 3, "kullback-leibler", "itakura-saito", -1)
        for accelerate in (False, True)
    ),
    (("mu",), {"beta_loss": 1.5, "accelerate": True, "alpha_W": 0.001}),
    *((("pg",), {"sparseness": s}) for s in ("data", "components")),
    (("pg",), {"sparseness": "data", "beta": 3.0, "eta": 0.5, "alpha": 0.2}),
    (("cd",), {"shuffle": True}),
    (FAST, {"n_init": 3}),
    (FAST, {"tol": 0, "max_iter": 3}),
    (FAST, {"tol": 0.01, "max_iter": 100}),
    (("cd", "hals", "bpp"), {"compress": True}),
    (("hals", "bpp"), {"compress": "auto", "n_components": 1}),
    (("cd", "hals"), {"blocks": 4}),
    (("hals",), {"blocks": 4, "n_init": 2}),
    (("hals",), {"blocks": 4, "alpha_W": 0.001}),
    (("auto",), {"blocks": 4}),
    (("hals",), {"memory_limit": "1GB"}),
    (("auto", "sn", "cd"), {"accelerate": True}),
    (("auto",), {"beta_loss": 1.5}),
]
BATCHES: list[dict[str, Any]] = [
    *({"init": init} for init in INITS),
    *({"beta_loss": beta} for beta in (0, 0.5, 1, 1.5)),
    {"alpha_W": 0.001, "alpha_H": 0.01, "l1_ratio": 0.5},
    {"forget_factor": 0.3, "tol": 0, "max_no_improvement": None},
    {"fresh_restarts": True},
    {"exact_statistics": True},
    {"exact_statistics": True, "fresh_restarts": True, "alpha_W": 0.001},
    {"exact_statistics": True, "init": "nndsvd", "batch_size": 1024},
    {"beta_loss": 1, "fresh_restarts": True, "transform_max_iter": 7},
]


def model(solver: str, **options: Any) -> NMF:
    """An estimator with the options that all cases share."""
    shared = {"n_components": K, "solver": solver, "init": "random", "random_state": 0}
    shared |= {
        "max_iter": MAX_ITER,
        "n_threads": 1,
        **SOLVERS.get(solver, {}),
        **options,
    }
    return NMF(**shared)


def fitted(X: Any, solver: str, start: Any = (None, None), **options: Any) -> Any:
    """Fit a model; return W and the fitted model."""
    fit = model(solver, **options)
    return {"W": fit.fit_transform(X, W=start[0], H=start[1]), "model": fit}


def named(options: dict[str, Any]) -> str:
    """Options as they are called."""
    return ", ".join(f"{name}={value}" for name, value in options.items())


@group
def storages() -> Iterator[Case]:
    """Every solver on every storage, and its transform of new rows."""

    def run(storage: str, dtype: str, solver: str) -> Any:
        fit = fitted(given(storage, *SHAPE, dtype), solver)
        new = given(storage, 70, SHAPE[1], dtype, 1)
        return {**fit, "new": fit["model"].transform(new)}

    for storage in STORAGES:
        for dtype in DTYPES:
            for solver in SOLVERS:
                yield (
                    f"{storage}/{dtype}/{solver}",
                    partial(run, storage, dtype, solver),
                )


@group
def options() -> Iterator[Case]:
    """Every option, on a dense matrix without zeros and on CSR."""

    def run(storage: str, dtype: str, solver: str, options: dict[str, Any]) -> Any:
        share = 1.0 if storage == "dense C" else 0.3
        X = given(storage, 300, 60, dtype, 2, share)
        fit = fitted(X, solver, **options)
        return {**fit, "new": fit["model"].transform(X[5:40])}

    custom = {"init": "custom"}
    for storage in ("dense C", "CSR"):
        for dtype in DTYPES:
            where = f"{storage}/{dtype}"
            for solvers, more in OPTIONS:
                for solver in solvers:
                    work = partial(run, storage, dtype, solver, more)
                    yield f"{where}/{solver}/{named(more)}", work
            for solver in FAST:
                start = {"start": factors((300, 60), K, dtype), **custom}
                work = partial(run, storage, dtype, solver, start)
                yield f"{where}/{solver}/init=custom", work


@group
def fixed() -> Iterator[Case]:
    """W alone, by the function, and what else the function does."""

    def run(storage: str, dtype: str, solver: str, **more: Any) -> Any:
        shared = {"max_iter": MAX_ITER, "random_state": 0, "solver": solver}
        X, W_H = given(storage, 300, 60, dtype, 2), factors((300, 60), K, dtype)
        shared |= {"n_threads": 1, **SOLVERS[solver], **more}
        return non_negative_factorization(X, *W_H, K, **shared)

    for storage in ("dense C", "dense F", "CSR", "CSC", "memmap", "HDF5", "Dask"):
        for dtype in DTYPES:
            for solver in SOLVERS:
                work = partial(run, storage, dtype)
                where = f"{storage}/{dtype}/{solver}"
                yield f"{where}/H", partial(work, solver, update_H=False)
                yield f"{where}/custom", partial(work, solver, init="custom")
                both = {"update_H": False, "alpha_W": 0.001, "l1_ratio": 0.5}
                yield f"{where}/penalised H", partial(work, solver, **both)


@group
def threads() -> Iterator[Case]:
    """More blocks and slots than one, the same on one thread and on two."""

    def run(storage: str, args: tuple[Any, ...], solver: str, more: Any) -> Any:
        one, two = (
            fitted(given(storage, *args), solver, n_threads=n, **more) for n in (1, 2)
        )
        first, second = parts(one), parts(two)
        differing = sorted(name for name in first if first[name] != second[name])
        return {**one, "two threads differ in": ", ".join(differing)}

    for dtype in DTYPES:
        sparse, dense = (3000, 40, dtype, 4, 0.2), (2000, 300, dtype, 5, 1.0)
        for solver in SOLVERS:
            more = {"max_iter": 6 if solver == "pg" else MAX_ITER, "init": "nndsvda"}
            for storage, args in (
                ("CSR", sparse), ("CSC", sparse), ("dense C", dense), ("memmap", dense),
                ("HDF5", dense), ("CSR folder", sparse),
            ):  # fmt: skip
                work = partial(run, storage, args, solver, more)
                yield f"{storage}/{dtype}/{solver}", work
        for name, more in (
            ("blocks=4", {"blocks": 4}),
            ("compress", {"compress": True}),
        ):
            yield f"dense/{dtype}/{name}", partial(run, "dense C", dense, "hals", more)
            wide = (4000, 9, dtype, 6)
            yield f"tall/{dtype}/{name}", partial(run, "dense C", wide, "hals", more)


@group
def limited() -> Iterator[Case]:
    """Windows of a store, factors written to `out`, and W on disk."""

    def run(X: Any, dtype: str, limit: str, solver: str) -> Any:
        fit = fitted(X, solver, memory_limit=limit, max_iter=3)
        out, there = (np.full((2000, K), np.nan, dtype) for _ in range(2))
        fit["model"].transform(X, out=out)
        on_disk = model(solver, max_iter=3)
        on_disk.fit_transform(X, out=there)
        return {**fit, "out": out, "there": there, "on disk": on_disk}

    def large(solver: str) -> Any:
        X = given("memmap", 240_000, 8, "float64", 7, 1.0)
        more = {"n_components": 24, "memory_limit": "190MB", "max_iter": 2, "tol": 0}
        return fitted(X, solver, **more)

    for storage in ("memmap", "HDF5", "HDF5 CSR", "CSR folder", "function"):
        for dtype in DTYPES if storage == "memmap" else DTYPES[:1]:
            # the least that such a fit takes, and a little for windows of X
            limit = "40100KB" if "CSR" in storage else "38200KB"
            work = partial(run, given(storage, 2000, 300, dtype, 5), dtype, limit)
            for solver in SOLVERS:
                yield f"{storage}/{dtype}/{solver}", partial(work, solver)
        X = given(storage, 12_000, 8, "float64", 6, 0.7)
        yield f"{storage}/auto in blocks", partial(fitted, X, "auto", max_iter=4)
    for solver in ("cd", "hals", "bpp", "mu"):
        yield f"W on disk/{solver}", partial(large, solver)


@group
def batches() -> Iterator[Case]:
    """`MiniBatchNMF`: fits, single steps, streams, transforms."""

    def run(storage: str, dtype: str, how: str, more: dict[str, Any]) -> Any:
        shared = {"batch_size": 128, "max_iter": 4, "random_state": 0, "n_threads": 1}
        fit = MiniBatchNMF(K, **{**shared, **more})
        zeros = 0.5 if more.get("beta_loss", 2) else 1.0
        X = given(storage, *SHAPE, dtype, 0, zeros)
        found = {"model": fit}
        if how == "fit":
            found["W"] = fit.fit_transform(X)
        elif how == "stream":
            fit.fit(X[a : a + 90] for a in range(0, 600, 90))
        else:
            for a in range(0, 600, 150):
                fit.partial_fit(X[a : a + 150])
        new = given(storage, 70, SHAPE[1], dtype, 1, zeros)
        return {**found, "new": fit.transform(new)}

    for dtype in DTYPES:
        for storage in ("dense C", "CSR"):
            for how in ("fit", "steps", "stream"):
                for more in BATCHES:
                    name = f"{storage}/{dtype}/{how}/{named(more)}"
                    yield name, partial(run, storage, dtype, how, more)
        for storage in LOCAL:
            for more in ({}, {"exact_statistics": True}, {"beta_loss": 1}):
                name = f"{storage}/{dtype}/{named(more)}"
                yield name, partial(run, storage, dtype, "fit", more)


class Stopped(Exception):
    """Raised in a case to end its fit."""


@group
def resumed() -> Iterator[Case]:
    """Fits that end with an error, and go on from a checkpoint."""

    def stop(at: int, error: type[BaseException], iteration: Any) -> None:
        if iteration.n_iter == at:
            raise error

    def run(storage: str, solver: str, more: dict[str, Any]) -> Any:
        X, more = given(storage, 300, 60, "float64", 2), {"tol": 0, **more}
        to = {"checkpoint": folder() / "fit", "checkpoint_every": 1}
        with contextlib.suppress(Stopped):
            model(solver, callback=partial(stop, 6, Stopped), **to, **more).fit(X)
        return fitted(X, solver, **to, **more, resume=True)

    def interrupted(storage: str, solver: str) -> Any:
        fit = model(solver, callback=partial(stop, 4, KeyboardInterrupt), tol=0)
        with contextlib.suppress(KeyboardInterrupt):
            fit.fit(given(storage, 300, 60, "float64", 2))
        return fit

    def in_batches(storage: str, exact: bool) -> Any:
        shared = {"checkpoint": folder() / "fit", "checkpoint_every": 1, "max_iter": 5}
        shared |= {"exact_statistics": exact, "batch_size": 64, "random_state": 0}
        X = given(storage, 300, 60, "float64", 2)
        with contextlib.suppress(Stopped):
            MiniBatchNMF(K, callback=partial(stop, 7, Stopped), **shared).fit(X)
        fit = MiniBatchNMF(K, resume=True, **shared)
        return {"W": fit.fit_transform(X), "model": fit}

    for storage in ("dense C", "CSR", "CSC", "memmap", "HDF5", "Dask"):
        for solver in SOLVERS:
            yield f"{storage}/{solver}", partial(run, storage, solver, {})
            yield f"{storage}/{solver}/interrupt", partial(interrupted, storage, solver)
        for more in ({"n_init": 3}, {"blocks": 3}, {"compress": True}):
            yield f"{storage}/hals/{named(more)}", partial(run, storage, "hals", more)
        more = {"beta_loss": 1.5, "accelerate": True}
        yield f"{storage}/mu/accelerated", partial(run, storage, "mu", more)
        yield f"{storage}/cd/shuffled", partial(run, storage, "cd", {"shuffle": True})
        for exact in (False, True) if storage in LOCAL else ():
            yield f"{storage}/batches, {exact}", partial(in_batches, storage, exact)


@group
def odd() -> Iterator[Case]:
    """Inputs at the edge of what is allowed."""
    X, k = rows(40, 30, float, 3), {"n_components": 1}
    empty = X.copy()
    empty[[0, 7, 39]], empty[:, [0, 5, 29]] = 0, 0
    inputs: dict[str, tuple[Any, dict[str, Any]]] = {
        "zero rows and columns": (empty, {}),
        "zeros": (0 * X, {}),
        "one row": (X[:1], k),
        "one column": (X[:, 3:4], k),
        "one number": (X[:1, :1] + 1, k),
        "k=1": (X, k),
        "k above both": (X[:6, :4], {"n_components": 9}),
        "all components": (X[:, :7], {"n_components": None}),
        "k=64": (X, {"n_components": 64}),
        "huge": (X * 1e150, {}),
        "tiny": (X * 1e-150, {}),
        "float32 huge": ((X * 1e15).astype("f4"), {}),
        "float16": (X.astype("f2"), {}),
        "integers": ((X * 3).astype(int), {}),
        "uint8": ((X * 3).astype("u1"), {}),
        "bools": (X > 1, {}),
        "default init": (X, {"init": None}),
        "default init, k=30": (X, {"init": None, "n_components": 30}),
        "rank one": (np.outer(X[:, 1], X[2]), {}),
        "equal rows": (np.tile(X[:1], (20, 1)), {}),
        "list": (X.tolist(), {}),
        "big-endian": (X.astype(">f8"), {}),
        "frame": (pd.DataFrame(X[:, :3], columns=["a", "b", "c"]), k),
        "matrix": (sp.csr_matrix(X), {}),
    }
    for name, (A, more) in inputs.items():
        for solver in SOLVERS:
            yield f"{name}/{solver}", partial(fitted, A, solver, **more)
            if isinstance(A, np.ndarray) and A.dtype.kind == "f" and A.itemsize > 2:
                S = sp.csr_array(A.astype(A.dtype.newbyteorder("=")))
                yield f"{name}/CSR/{solver}", partial(fitted, S, solver, **more)
