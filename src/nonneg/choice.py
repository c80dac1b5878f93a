"""What "auto" stands for: the solver, and whether to start on a compressed X."""

from __future__ import annotations

from .parameters import Parameters
from .protocols import Loss, Operand

AUTO = "auto"
COMPRESSIBLE = ("hals", "bpp")


def choose_solver(loss: Loss, X: Operand, k: int) -> str:  # noqa: ARG001
    """Name of the fast solver for this loss, storage and number of components."""
    return "hals"


def compresses(parameters: Parameters, X: Operand, k: int) -> bool:  # noqa: ARG001
    """Whether a fit starts on a compressed X.

    Raises
    ------
    ValueError
        If compression is asked for where it is impossible.
    """
    if parameters.compress is True and X.kind != "dense":
        msg = (
            f"compress=True needs dense data; X is {X.kind}. Pass compress=False: the "
            "factors of a compressed sparse matrix would be dense, and slower."
        )
        raise ValueError(msg)
    if parameters.compress is True and parameters.solver not in COMPRESSIBLE:
        msg = (
            f"compress=True works with solver={' or '.join(map(repr, COMPRESSIBLE))}; "
            f"got solver={parameters.solver!r}. Pass one of these, or compress=False."
        )
        raise ValueError(msg)
    return parameters.compress is True
