"""The parameters of a factorization as a record, and their check."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np

from .added_parameters import ADDED
from .constraint import ConstraintBase
from .declaration import NMF, Names, Parameter
from .inherited_parameters import INHERITED
from .interfaces import LossBase, SolverBase
from .records import Iteration
from .rules import require

PARAMETERS: tuple[Parameter, ...] = (*INHERITED, *ADDED)
"""All parameters of `NMF` and `non_negative_factorization`. `MiniBatchNMF` has some of them
and a few more. After an entry was added or changed, tools/write_parameters.py writes the
signatures, docstrings and fields; the options of the command line follow by themselves."""
CHECKED_FIRST = (
    "sparseness", "solver", "n_components", "max_iter", "tol", "init", "beta_loss"
)  # fmt: skip
"""Parameters that are checked before the others of the table, in the order of scikit-learn:
of several wrong ones the first is named."""


@dataclass(frozen=True, eq=False)
class Parameters:
    """All parameters of a factorization, without the arrays."""

    n_components: int | Literal["auto"] | None = None
    init: str | None = None
    solver: str | SolverBase = "cd"
    tol: float = 1e-4
    max_iter: int = 200
    random_state: Any = None
    alpha: float = 0.0
    l1_ratio: float = 0.0
    verbose: int | Literal["progress"] = 0
    shuffle: bool = False
    nls_max_iter: int = 2000
    sparseness: str | None = None
    beta: float = 1
    eta: float = 0.1
    beta_loss: float | str | LossBase = "frobenius"
    regularization: str | None = "both"
    alpha_W: float = 0.0
    alpha_H: float | Literal["same"] = "same"
    n_init: int = 1
    max_time: float | None = None
    callback: Callable[[Iteration], bool | None] | None = None
    n_threads: int | None = None
    compress: bool | Literal["auto"] = False
    blocks: int | None = None
    memory_limit: int | str | None = None
    checkpoint: str | os.PathLike[str] | None = None
    checkpoint_every: float = 60.0
    resume: bool = False
    accelerate: bool = False
    missing_values: float | str | None = None
    constraints_W: ConstraintBase | Sequence[ConstraintBase] | None = None
    constraints_H: ConstraintBase | Sequence[ConstraintBase] | None = None
    owner: ClassVar[str] = NMF
    """Name, in messages, of the class or function that has these parameters."""
    table: ClassVar[tuple[Parameter, ...]] = PARAMETERS
    """Declarations of the parameters."""

    @classmethod
    def resumable(cls) -> frozenset[str]:
        """Names of the parameters that a fit may change that resumes another one."""
        return frozenset(p.name for p in cls.table if p.resumable)

    def changed(self, **values: Any) -> Self:
        """Return the parameters with other values, which are not checked.

        `dataclasses.replace` takes as long as an iteration on a small X.
        """
        other = object.__new__(type(self))
        vars(other).update(vars(self), **values)
        return other

    def validated(
        self,
        solvers: Collection[str],
        inits: Collection[str],
        losses: Collection[str],
    ) -> Self:
        """Check every parameter; return them as plain Python numbers.

        Raises
        ------
        InvalidParameterError
            For the first parameter whose value is not allowed.
        ValueError
            If the penalties of both conventions are given at once.
        """
        names = Names(tuple(solvers), tuple(inits), tuple(losses))
        declared = {p.name: p for p in self.table}
        values = vars(self)
        for name in dict.fromkeys((*CHECKED_FIRST, *declared)):
            rule = declared[name].rule_for(names)
            if name in values and rule is not None:
                require(name, values[name], rule, self.owner)
        self._require_one_penalty()
        return type(self)(**{name: _plain(value) for name, value in values.items()})

    def _require_one_penalty(self) -> None:
        if self.alpha != 0 and (self.alpha_W != 0 or self.alpha_H not in ("same", 0)):
            msg = (
                f"`alpha`={self.alpha:g} can't be combined with `alpha_W`="
                f"{self.alpha_W!r} and `alpha_H`={self.alpha_H!r}: these are two ways "
                "to write the penalty. Pass `alpha` with `regularization` (unscaled), "
                "or `alpha_W` and `alpha_H` (scaled by n_features and n_samples)."
            )
            raise ValueError(msg)


def check_declared(values: Mapping[str, Any], names: Names, owner: str) -> None:
    """Check the values of parameters that an estimator shares with `NMF`.

    Raises
    ------
    InvalidParameterError
        For the first parameter of the table whose value is not allowed.
    """
    for parameter in PARAMETERS:
        rule = parameter.rule_for(names)
        if parameter.name in values and rule is not None:
            require(parameter.name, values[parameter.name], rule, owner)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
