"""The rule by which a number of components is picked from the errors of folds, in words."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

INSIDE, UPPER, LOWER, FLAT = (
    "inside", "at the upper end", "at the lower end", "flat",
)  # fmt: skip
ENDINGS = {
    INSIDE: ".",
    UPPER: "; it is still falling at the end of the range: pass larger ranks.",
    LOWER: "; it is smallest at the beginning of the range: pass smaller ranks.",
    FLAT: "; no rank differs from it by more than that: the data don't tell.",
}
"""End of the sentence for each status."""
RULES = ("one_se", "best")


class Pick(NamedTuple):
    """The picked rank with its reason."""

    rank: int
    reason: str
    status: str


class Errors(NamedTuple):
    """Means over the folds, and their standard errors."""

    mean: Vector
    se: Vector
    """Standard error of each mean."""
    paired_se: Vector
    """Standard error of the mean difference from the best rank, fold by fold; 0 for that."""
    best: int
    """Index of the rank with the smallest mean."""


def summarize_errors(errors: Vector) -> Errors:
    """Return means and standard errors of errors (n_folds, n_ranks); NaN is left out.

    The differences from the best rank are taken within each fold: folds share their data and
    differ in difficulty, so that standard errors of the means would be too wide.
    """
    mean = mean_of_known(errors)
    if not np.isfinite(mean).any():
        nothing = np.full(errors.shape[1], np.nan)
        return Errors(mean, nothing, nothing, 0)
    best = int(np.nanargmin(mean))
    differences = errors - errors[:, [best]]
    paired = _standard_error(differences - mean_of_known(differences))
    return Errors(mean, _standard_error(errors - mean), paired, best)


def mean_of_known(values: Vector) -> Vector:
    """Return the means of the columns without their NaN; NaN where nothing is left."""
    counts = np.sum(np.isfinite(values), axis=0)
    sums = np.nansum(values, axis=0)
    nothing = np.full(counts.shape, np.nan)
    means: Vector = np.divide(sums, counts, out=nothing, where=counts > 0)
    return means


def _standard_error(deviations: Vector) -> Vector:
    n = np.sum(np.isfinite(deviations), axis=0)
    squares = np.nansum(deviations**2, axis=0)
    variance = np.divide(squares, n - 1, out=np.full(n.shape, np.nan), where=n > 1)
    error: Vector = np.sqrt(variance / np.maximum(n, 1))
    return error


def pick_rank(ranks: list[int], errors: Vector, rule: str = "one_se") -> Pick:
    """Pick the least rank whose error is within one paired standard error of the best.

    Parameters
    ----------
    ranks : list of int
        In increasing order.
    errors : ndarray of shape (n_folds, n_ranks)
        Mean held-out losses; NaN where a fit has failed.
    rule : {"one_se", "best"}

    Raises
    ------
    ValueError
        If no fold has an error of any rank.
    """
    summary = summarize_errors(errors)
    if not np.isfinite(summary.mean).any():
        msg = "No fit of any rank has ended: all errors are NaN."
        raise ValueError(msg)
    excess = mean_of_known(errors - errors[:, [summary.best]])
    within = np.isfinite(excess) & (excess <= np.nan_to_num(summary.paired_se))
    chosen = summary.best if rule == "best" else int(np.flatnonzero(within)[0])
    status = _status(ranks, summary, within, chosen)
    return Pick(ranks[chosen], _reason(ranks, summary, excess, chosen, status), status)


def _status(
    ranks: list[int], summary: Errors, within: NDArray[np.bool_], chosen: int
) -> str:
    known = np.isfinite(summary.mean)
    if known.sum() > 1 and within[known].all():
        return FLAT
    if summary.best == len(ranks) - 1 and len(ranks) > 1 and chosen == summary.best:
        return UPPER
    if chosen == 0 and ranks[0] > 1:
        return LOWER
    return INSIDE


def _reason(
    ranks: list[int], summary: Errors, excess: Vector, chosen: int, status: str
) -> str:
    best, picked = ranks[summary.best], ranks[chosen]
    if picked == best:
        text = f"{picked} components have the smallest held-out error"
    else:
        text = (
            f"{picked} is the least number of components whose held-out error is within one "
            f"paired standard error of the smallest, at {best} (difference "
            f"{excess[chosen]:.3g}, standard error {summary.paired_se[chosen]:.3g})"
        )
    return text + ENDINGS[status]
