"""Cases of bad input: errors with their sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import scipy.sparse as sp

import nonneg
from nonneg import NMF, MiniBatchNMF, non_negative_factorization
from nonneg.stores import as_dask, by_rows, open_store
from recording.data import (
    K,
    factors,
    folder,
    hdf5,
    in_blocks,
    mapped,
    rows,
)
from recording.fits import fitted, model, named
from recording.groups import Case, group

BAD_PARAMETERS: list[dict[str, Any]] = [
    {"n_components": 0}, {"n_components": "x"}, {"n_components": 1.5}, {"init": "x"},
    {"init": "nndsvd", "n_components": 50}, {"solver": "x"}, {"solver": None},
    {"tol": -1}, {"tol": float("nan")}, {"max_iter": 0}, {"random_state": "x"},
    {"alpha": -1}, {"l1_ratio": 2}, {"verbose": -1}, {"shuffle": "x"},
    {"nls_max_iter": 0}, {"sparseness": "both"}, {"beta": -1}, {"eta": "x"},
    {"regularization": "data"}, {"alpha_W": -1}, {"alpha_H": "x"}, {"max_time": 0},
    {"callback": 1}, {"n_threads": 0}, {"n_init": 0}, {"compress": "x"}, {"blocks": 0},
    {"memory_limit": "much"}, {"memory_limit": "1KB"}, {"checkpoint": 3},
    {"checkpoint": "/no/such/folder/fit"}, {"checkpoint_every": 0}, {"resume": True},
    {"accelerate": True}, {"alpha": 0.5, "alpha_W": 0.1}, {"beta_loss": 1},
    {"beta_loss": "x"}, {"solver": "sn", "beta_loss": 2}, {"solver": "pg", "compress": True},
    {"solver": "mu", "beta_loss": 0}, {"solver": "hals", "blocks": 2, "compress": True},
    {"init": "custom"},
]  # fmt: skip
BAD_INPUTS: dict[str, Callable[[Any], Any]] = {
    "negative": lambda X: X - 1,
    "infinite": lambda X: X + np.inf,
    "NaN": lambda X: X * np.nan,
    "1d": lambda X: X[0],
    "number": lambda X: 3.0,  # noqa: ARG005
    "None": lambda X: None,  # noqa: ARG005
    "3d": lambda X: X[None],
    "no rows": lambda X: X[:0],
    "no columns": lambda X: X[:, :0],
    "complex": lambda X: X + 1j,
    "texts": lambda X: X.astype(str),
    "ragged": lambda X: [[1, 2], [3]],  # noqa: ARG005
    "dates": lambda X: X.astype("M8[s]"),
    "masked": lambda X: np.ma.masked_equal(X, X[0, 0]),
    "CSR negative": lambda X: sp.csr_array(-X),
    "CSC NaN": lambda X: sp.csc_array(X * np.nan),
    "memmap negative": lambda X: mapped(X - 1),
    "memmap NaN": lambda X: mapped(X * np.nan),
    "HDF5 negative": lambda X: hdf5(X - 1),
    "HDF5 NaN": lambda X: hdf5(X * np.nan),
    "function negative": lambda X: in_blocks(X - 1),
    "function of nothing": lambda X: lambda: iter(()),  # noqa: ARG005
    "function of other widths": lambda X: lambda: iter([X, X[:, 1:]]),
    "Dask 3d": lambda X: da.from_array(X[None]),
    "Dask NaN": lambda X: da.from_array(X * np.nan),
    "no such file": lambda X: Path("/no/such/file.h5"),  # noqa: ARG005
    "dictionary": lambda X: {"a": 1},  # noqa: ARG005
    "iterator": lambda X: iter([X]),
}
BAD_FACTORS: dict[str, Callable[[Any], Any]] = {
    "first": lambda A: A[:-1],
    "second": lambda A: A[:, 1:],
    "negative": lambda A: -A,
    "zeros": lambda A: 0 * A,
    "NaN": lambda A: A * np.nan,
    "1d": lambda A: A[0],
    "sparse": sp.csr_array,
    "float32": lambda A: A.astype("f4"),
    "None": lambda A: None,  # noqa: ARG005
}


@group
def refused() -> Iterator[Case]:
    """Cases with refused inputs: their errors with the sentences."""
    X = rows(20, 12, float, 8) + 0.01
    X[3, 4], (W, H), custom = 0, factors((20, 12)), {"init": "custom"}
    for more in BAD_PARAMETERS:
        yield f"NMF/{named(more)}", partial(fitted, X, **{"solver": "cd", **more})
    calls: dict[str, Callable[[Any], Any]] = {
        "NMF": lambda A: fitted(A, "hals"),
        "function": lambda A: non_negative_factorization(A, n_components=K),
        "transform": lambda A: model("hals").fit(X).transform(A),
        "batches": lambda A: MiniBatchNMF(K, random_state=0, max_iter=2).fit(A),
        "initialize": lambda A: nonneg.initialize(A, 2),
        "nnls": lambda A: nonneg.nnls(A, np.ones(20)),
        "error": lambda A: nonneg.reconstruction_error(A, W, H),
        "divergence": lambda A: nonneg.beta_divergence(A, W, H, 1),
    }
    for what, call in calls.items():
        for name, make in BAD_INPUTS.items():
            # others than these two don't take Dask arrays
            if what in ("NMF", "function") or not name.startswith("Dask"):
                yield f"{what}/{name}", lambda call=call, make=make: call(make(X))
    names = {"no file": "/no/such/file.h5", "a text": __file__}
    names |= {"inside a text": f"{__file__}::/X", "an empty folder": str(folder())}
    for at, name in names.items():
        yield f"open_store/{at}", lambda name=name: open_store(name)
        yield f"by_rows/{at}", lambda name=name: by_rows(name)
        yield f"as_dask/{at}", lambda name=name: as_dask(name)
    for name, out in {"other shape": W[1:], "list": W.tolist(), "text": "x"}.items():
        yield f"out/{name}", lambda A=out: model("hals").fit(X).transform(X, out=A)
    for name, make in BAD_FACTORS.items():
        yield f"W/{name}", lambda m=make: fitted(X, "cd", (m(W), H), **custom)
        yield f"H/{name}", lambda m=make: fitted(X, "cd", (W, m(H)), **custom)
        yield f"unused W/{name}", lambda m=make: fitted(X, "cd", (m(W), None))
        fixed_H = partial(non_negative_factorization, X, None, update_H=False)
        yield f"fixed H/{name}", lambda m=make, call=fixed_H: call(m(H), K)
    yield "not fitted", lambda: NMF().transform(X)
    yield "other width", lambda: model("cd").fit(X).transform(X[:, 1:])
    yield "inverse_transform", lambda: model("cd").fit(X).inverse_transform(X)
    for more in ({"batch_size": 0}, {"forget_factor": 2}, {"transform_max_iter": 0},
                 {"max_no_improvement": 0}, {"exact_statistics": True, "beta_loss": 1},
                 {"beta_loss": 0}, {"fresh_restarts": 1.5}):  # fmt: skip
        work = lambda more=more: MiniBatchNMF(K, **more).fit(X)
        yield f"batches/{named(more)}", work
