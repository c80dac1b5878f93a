"""Fits by packages that need not be beside nonneg: run by their interpreter, prints JSON.

PYTHON constraint_peers.py NAME DATA.npz
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

REPEATS = 5
DELTA = 0.1
"""What mcrnmf adds to the diagonal under the logarithm of the volume."""
Result = dict[str, Any]


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Median of the seconds of some runs, and what the last one returned."""
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - began)
    return median(seconds), result


def pymcr(path: str) -> Result:
    """Alternating least squares of pymcr's demo: concentrations that sum up to 1."""
    from pymcr.constraints import ConstraintNonneg, ConstraintNorm
    from pymcr.mcr import McrAR

    data = np.load(path)

    def run() -> Any:
        model = McrAR(
            max_iter=100, st_regr="NNLS", c_regr="NNLS",
            c_constraints=[ConstraintNonneg(), ConstraintNorm()],
        )  # fmt: skip
        model.fit(data["X"], ST=data["H"])
        return model

    seconds, model = timed(run)
    error = data["X"] - model.C_opt_ @ model.ST_opt_
    return {"seconds": seconds, "loss": float(0.5 * np.sum(error**2))}


def pysptools(path: str) -> Result:
    """Shares of known materials that sum up to 1, by pysptools."""
    from pysptools.abundance_maps.amaps import FCLS

    data = np.load(path)
    X, H = data["X"], data["H"]
    seconds, W = timed(lambda: FCLS(X, H))
    return {"seconds": seconds, "loss": float(0.5 * np.sum((X - W @ H) ** 2))}


def mcrnmf(path: str) -> Result:
    """Raman spectra of a reaction, the example of mcrnmf: shares that sum up to at most 1."""
    return _mcrnmf(path, "FroALS")


def mcrnmf_volume(path: str) -> Result:
    """The example of mcrnmf by its fit of minimum volume, whose penalty is part of the loss.

    The weight of the penalty is one that the fit chooses; it is found by the last objective.
    """
    result = _mcrnmf(path, "MinVol")
    data = np.load(path)
    W, penalised = data["fitted_W"], 0.5 * result.pop("penalised")
    volume = float(np.linalg.slogdet(W.T @ W + DELTA * np.eye(4))[1])
    weight = (penalised - result["loss"]) / (0.5 * volume)
    # less a constant, so that the penalty is 0 where W is
    loss = penalised - 0.5 * weight * 4 * np.log(DELTA)
    return result | {"loss": loss, "weight": weight, "delta": DELTA}


def _mcrnmf(path: str, name: str) -> Result:
    from mcrnmf import models
    from mcrnmf.datasets import load_rxn_spectra

    X, _, _ = load_rxn_spectra()
    start = models.SNPA(rank=4)
    start.fit(X)
    more = {"lambdaa": 1e-3, "delta": DELTA} if name == "MinVol" else {}

    def run() -> Any:
        kind = getattr(models, name)
        model = kind(rank=4, constraint_kind=1, iter_max=2000, tol=1e-4, **more)
        model.fit(X, start.W, start.H)
        return model

    seconds, model = timed(run)
    error = X - model.W @ model.H
    np.savez(path, X=X, W=start.W, H=start.H, fitted_W=model.W, fitted_H=model.H)
    result = {"seconds": seconds, "loss": float(0.5 * np.sum(error**2))}
    if name == "MinVol":
        result["penalised"] = float(model.rel_loss_ls[-1] ** 2 * np.sum(X**2))
    return result


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](sys.argv[2])))
