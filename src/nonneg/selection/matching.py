"""Components of two models matched with each other, and one order and scale for all models."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ..analysis.report import component_shares
from ..base.arrays import Array
from ..base.rules import one_of, require
from ..base.validation import check_matrix

ORDERS = ("share", "size", "given")
SCALES = ("sum", "norm", "max", "given")


class Matching(NamedTuple):
    """Partners of components, and how alike they are."""

    order: NDArray[np.intp]
    """`H2[order[t]]` is the partner of `H1[t]`."""
    cosine: NDArray[np.float64]
    """Cosine of the angle between the partners."""


def unit_rows(H: Any) -> NDArray[np.float64]:
    """Return H in float64 with rows of norm 1; rows of zeros stay zero."""
    H = np.asarray(H, dtype=np.float64)
    # by the largest entry first, so that no square over- or underflows
    largest = np.abs(H).max(axis=1, keepdims=True, initial=0.0)
    H = np.divide(H, largest, out=np.zeros_like(H), where=largest > 0)
    norms = np.linalg.norm(H, axis=1, keepdims=True)
    units: NDArray[np.float64] = np.divide(
        H, norms, out=np.zeros_like(H), where=norms > 0
    )
    return units


def match_components(H1: Any, H2: Any) -> Matching:
    """Match the components of two models one to one, by the cosines between them.

    The pairs are those with the largest sum of cosines, found as a linear assignment. The
    scales of the components play no part.

    Parameters
    ----------
    H1 : array-like of shape (k1, n_features)
        Components of one model.
    H2 : array-like of shape (k2, n_features), k2 ≥ k1
        Components of the other one.

    Returns
    -------
    order : ndarray of shape (k1,), int
        `H2[order[t]]` is the partner of `H1[t]`.
    cosine : ndarray of shape (k1,), float64
        Cosine between `H1[t]` and its partner, from 0 to 1; 0 for a component of zeros.

    Raises
    ------
    ValueError
        If the features differ in number, or H2 has fewer components than H1.

    Notes
    -----
    Costs k1·k2·n_features multiply-adds, and k1²·k2 for the assignment.

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import match_components
    >>> H = np.array([[1.0, 0, 1], [0, 2, 0]])
    >>> order, cosine = match_components(H, 5 * H[::-1])
    >>> order, cosine.round(6)
    (array([1, 0]), array([1., 1.]))
    """
    whom = "match_components"
    H1, H2 = (check_matrix(H, name, whom) for H, name in ((H1, "H1"), (H2, "H2")))
    if H1.shape[1] != H2.shape[1]:
        msg = (
            f"H1 has {H1.shape[1]} features and H2 has {H2.shape[1]}. Pass components "
            "over the same features, as `components_` of two fits of the same X."
        )
        raise ValueError(msg)
    if len(H1) > len(H2):
        msg = (
            f"H1 has {len(H1)} components and H2 has only {len(H2)}, so that some would "
            "have no partner. Pass the model with fewer components as H1."
        )
        raise ValueError(msg)
    return match_units(unit_rows(H1), unit_rows(H2))


def match_units(U1: Array, U2: Array) -> Matching:
    """Match rows of norm 1; see `match_components`."""
    cosines = U1 @ U2.T
    _, order = linear_sum_assignment(-cosines)
    return Matching(order, cosines[np.arange(len(order)), order])


def order_components(
    W: Any, H: Any, *, by: str = "share", scale: str = "sum"
) -> tuple[Array, Array]:
    """Return W and H with their components in one order and one scale, so that fits compare.

    W·H stays as it is: what a row of H is divided by, its column of W is multiplied by.

    Parameters
    ----------
    W : array-like of shape (n_samples, k)
    H : array-like of shape (k, n_features)
    by : {"share", "size", "given"}, default="share"
        The order: by decreasing share of the sum of all entries of W·H, by decreasing
        ‖w_t‖·‖h_t‖, or as given. Equal ones keep their order.
    scale : {"sum", "norm", "max", "given"}, default="sum"
        What is 1 for each row of H: its sum, its Euclidean norm or its largest entry;
        "given" leaves the scale alone. A row of zeros stays zero.

    Returns
    -------
    W : ndarray of shape (n_samples, k)
    H : ndarray of shape (k, n_features)
        New arrays of the dtypes of W and H.

    Raises
    ------
    ValueError
        If the shapes don't belong together, or a word is none of those above.

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import order_components
    >>> W, H = order_components([[1.0, 2], [1, 0]], [[1.0, 1], [4, 4]])
    >>> H
    array([[0.5, 0.5],
           [0.5, 0.5]])
    >>> W
    array([[16.,  2.],
           [ 0.,  2.]])
    """
    whom = "order_components"
    require("by", by, one_of(ORDERS, "Pass 'given' to keep the order.", False), whom)
    require("scale", scale, one_of(SCALES, "Pass 'given' to keep it.", False), whom)
    W, H = check_matrix(W, "W", whom), check_matrix(H, "H", whom)
    if W.shape[1] != H.shape[0]:
        msg = (
            f"W has {W.shape[1]} columns and H has {H.shape[0]} rows. Pass the W and H "
            "of one model: a column of W for each row of H."
        )
        raise ValueError(msg)
    order = np.arange(len(H))
    if by == "share":
        order = np.argsort(-component_shares(W, H), kind="stable")
    elif by == "size":
        sizes = np.linalg.norm(W.astype(np.float64), axis=0)
        sizes = sizes * np.linalg.norm(H.astype(np.float64), axis=1)
        order = np.argsort(-sizes, kind="stable")
    W, H = W[:, order], H[order]
    sizes = _sizes(H, scale)
    return (W * sizes).astype(W.dtype), (H / sizes[:, None]).astype(H.dtype)


def _sizes(H: Array, scale: str) -> NDArray[np.float64]:
    """Return the number that each row of H is divided by, never 0."""
    H = H.astype(np.float64)
    if scale == "given":
        return np.ones(len(H))
    if scale == "sum":
        sizes = H.sum(axis=1)
    elif scale == "norm":
        sizes = np.linalg.norm(H, axis=1)
    else:
        sizes = H.max(axis=1, initial=0.0)
    return np.where(sizes > 0, sizes, 1.0)
