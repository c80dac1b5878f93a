"""The way of holding out that fits X and the loss, with its reason."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..base.interfaces import LossBase, Operand
from ..base.parameters import Parameters
from .blocks import BlockFolds
from .folds import Folds
from .speckled import SpeckledFolds
from .thinning import ThinnedFolds, is_integral
from .weighted_folds import Gaps, WeightedFolds

METHODS: dict[str, type[Folds]] = {
    cls.name: cls for cls in (SpeckledFolds, ThinnedFolds, BlockFolds)
}
FAST = ("auto", "hals")
"""Solvers that speckled folds of the Frobenius norm are fitted by."""


def choose_method(
    method: str, X: Operand, loss: LossBase, gaps: Gaps
) -> tuple[str, str]:
    """Return the method, with the reason for it.

    Raises
    ------
    ValueError
        If the method takes no gaps, and there are some.
    """
    reason = "as asked for"
    if method == "auto":
        counts = gaps.is_empty and "poisson" in loss.provides and is_integral(X)
        if counts:
            method, reason = "thinning", "X has counts, and the loss is Poisson's"
        else:
            method, reason = "speckled", "it takes any X"
    if method != "speckled" and not gaps.is_empty:
        msg = (
            f"method={method!r} takes no missing values and no weights. Pass "
            "method='speckled', which leaves out what is missing."
        )
        raise ValueError(msg)
    return method, reason


def reads_windows(method: str, loss: LossBase, solver: Any) -> bool:
    """Whether folds by this method can be fitted to an X that is read window by window."""
    is_speckled = method == "speckled" or (
        method == "auto" and "poisson" not in loss.provides
    )
    return is_speckled and _shares_passes(loss, solver)


def _shares_passes(loss: LossBase, solver: Any) -> bool:
    return "quadratic" in loss.provides and solver in FAST


def make_folds(
    method: str,
    X: Operand,
    loss: LossBase,
    ranks: list[int],
    n_folds: int,
    seed: int,
    parameters: Parameters,
    gaps: Gaps,
) -> Folds:
    """Return X cut into folds.

    Speckled folds of the Frobenius norm share passes; others are fitted one by one.

    Raises
    ------
    ValueError
        If X can't be cut so.
    """
    kind = METHODS[method]
    kind.require(X, ranks[-1], n_folds)
    is_fast = _shares_passes(loss, parameters.solver)
    if kind is SpeckledFolds and not (is_fast and gaps.is_empty):
        return WeightedFolds(X.native(), parameters.beta_loss, n_folds, seed, gaps)
    if kind is BlockFolds:
        plain = dataclasses.replace(parameters, max_time=None)
        return BlockFolds(X, loss, n_folds, seed, plain)
    cut: Folds = kind(X, loss, n_folds, seed)  # type: ignore[call-arg]
    return cut
