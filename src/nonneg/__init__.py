"""Non-negative matrix factorization: X ≈ W·H with W, H ≥ 0."""

from __future__ import annotations

__version__ = "0.1.0"

from .config import show_config
from .estimators import NMF
from .factorization import non_negative_factorization, reconstruction_error
from .initialization import initialize
from .nnls import hoyer_sparseness, nls_subproblem, projected_gradient_update
from .persistence import load, save

__all__ = [
    "NMF",
    "__version__",
    "hoyer_sparseness",
    "initialize",
    "load",
    "nls_subproblem",
    "non_negative_factorization",
    "projected_gradient_update",
    "reconstruction_error",
    "save",
    "show_config",
]
