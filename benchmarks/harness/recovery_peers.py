"""What other packages recover of planted spectra and profiles: run by their interpreter.

PYTHON recovery_peers.py NAME DATA.npz    writes `spectra` or `profiles` into DATA.npz
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

Data = dict[str, Any]


def mcrnmf_minvol(data: Data) -> Data:
    """Minimum volume with shares that sum up to 1, by mcrnmf, from its own SNPA."""
    from mcrnmf import models

    X, rank = data["X"].T, len(data["H"])
    start = models.SNPA(rank=rank)
    start.fit(X)
    model = models.MinVol(
        rank=rank, constraint_kind=4, iter_max=5000, tol=1e-6,
        lambdaa=float(data["weight"]),
    )  # fmt: skip
    model.fit(X, start.W, start.H)
    return {"spectra": model.W.T}


def mcrnmf_unimodal(data: Data) -> Data:
    """Profiles with one peak each, by mcrnmf."""
    from mcrnmf import models

    model = models.FroALS(rank=3, unimodal={"W": True}, iter_max=1000, tol=1e-6)
    model.fit(data["X"], data["W0"], data["H0"])
    return {"profiles": model.W}


def pymcr_plain(data: Data) -> Data:
    """Alternating least squares, non-negative, by pymcr."""
    return _pymcr(data["X"], data["H0"])


def pymcr_known(data: Data) -> Data:
    """The same beside one spectrum that is known."""
    known = data["H"][1]
    others = np.delete(data["H0"], _likest(known, data["H0"]), axis=0)
    return _pymcr(data["X"], np.vstack([known, others]), st_fix=[0])


def _likest(known: Any, spectra: Any) -> int:
    return int(np.argmax(spectra @ known / np.linalg.norm(spectra, axis=1)))


def _pymcr(X: Any, ST: Any, **options: Any) -> Data:
    from pymcr.mcr import McrAR

    model = McrAR(max_iter=1000, st_regr="NNLS", c_regr="NNLS", tol_increase=10)
    model.fit(X, ST=ST, **options)
    return {"profiles": model.C_opt_}


if __name__ == "__main__":
    found = globals()[sys.argv[1]](dict(np.load(sys.argv[2])))
    np.savez(sys.argv[2], **found)
