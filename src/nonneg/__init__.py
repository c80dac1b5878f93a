"""Non-negative matrix factorization: X ≈ W·H with W, H ≥ 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

from .base.lazy_names import lazy_names
from .config import show_config
from .estimators.functional import non_negative_factorization
from .estimators.minibatch_nmf import MiniBatchNMF
from .estimators.nmf import NMF
from .initialization import initialize
from .least_squares.projected_gradient import (
    hoyer_sparseness,
    nls_subproblem,
    projected_gradient_update,
)
from .losses.metrics import beta_divergence, reconstruction_error

if TYPE_CHECKING:
    from .analysis.holding_out import holdout
    from .analysis.topics import (
        held_out_perplexity,
        perplexity,
        poisson_log_likelihood,
        topic_distributions,
    )
    from .io.model_files import load, save
    from .least_squares.solve import nnls

__all__ = [
    "NMF",
    "MiniBatchNMF",
    "__version__",
    "beta_divergence",
    "held_out_perplexity",
    "holdout",
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
    "held_out_perplexity": ".analysis.topics",
    "holdout": ".analysis.holding_out",
    "load": ".io.model_files",
    "nnls": ".least_squares.solve",
    "perplexity": ".analysis.topics",
    "poisson_log_likelihood": ".analysis.topics",
    "save": ".io.model_files",
    "topic_distributions": ".analysis.topics",
}
"""Modules of the names that most programs never use, imported when first asked for."""


__getattr__, __dir__ = lazy_names(__name__, _ON_DEMAND)
