"""Peers that fit incomplete matrices, each in a process of the interpreter that has it.

    PYTHON benchmarks/harness/gap_peers.py NAME FILE.npz

FILE holds the ratings to fit (rows, columns, values), those to predict (test_rows, …) or a
dense X with NaN, and the parameters. Prints a JSON object: seconds, rmse or objective.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np


def surprise(data: Any) -> dict[str, float]:
    """scikit-surprise's NMF, its default 50 epochs."""
    import pandas as pd
    from surprise import NMF, Dataset, Reader

    frame = pd.DataFrame({c: data[c] for c in ("rows", "columns", "values")})
    train = Dataset.load_from_df(
        frame, Reader(rating_scale=(1, 5))
    ).build_full_trainset()
    began = time.perf_counter()
    model = NMF(n_factors=int(data["k"]), random_state=0).fit(train)
    seconds = time.perf_counter() - began
    test = zip(
        data["test_rows"], data["test_columns"], data["test_values"], strict=True
    )
    errors = [model.predict(int(u), int(i)).est - r for u, i, r in test]
    return {"seconds": seconds, "rmse": float(np.sqrt(np.mean(np.square(errors))))}


def cmfrec(data: Any) -> dict[str, float]:
    """cmfrec's non-negative ALS, penalties scaled by the number of ratings."""
    import pandas as pd
    from cmfrec import CMF

    frame = pd.DataFrame(
        {
            "UserId": data["rows"],
            "ItemId": data["columns"],
            "Rating": data["values"].astype(np.float32),
        }
    )
    model = CMF(
        k=int(data["k"]), lambda_=float(data["alpha"]), scale_lam=True, nonneg=True,
        niter=int(data["iterations"]), user_bias=False, item_bias=False, center=False,
        use_float=True, nthreads=int(data["threads"]), random_state=0, verbose=False,
        precompute_for_predictions=False,
    )  # fmt: skip
    began = time.perf_counter()
    model.fit(frame)
    seconds = time.perf_counter() - began
    predicted = model.predict(data["test_rows"], data["test_columns"])
    error = np.asarray(predicted, dtype=np.float64) - data["test_values"]
    return {"seconds": seconds, "rmse": float(np.sqrt(np.mean(error**2)))}


def wnmf(data: Any) -> dict[str, float]:
    """wNMF's multiplicative updates with a mask; seconds of `iterations` of them."""
    from wNMF import wNMF

    X = data["X"].astype(np.float64)
    weights = (~np.isnan(X)).astype(np.float64)
    model = wNMF(
        n_components=int(data["k"]), max_iter=int(data["iterations"]), tol=1e-300,
        random_state=0, verbose=0,
    )  # fmt: skip
    X = np.where(weights > 0, X, 0)
    began = time.perf_counter()
    model.fit(X.T, weights.T)
    seconds = time.perf_counter() - began
    product = np.asarray(model.components_ @ model.coefficients_)
    return {
        "seconds": seconds,
        "objective": 0.5 * float(np.sum(weights.T * (X.T - product) ** 2)),
    }


PEERS = {"surprise": surprise, "cmfrec": cmfrec, "wnmf": wnmf}

if __name__ == "__main__":
    with np.load(sys.argv[2]) as arrays:
        print(json.dumps(PEERS[sys.argv[1]](dict(arrays))))
