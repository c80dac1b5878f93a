"""Which solver `solver="auto"` stands for."""

from __future__ import annotations

from .protocols import Loss, Operand

AUTO = "auto"


def choose_solver(loss: Loss, X: Operand, k: int) -> str:  # noqa: ARG001
    """Name of the fast solver for this loss, storage and number of components."""
    return "hals"
