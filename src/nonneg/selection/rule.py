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
    counts = np.sum(np.isfinite(errors), axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(counts > 0, np.nansum(errors, axis=0) / counts, np.nan)
        if not np.isfinite(mean).any():
            nothing = np.full(errors.shape[1], np.nan)
            return Errors(mean, nothing, nothing, 0)
        best = int(np.nanargmin(mean))
        se = _standard_error(errors - mean)
        differences = errors - errors[:, [best]]
        paired = _standard_error(differences - np.nanmean(differences, axis=0))
    return Errors(mean, se, paired, best)


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
    found = summarize_errors(errors)
    if not np.isfinite(found.mean).any():
        msg = "No fit of any rank has ended; the messages of the cells say why."
        raise ValueError(msg)
    excess = np.nanmean(errors - errors[:, [found.best]], axis=0)
    within = np.isfinite(excess) & (excess <= np.nan_to_num(found.paired_se))
    chosen = found.best if rule == "best" else int(np.flatnonzero(within)[0])
    status = _status(ranks, found, within, chosen)
    return Pick(ranks[chosen], _reason(ranks, found, excess, chosen, status), status)


def _status(ranks: list[int], found: Errors, within: Vector, chosen: int) -> str:
    known = np.isfinite(found.mean)
    if known.sum() > 1 and within[known].all():
        return FLAT
    if found.best == len(ranks) - 1 and len(ranks) > 1 and chosen == found.best:
        return UPPER
    if chosen == 0 and ranks[0] > 1:
        return LOWER
    return INSIDE


def _reason(
    ranks: list[int], found: Errors, excess: Vector, chosen: int, status: str
) -> str:
    best, picked = ranks[found.best], ranks[chosen]
    if picked == best:
        text = f"{picked} components have the smallest held-out error"
    else:
        text = (
            f"{picked} is the least number of components whose held-out error is within one "
            f"paired standard error of the smallest, at {best} (difference "
            f"{excess[chosen]:.3g}, standard error {found.paired_se[chosen]:.3g})"
        )
    return text + ENDINGS[status]
