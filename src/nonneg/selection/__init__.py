"""Selection of the number of components, consensus of many starts, uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..base.lazy_names import lazy_names

if TYPE_CHECKING:
    from .estimator import NMFCV
    from .intervals import Intervals
    from .many_starts import Consensus, consensus
    from .matching import Matching, match_components, order_components
    from .rank import select_rank
    from .rank_selection import RankSelection
    from .spectra import SpectraConsensus, spectra_consensus
    from .stability import (
        amari_distance,
        cluster_runs,
        cophenetic_correlation,
        dispersion,
        silhouettes,
    )
    from .uncertainty import Uncertainty, bootstrap

__all__ = [
    "NMFCV",
    "Consensus",
    "Intervals",
    "Matching",
    "RankSelection",
    "SpectraConsensus",
    "Uncertainty",
    "amari_distance",
    "bootstrap",
    "cluster_runs",
    "consensus",
    "cophenetic_correlation",
    "dispersion",
    "match_components",
    "order_components",
    "select_rank",
    "silhouettes",
    "spectra_consensus",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Consensus": ".many_starts",
        "Intervals": ".intervals",
        "Matching": ".matching",
        "NMFCV": ".estimator",
        "RankSelection": ".rank_selection",
        "SpectraConsensus": ".spectra",
        "Uncertainty": ".uncertainty",
        "amari_distance": ".stability",
        "bootstrap": ".uncertainty",
        "cluster_runs": ".stability",
        "consensus": ".many_starts",
        "cophenetic_correlation": ".stability",
        "dispersion": ".stability",
        "match_components": ".matching",
        "order_components": ".matching",
        "select_rank": ".rank",
        "silhouettes": ".stability",
        "spectra_consensus": ".spectra",
    },
)
