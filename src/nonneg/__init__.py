"""Non-negative matrix factorization: X ≈ W·H with W, H ≥ 0."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

from .config import show_config
from .estimators import NMF
from .factorization import non_negative_factorization
from .initialization import initialize
from .minibatch import MiniBatchNMF
from .projected_gradient import (
    hoyer_sparseness,
    nls_subproblem,
    projected_gradient_update,
)
from .reconstruction import beta_divergence, reconstruction_error

if TYPE_CHECKING:
    from .least_squares import nnls
    from .persistence import load, save
    from .topics import (
        held_out_perplexity,
        perplexity,
        poisson_log_likelihood,
        topic_distributions,
    )

__all__ = [
    "NMF",
    "MiniBatchNMF",
    "__version__",
    "beta_divergence",
    "held_out_perplexity",
    "hoyer_sparseness",
    "initialize",
    "load",
    "nls_subproblem",
    "nnls",
    "non_negative_factorization",
    "perplexity",
    "poisson_log_likelihood",
    "projected_gradient_update",
    "reconstruction_error",
    "save",
    "show_config",
    "topic_distributions",
]

_ON_DEMAND = {
    "held_out_perplexity": ".topics",
    "load": ".persistence",
    "nnls": ".least_squares",
    "perplexity": ".topics",
    "poisson_log_likelihood": ".topics",
    "save": ".persistence",
    "topic_distributions": ".topics",
}
"""Names that most programs never use: imported when they are first asked for."""


def __getattr__(name: str) -> Any:
    if name not in _ON_DEMAND:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(_ON_DEMAND[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
