"""Non-negative matrix factorization: X ≈ W·H with W, H ≥ 0."""

from __future__ import annotations

from .config import show_config
from .estimators import NMF
from .factorization import non_negative_factorization, reconstruction_error

__version__ = "0.1.0"

__all__ = [
    "NMF",
    "__version__",
    "non_negative_factorization",
    "reconstruction_error",
    "show_config",
]
