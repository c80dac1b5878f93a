"""Other libraries at the start line, where they are installed.

None reports an objective or can be heard, so that they are run again and again with more
iterations (see `contestants.run_again_and_again`). One that fails is left out.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from harness.contestants import Contestant, Result, run_again_and_again
from harness.problems import Limits, Problem

Fit = Callable[[Problem, int], tuple[Any, Any]]


def _dense(problem: Problem) -> Any:
    """X for libraries that take arrays only."""
    if sp.issparse(problem.X):
        raise NotImplementedError("takes no sparse matrix")
    return problem.X


def nimfa(problem: Problem, n_iter: int) -> tuple[Any, Any]:
    """nimfa's multiplicative updates; its other methods need NumPy 1."""
    import nimfa

    model = nimfa.Nmf(
        sp.csr_matrix(problem.X),  # an array becomes an np.matrix, gone from NumPy 2
        seed=None,
        W=problem.W.copy(),
        H=problem.H.copy(),
        rank=problem.k,
        max_iter=n_iter,
        min_residuals=0,
        update="euclidean",
        objective="fro",
    )
    fitted = model()
    factors = (fitted.basis(), fitted.coef())
    W, H = (f.toarray() if sp.issparse(f) else np.asarray(f) for f in factors)
    return W, H


def gensim(problem: Problem, n_passes: int) -> tuple[Any, Any]:
    """gensim's online NMF; the weights of the documents it leaves to be found."""
    from gensim.models.nmf import Nmf

    model = Nmf(
        sp.csc_matrix(problem.X.T),
        num_topics=problem.k,
        id2word={i: str(i) for i in range(problem.X.shape[1])},
        passes=n_passes,
        eval_every=None,
        random_state=problem.seed,
    )
    basis = model._W  # get_topics() scales them
    H = np.asarray(basis.toarray() if sp.issparse(basis) else basis).T
    return None, np.ascontiguousarray(H, dtype=problem.X.dtype)


def nonnegfac(problem: Problem, n_iter: int) -> tuple[Any, Any]:
    """Block principal pivoting of nonnegfac."""
    from nonnegfac.nmf import NMF_ANLS_BLOCKPIVOT

    init = (problem.W.copy(), problem.H.T.copy())
    W, Ht, _ = NMF_ANLS_BLOCKPIVOT().run(
        problem.X, problem.k, init=init, max_iter=n_iter, verbose=0
    )
    return np.asarray(W), np.asarray(Ht).T


def torchnmf(problem: Problem, n_iter: int) -> tuple[Any, Any]:
    """torchnmf's multiplicative updates, on the CPU."""
    import torch
    from torchnmf.nmf import NMF

    torch.set_num_threads(problem.threads)
    X = torch.from_numpy(_dense(problem))
    start = torch.from_numpy(problem.H.T.copy()), torch.from_numpy(problem.W.copy())
    model = NMF(W=start[0], H=start[1])
    model.fit(X, beta=2, tol=0, max_iter=n_iter)
    return model.H.detach().numpy(), model.W.detach().numpy().T


def nmf_torch(problem: Problem, n_iter: int) -> tuple[Any, Any]:
    """nmf-torch's HALS on the CPU, from its own random start."""
    from nmf import run_nmf

    W, H, _ = run_nmf(
        _dense(problem),
        problem.k,
        init="random",
        algo="hals",
        tol=0,
        n_jobs=problem.threads,
        random_state=problem.seed,
        fp_precision="float" if problem.X.dtype == np.float32 else "double",
        batch_max_iter=n_iter,
    )
    return W, H


FITS: dict[str, tuple[Fit, str, bool]] = {
    "nimfa": (nimfa, "nimfa", True),
    "gensim": (gensim, "gensim", False),
    "nonnegfac": (nonnegfac, "nonnegfac", True),
    "torchnmf": (torchnmf, "torchnmf", True),
    "nmf-torch": (nmf_torch, "nmf", False),
}
"""How to fit, the module to import, and whether it takes the common start."""
PACKAGES = ("nimfa", "gensim", "nonnegfac", "torchnmf", "nmf-torch", "torch")
"""Whose versions are kept with the results."""


def _with_weights(problem: Problem, W: Any, H: Any) -> tuple[Any, Any]:
    """Where a library gives no W: that of 50 of scikit-learn's sweeps, in no one's time."""
    if W is not None:
        return W, H
    from sklearn.decomposition import non_negative_factorization

    W, H, _ = non_negative_factorization(
        problem.X,
        H=H,
        n_components=problem.k,
        init=None,
        update_H=False,
        tol=0,
        max_iter=50,
    )
    return W, H


def _contestant(name: str, fit: Fit, same_start: bool) -> Contestant:
    def run(problem: Problem, limits: Limits) -> Result:
        return run_again_and_again(
            problem,
            limits,
            lambda n_iter: fit(problem, n_iter),
            lambda W, H: _with_weights(problem, W, H),
        )

    return Contestant(name, run, same_start, tasks=("fit",))


def installed() -> list[Contestant]:
    """Those that can be imported."""
    return [
        _contestant(name, fit, same_start)
        for name, (fit, module, same_start) in FITS.items()
        if importlib.util.find_spec(module) is not None
    ]
