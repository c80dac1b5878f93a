"""Topics of a fit, tables of its components, pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..base.lazy_names import lazy_names

if TYPE_CHECKING:
    from .holding_out import holdout
    from .plotting import plot_components, plot_factors, plot_history
    from .report import format_components, list_components, summarize
    from .topics import (
        held_out_perplexity,
        perplexity,
        poisson_log_likelihood,
        topic_distributions,
    )

__all__ = [
    "format_components",
    "held_out_perplexity",
    "holdout",
    "list_components",
    "perplexity",
    "plot_components",
    "plot_factors",
    "plot_history",
    "poisson_log_likelihood",
    "summarize",
    "topic_distributions",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "format_components": ".report",
        "held_out_perplexity": ".topics",
        "holdout": ".holding_out",
        "list_components": ".report",
        "perplexity": ".topics",
        "plot_components": ".plotting",
        "plot_factors": ".plotting",
        "plot_history": ".plotting",
        "poisson_log_likelihood": ".topics",
        "summarize": ".report",
        "topic_distributions": ".topics",
    },
)
