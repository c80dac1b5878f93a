"""What a fit may take in memory: windows of X that leave room for the factors."""

from __future__ import annotations

from .operands.chunked import WINDOW_BYTES
from .protocols import Operand, Updater
from .sizes import bytes_of

LEAST_WINDOW = 1 << 20
"""Bytes of a window below which reading costs more than computing."""
SCRATCH = 16 << 20
"""Bytes for what does not grow with X: scratch of the kernels, Gram matrices, objects."""
SUMS = 16 << 20, 48 << 20
"""Bytes of the accumulators for XᵀW: as many as fit into the first, two at least, unless
these are larger than the second; see `cutting.hpp`."""
COPIES = {False: 3, True: 5}
"""Windows in memory at a time: one in use, one being read, one that somebody still holds;
sparse rows are converted."""
FIRST_SHARE = 8
"""Before the number of components is known, a window may take 1/FIRST_SHARE of the limit."""
DEFAULT_ARRAYS = 6
"""Arrays of the size of each factor that a fit holds at most, if its solver says nothing."""


def fit_into(
    limit: int | str, X: Operand, k: int, updater: Updater, n_models: int = 1
) -> None:
    """Choose the windows of an X that is read in parts so that a fit takes no more memory.

    Parameters
    ----------
    limit : int or str
        Bytes beyond those that are taken before the fit.
    X : Operand
    k : int
        Number of components.
    updater : Updater
        Its `arrays` says how many arrays of the size of each factor it holds at most.
    n_models : int

    Raises
    ------
    ValueError
        If the factors and the smallest windows exceed the limit.
    """
    allowed, itemsize = bytes_of(limit), X.dtype.itemsize
    n_arrays = getattr(updater, "arrays", DEFAULT_ARRAYS) * n_models
    factors = n_arrays * k * sum(X.shape) * itemsize
    one = X.shape[1] * (k + 16) * n_models * 8
    sums = min(max(SUMS[0], 2 * one), SUMS[1] + one)
    copies = COPIES[X.sparse] if X.in_parts else 0
    least = factors + sums + SCRATCH + copies * LEAST_WINDOW
    if allowed < least:
        msg = (
            f"memory_limit={limit!r} is too small: with {k} components and X of shape "
            f"{X.shape} this fit takes {_shown(least)} at least, {_shown(factors)} of it "
            "for the factors. Raise it, or pass fewer components."
        )
        raise ValueError(msg)
    if copies:
        window = LEAST_WINDOW + (allowed - least) // copies
        X.window_bytes = min(WINDOW_BYTES, window)  # type: ignore[attr-defined]


def begin_within(limit: int | str | None, X: Operand) -> None:
    """Choose windows for the first pass over an X that is read in parts."""
    if limit is not None and X.in_parts:
        share = max(LEAST_WINDOW, bytes_of(limit) // FIRST_SHARE)
        X.window_bytes = min(WINDOW_BYTES, share)  # type: ignore[attr-defined]


def _shown(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
