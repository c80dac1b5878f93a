"""Non-negative matrix factorization: X ≈ W·H with W, H ≥ 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

from .base.lazy_names import lazy_names
from .base.observed import EntryWeights
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
    from .estimators.imputer import NMFImputer
    from .estimators.joint_nmf import JointNMF
    from .estimators.symmetric_nmf import SymmetricNMF
    from .io.model_files import load, save
    from .least_squares.solve import nnls
    from .reporting.page import report, show
    from .selection.estimator import NMFCV
    from .selection.many_starts import consensus
    from .selection.matching import match_components, order_components
    from .selection.rank import select_rank
    from .selection.uncertainty import bootstrap

__all__ = [
    "NMF",
    "NMFCV",
    "EntryWeights",
    "JointNMF",
    "MiniBatchNMF",
    "NMFImputer",
    "SymmetricNMF",
    "__version__",
    "beta_divergence",
    "bootstrap",
    "consensus",
    "held_out_perplexity",
    "holdout",
    "hoyer_sparseness",
    "initialize",
    "load",
    "match_components",
    "nls_subproblem",
    "nnls",
    "non_negative_factorization",
    "order_components",
    "perplexity",
    "poisson_log_likelihood",
    "projected_gradient_update",
    "reconstruction_error",
    "report",
    "save",
    "select_rank",
    "show",
    "show_config",
    "topic_distributions",
]

_ON_DEMAND = {
    "JointNMF": ".estimators.joint_nmf",
    "NMFCV": ".selection.estimator",
    "NMFImputer": ".estimators.imputer",
    "SymmetricNMF": ".estimators.symmetric_nmf",
    "anndata": ".anndata",
    "bootstrap": ".selection.uncertainty",
    "consensus": ".selection.many_starts",
    "held_out_perplexity": ".analysis.topics",
    "holdout": ".analysis.holding_out",
    "load": ".io.model_files",
    "match_components": ".selection.matching",
    "nnls": ".least_squares.solve",
    "order_components": ".selection.matching",
    "perplexity": ".analysis.topics",
    "poisson_log_likelihood": ".analysis.topics",
    "report": ".reporting.page",
    "save": ".io.model_files",
    "select_rank": ".selection.rank",
    "show": ".reporting.page",
    "topic_distributions": ".analysis.topics",
}
"""Modules of the names that most programs never use, imported when first asked for."""


__getattr__, __dir__ = lazy_names(__name__, _ON_DEMAND)
