"""The way of holding out that fits X and the loss, with its reason."""

from __future__ import annotations

import dataclasses

from ..base.interfaces import LossBase, Operand
from ..base.parameters import Parameters
from .blocks import BlockFolds
from .folds import Folds
from .speckled import SpeckledFolds
from .thinning import ThinnedFolds, is_integral

METHODS: dict[str, type[Folds]] = {
    cls.name: cls for cls in (SpeckledFolds, ThinnedFolds, BlockFolds)
}
FAST = ("auto", "hals")
"""Solvers that speckled folds of the Frobenius norm are fitted by."""


def choose_method(
    method: str, X: Operand, loss: LossBase, parameters: Parameters
) -> tuple[str, str]:
    """Return the method, with the reason for it.

    Raises
    ------
    ValueError
        If no method can hold out parts of such an X, or the method does not go with the
        loss or solver.
    """
    quadratic = "quadratic" in loss.provides
    reason = "as asked for"
    if method == "auto":
        counts = "poisson" in loss.provides and is_integral(X)
        if counts:
            method, reason = "thinning", "X has counts, and the loss is Poisson's"
        else:
            method, reason = "speckled", "it takes any X"
    if method == "speckled" and (not quadratic or parameters.solver not in FAST):
        msg = (
            f"method='speckled' with beta_loss={parameters.beta_loss!r} and "
            f"solver={parameters.solver!r} is not possible: it takes "
            "beta_loss='frobenius' with solver='hals' or 'auto'. Pass method='thinning' "
            "for counts, or method='bcv'."
        )
        raise ValueError(msg)
    return method, reason


def make_folds(
    method: str,
    X: Operand,
    loss: LossBase,
    ranks: list[int],
    n_folds: int,
    seed: int,
    parameters: Parameters,
) -> Folds:
    """Return X cut into folds.

    Raises
    ------
    ValueError
        If X can't be cut so.
    """
    kind = METHODS[method]
    kind.require(X, ranks[-1], n_folds)
    if kind is BlockFolds:
        plain = dataclasses.replace(parameters, max_time=None)
        return BlockFolds(X, loss, n_folds, seed, plain)
    cut: Folds = kind(X, loss, n_folds, seed)  # type: ignore[call-arg]
    return cut
