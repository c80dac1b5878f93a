"""Checks that refuse solvers, losses, options and data that do not go together."""

from __future__ import annotations

from collections.abc import Callable

from ..base.interfaces import LossBase, Operand, SolverBase
from ..base.parameters import Parameters
from ..operands.observed import ObservedOperand
from ..solvers.registry import solvers

AUTO = "auto"
"""Value of `solver` that stands for the fast solver of the loss."""


def require_possible(parameters: Parameters, loss: LossBase, X: Operand) -> None:
    """Refuse a solver that can't minimise the loss, and an X that the loss is not for."""
    require_pair(parameters, loss)
    require_blocks(parameters)
    loss.require(X)


def require_pair(parameters: Parameters, loss: LossBase) -> None:
    """Refuse a solver that can't minimise the loss, whatever X is."""
    if parameters.solver == AUTO:
        return
    kind = solvers.class_of(parameters.solver)
    if parameters.accelerate and not kind.accelerates:
        able = names_of(lambda kind: kind.accelerates)
        msg = (
            f"accelerate=True is an option of solver={able}; got solver="
            f"{parameters.solver!r}. Pass that solver, or accelerate=False."
        )
        raise ValueError(msg)
    if not kind.requires <= loss.provides:
        able = names_of(lambda kind: kind.requires <= loss.provides)
        msg = (
            f"Invalid beta_loss parameter: solver {parameters.solver!r} does not handle "
            f"beta_loss = {parameters.beta_loss!r}. "
            + (f"Pass solver={able}." if able else "No solver here does.")
        )
        raise ValueError(msg)


def require_blocks(parameters: Parameters) -> None:
    """Refuse `blocks` with `compress`, or if the solver can't move H after each block."""
    if parameters.blocks is None:
        return
    if not solvers.class_of(parameters.solver).warms_up_by_blocks:
        able = names_of(lambda kind: kind.warms_up_by_blocks)
        msg = (
            f"blocks={parameters.blocks} works with solver={able}; got solver="
            f"{parameters.solver!r}. Pass that solver, or blocks=None."
        )
        raise ValueError(msg)
    if parameters.compress is True:
        msg = (
            f"compress=True and blocks={parameters.blocks} don't go together. Pass "
            "compress=False or blocks=None."
        )
        raise ValueError(msg)


def require_possible_on_workers(parameters: Parameters, loss: LossBase) -> None:
    """Refuse parameters that need X here, where X is a Dask array."""
    able = names_of(
        lambda kind: kind.rows_on_workers and kind.requires <= loss.provides
    )
    solver = parameters.solver
    can = solvers.class_of(solver).rows_on_workers
    blocks = parameters.blocks
    for refused, what, instead in (
        (not can, f"solver={solver!r}", f"solver={able}"),
        (blocks is not None, f"blocks={blocks}", "blocks=None"),
        (parameters.compress is True, "compress=True", "compress=False"),
        (parameters.memory_limit is not None, "memory_limit", "memory_limit=None"),
    ):
        if refused:
            msg = f"X is a Dask array, and {what} needs X here; pass {instead}."
            raise ValueError(msg)


def as_readable(solver: str | SolverBase, X: Operand) -> tuple[Operand, str]:
    """Return an operand of X that the solver can read, and the reason for how it is read.

    A solver that can't read X in parts gets a mapped file as a whole.

    Raises
    ------
    ValueError
        If the solver needs X in memory, and X is read from a store.
    """
    if not X.in_parts or solvers.class_of(solver).by_parts:
        return X, reading_reason(X)
    in_memory = X.in_memory()
    if in_memory is not None:
        return in_memory, "a mapped file, as the solver needs all of X"
    able = names_of(lambda kind: kind.by_parts)
    msg = (
        f"solver={solver!r} needs X in memory; this X is read from a store in parts. Pass "
        f"solver={able}, or X as an array."
    )
    raise ValueError(msg)


def as_weighted(
    parameters: Parameters, loss: LossBase, X: Operand
) -> tuple[Operand, str]:
    """Return X as the solver takes missing and weighted entries, and the reason.

    Raises
    ------
    ValueError
        If the solver or an option takes none.
    """
    if not X.is_weighted:
        return X, ""
    kind = solvers.class_of(parameters.solver)
    able = names_of(lambda kind: kind.weight_power is not None)
    for refused, what, instead in (
        (kind.weight_power is None, f"solver={parameters.solver!r}", f"solver={able}"),
        (parameters.compress is True, "compress=True", "compress=False"),
        (parameters.blocks is not None, f"blocks={parameters.blocks}", "blocks=None"),
        (parameters.sparseness is not None, "sparseness", "sparseness=None"),
    ):
        if refused:
            msg = (
                f"X has missing or weighted entries, which {what} does not take; pass "
                f"{instead}."
            )
            raise ValueError(msg)
    if not isinstance(X, ObservedOperand):
        return X, "as the operand has it"
    assert kind.weight_power is not None
    if "poisson" in loss.provides:
        return X.taken_by(1.0, False), "rows and columns are scaled by their weights"
    if "quadratic" not in loss.provides or not kind.imputes:
        shared = kind.requires == {"quadratic"} and X.weights.named is None
        return X.taken_by(kind.weight_power, shared), "each entry counts by its weight"
    shared, reason = imputation(X)
    return X.taken_by(kind.weight_power, shared), reason


def imputation(X: ObservedOperand) -> tuple[bool, str]:
    """Return whether half-steps impute missing entries, and the reason."""
    weights = X.weights
    if weights.named is None:
        return True, "X and the factors are scaled by their roots"
    if (weights.rest == 0 or weights.most > weights.rest) and not X.in_parts:
        return (
            False,
            "each row is solved for on what it shows, by k²/2 multiply-adds an observed entry",
        )
    return (
        True,
        "what is missing is imputed in each half-step, by 3·k multiply-adds a gap",
    )


def reading_reason(X: Operand) -> str:
    """Return the reason for reading X in parts, or "" for an X in memory."""
    if X.on_workers:
        return "X is a Dask array"
    return (
        "X is in a store, and the solver needs some rows at a time"
        if X.in_parts
        else ""
    )


def names_of(can: Callable[[type[SolverBase]], bool]) -> str:
    """Return the names of the solvers that can do something, as text for a message."""
    return " or ".join(repr(name) for name in solvers if can(solvers[name]))
