"""Cases of public functions: starts, least squares, measures, files of models."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp

import nonneg
from recording.data import (
    DTYPES,
    IN_MEMORY,
    LOCAL,
    K,
    factors,
    folder,
    given,
    rows,
)
from recording.fits import INITS, SOLVERS, model
from recording.groups import Case, group


@group
def starts() -> Iterator[Case]:
    """`initialize`, for every start, storage and dtype."""
    for storage in ("dense C", "dense F", "CSR", "CSC", "COO", "CSR int64"):
        for dtype in DTYPES:
            for init in INITS:
                for k in (1, K, 20):
                    X = given(storage, 300, 60, dtype, 2)
                    name = f"{storage}/{dtype}/{init}/k={k}"
                    work = partial(nonneg.initialize, X, k, init, random_state=3)
                    yield name, work
            work = partial(nonneg.initialize, X, 4, "nndsvd", 0.1, random_state=3)
            yield f"{storage}/{dtype}/eps", work


@group
def nnls() -> Iterator[Case]:
    """Least squares: dense, sparse, dependent and badly scaled, with every option."""
    rng = np.random.default_rng(11)
    A, B = rng.standard_normal((80, 12)), rng.standard_normal((80, 50))
    C, D = rng.random((80, 12)) * (rng.random((80, 12)) < 0.4), rows(80, 50, float, 12)
    bad = np.column_stack([A, A[:, :3] * (1 + 1e-9) + 1e-10 * A[:, 3:6]])
    systems = {
        "dense": (A, B), "dependent": (bad, B), "sparse A": (sp.csr_array(C), D),
        "sparse B": (A, sp.csc_array(D)), "sparse": (sp.csc_array(C), sp.csr_array(D)),
        "float32": (A.astype("f4"), B.astype("f4")), "vector": (A, B[:, 0]),
        "wide": (B.T, rng.standard_normal((50, 3))),
        "scaled": (A * np.logspace(-9, 9, 12), B), "many": (A, np.tile(B, (1, 50))),
        "empty column": (A * (np.arange(12) != 4), B), "one": (A[:, :1], B),
    }  # fmt: skip
    for name, (left, right) in systems.items():
        m, n = left.shape
        upper, weights = np.resize([np.inf, 0.0, 0.05, 0.1], n), np.linspace(0, 2, m)
        ways: list[dict[str, Any]] = [
            {}, {"l1": 0.3}, {"l2": 0.5}, {"l1": 0.1, "l2": 0.1}, {"upper_bound": 0.1},
            {"upper_bound": upper}, {"weights": weights},
            {"X0": np.ones((n, *right.shape[1:]))},
            {"n_threads": 2, "weights": weights, "upper_bound": 0.1, "l1": 0.1},
        ]  # fmt: skip
        for i, more in enumerate(ways):
            work = partial(nonneg.nnls, left, right, return_info=True, **more)
            yield f"{name}/{i}", work
        yield f"{name}/alone", partial(nonneg.nnls, left, right)


@group
def subproblems() -> Iterator[Case]:
    """`nls_subproblem` and `projected_gradient_update`."""
    solve, update = nonneg.nls_subproblem, nonneg.projected_gradient_update
    ways: list[tuple[float, int, dict[str, float]]] = [
        (1e-3, 50, {}),
        (0.1, 3, {"alpha": 0.5, "l1_ratio": 0.3}),
        (1e-6, 500, {"sigma": 0.1, "beta": 0.5}),
    ]
    for dtype in DTYPES:
        for storage in ("dense C", "dense F", "CSR", "CSC"):
            given_X = (given(storage, 300, 60, dtype, 2), *factors((300, 60), K, dtype))
            for tol, n, more in ways:
                name = f"nls_subproblem/{storage}/{dtype}/{tol}"
                yield name, partial(solve, *given_X, tol, n, **more)
            for factor in ("W", "H"):
                for sparse in (None, "data", "components"):
                    name = f"update/{storage}/{dtype}/{factor}/{sparse}"
                    numbers = (1e-3, 60, 0.2, 0.5, sparse, 2.0, 0.3)
                    yield name, partial(update, *given_X, *numbers, factor=factor)


@group
def measures() -> Iterator[Case]:
    """Errors, divergences, sparseness, topics, files of models."""
    betas = (0, 0.5, 1, 1.5, 2, 3, -1, "frobenius", "kullback-leibler", "itakura-saito")
    for storage in LOCAL:
        for dtype in DTYPES:
            X, (W, H) = given(storage, 300, 60, dtype, 2), factors((300, 60), K, dtype)
            where = f"{storage}/{dtype}"
            yield f"error/{where}", partial(nonneg.reconstruction_error, X, W, H)
            for beta in betas:
                for root in (False, True):
                    work = partial(nonneg.beta_divergence, X, W, H, beta, root)
                    yield f"divergence/{where}/{beta}/{root}", work
            if storage in IN_MEMORY:
                yield f"hoyer_sparseness/{where}", partial(nonneg.hoyer_sparseness, X)
    counts, (W, H) = np.floor(rows(300, 60, float, 2)), factors((300, 60))
    fit = model("sn", tol=0).fit(counts)
    yield "topic_distributions", partial(nonneg.topic_distributions, W, H)
    yield "inverse_transform", partial(fit.inverse_transform, W)
    yield "names", partial(fit.get_feature_names_out)
    for name, X in (("dense", counts), ("CSR", sp.csr_array(counts))):
        work = partial(nonneg.poisson_log_likelihood, X, W, H)
        yield f"poisson_log_likelihood/{name}", work
        for s in (0.0, 0.01):
            yield f"perplexity/{name}/{s}", partial(nonneg.perplexity, X, W, H, s)
        work = partial(nonneg.held_out_perplexity, fit, X, random_state=0)
        yield f"held_out_perplexity/{name}", work

    def read_back(solver: str) -> Any:
        path, X = folder() / "model.npz", rows(300, 60, float, 2)
        nonneg.save(model(solver).fit(X), path)
        read = nonneg.load(path)
        return {"model": read, "new": read.transform(X), "params": read.get_params()}

    for solver in SOLVERS:
        yield f"save and load/{solver}", partial(read_back, solver)
