"""The interfaces that operands, losses and solvers implement, and the records they exchange.

Everything here is a protocol or a plain record; it imports nothing of ours, so
every layer may use it. An operand says what X is, a loss what is minimised, an
solver how the factors move; `loop` turns solvers without knowing any of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""A NumPy array of any real dtype (an operand may use another array library)."""

Rows = dict[str, Array]
"""Row-aligned arrays of a pass: each has n_samples rows; a step may write to them."""

Shared = dict[str, Array]
"""Read-only arrays that every block of a pass sees whole."""

Sums = dict[str, Any]
"""Sums over the blocks of a pass; their sizes do not depend on n_samples."""


class Stats(NamedTuple):
    """Sums over the observed entries of X, accumulated in float64."""

    sum: float
    sum_sq: float
    n_entries: int
    smallest: float = 0.0
    """Smallest of them, implicit zeros among them; 0 where it is not known."""

    @property
    def mean(self) -> float:
        """Mean of the observed entries."""
        return self.sum / self.n_entries

    def level(self, k: int) -> float:
        """sqrt(mean / k): the size of factors of k components with a product like X."""
        return math.sqrt(max(0.0, self.mean) / k)


class Step(Protocol):
    """A named, picklable description of the work on one block of rows.

    A step is a frozen dataclass of parameters, never a closure: an operand may run
    it through the compiled core, ship it to another process or keep it on a device.
    Calling it is the array-API reference of the same work.
    """

    @property
    def name(self) -> str:
        """Name under which a compiled version of the step is looked up."""

    def __call__(
        self, X_b: Any, mask_b: Any | None, rows_b: Rows, shared: Shared
    ) -> Sums:
        """Do the work on one block; return what is to be summed over blocks."""


@runtime_checkable
class Operand(Protocol):
    """What X is: a matrix that is only ever seen block of rows by block of rows."""

    kind: ClassVar[str]
    """Name of the storage, e.g. "dense"; selects compiled steps."""

    @property
    def shape(self) -> tuple[int, int]:
        """(n_samples, n_features)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64: the dtype of the factors."""

    @property
    def by_columns(self) -> bool:
        """Whether a pass over the columns (over `T`) is the natural one."""

    @property
    def shared_gram(self) -> bool:
        """Whether all rows share one Gram matrix; False with a mask or weights."""

    @property
    def in_parts(self) -> bool:
        """Whether X is not in memory, and can only be read by rows."""

    @property
    def sparse(self) -> bool:
        """Whether only entries that are stored are looked at."""

    @property
    def column_access(self) -> bool:
        """Whether columns can be gathered without reading all of X."""

    @property
    def n_threads(self) -> int:
        """Threads that a pass may use; results do not depend on it."""

    @property
    def T(self) -> Operand:
        """The transpose, without a copy."""

    def stats(self) -> Stats:
        """Sum, sum of squares and number of observed entries."""

    def run_pass(self, step: Step, rows: Rows, shared: Shared) -> Sums:
        """Run `step` on each block of rows, add its partial sums in a fixed order."""

    def native(self) -> Any:
        """X as an array or sparse matrix that `randomized_svd` takes, if it is one."""


@dataclass(frozen=True, eq=False)
class Penalty:
    """Penalty on one factor A (rows a): l1·a + ½ a Q aᵀ, summed over its rows.

    `l1` has shape (k,), `Q` is (k, k) positive semi-definite and is added to the
    Gram matrix: L2 is diag(l2), pg's sparseness β·11ᵀ, ARD a diagonal.
    """

    l1: NDArray[np.float64]
    Q: NDArray[np.float64]

    @classmethod
    def elastic(cls, k: int, l1: float = 0.0, l2: float = 0.0) -> Penalty:
        """Penalty l1·|a|₁ + ½ l2·|a|² with the same weights for all k components."""
        return cls(np.full(k, float(l1)), float(l2) * np.eye(k))

    def value(self, column_sums: Array, gram: Array) -> float:
        """Value for a factor with these column sums (k,) and Gram matrix AᵀA (k, k)."""
        return float(self.l1 @ column_sums + 0.5 * np.sum(self.Q * gram))

    @cached_property
    def is_zero(self) -> bool:
        """Whether it penalises nothing."""
        return not (self.l1.any() or self.Q.any())


class Loss(Protocol):
    """What is minimised: a distance between X and W·H.

    An optional method `require(X)` raises ValueError for an X that it can't be used with.
    """

    name: ClassVar[str]
    provides: ClassVar[frozenset[str]]
    """"quadratic" when Gram matrix and right-hand side suffice; "terms" when it is a sum
    over entries, see `TermLoss`; "poisson" for the Kullback-Leibler divergence."""

    def value(self, X: Operand, W: Array, Ht: Array) -> float:
        """Loss at W·H, without penalties, in float64."""

    def error(self, value: float) -> float:
        """`reconstruction_err_` that belongs to a loss value."""


class QuadraticLoss(Loss, Protocol):
    """A loss that provides "quadratic"."""

    def from_products(self, X: Operand, cross: float, square: float) -> float:
        """Loss from ⟨X, WH⟩ and ‖WH‖² over the observed entries."""


class TermLoss(Loss, Protocol):
    """A loss that provides "terms"."""

    def terms(self, X: Operand) -> Any:
        """Its `Terms` (see `kernels.beta_terms`), at the scale of X."""


@dataclass(frozen=True, eq=False)
class Problem:
    """What an solver solves: data, loss, penalties and which factors may move."""

    X: Operand
    loss: Loss
    penalty_W: Penalty
    penalty_H: Penalty
    update_H: bool = True
    random_state: Any = None
    gram_H: NDArray[np.float64] | None = None
    """HHᵀ of a fixed H, where it is known already."""

    @property
    def quadratic(self) -> QuadraticLoss:
        """The loss, for solvers that require a quadratic one."""
        return cast(QuadraticLoss, self.loss)


class Stored:
    """Base of records that a checkpoint may hold; they are found again by their name."""

    known: ClassVar[dict[str, type[Any]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.known[cls.__name__] = cls


@dataclass(eq=False)
class Progress(Stored):
    """What one outer iteration reports; each array has one entry per model (R of them)."""

    objective: NDArray[np.float64] | None
    """Penalised objective after the iteration, or None when it would cost a pass."""
    residual: NDArray[np.float64]
    """The solver's optimality measure, the one its stopping rule compares with tol."""
    decrease: NDArray[np.float64] | None
    """Exact decrease of the objective in the iteration, where the kernel knows it."""
    converged: NDArray[np.bool_]
    sweeps: float = 1.0
    """Inner sweeps per half-step, on average."""


SCRATCH = {"scratch": True}
"""Metadata of a state's field whose content need not outlive an iteration."""


@dataclass(eq=False)
class State(Stored):
    """Base of solver states: named arrays, scalars and random states, nothing else.

    A field with the metadata `SCRATCH` is not stored, and None where it is restored.
    """

    W: Array
    Ht: Array
    n_iter: int = field(default=0, kw_only=True)


class Solver(Protocol):
    """How the factors move. Its unit is one outer iteration.

    Some methods are optional: `polish(problem, state) -> Progress | None` improves the
    result once after the last iteration, the state being of no further use;
    `iteration(problem, state)` returns an iteration as half-steps that several models
    can share (see `solvers.steps.half_steps`); `require(loss, X)` raises ValueError where the
    options don't go with these, before any work is done; `iteration_limit(problem)`
    takes the place of `max_iter`. `arrays` is how many arrays of the size of each factor
    it holds at most, 6 if not said. So are three attributes, False by default:
    `positive_start` where zeros of a start could never be left, `solves_W_exactly` where W is
    solved for exactly beside a fixed H, whatever it starts from, and `by_parts` where an
    X that can only be read by rows, in parts, is enough.
    """

    name: ClassVar[str]
    requires: ClassVar[frozenset[str]]
    """What a loss must provide: {"quadratic"}, {"terms"} or {"poisson"}."""
    measure: ClassVar[str]
    """Name of `Progress.residual` in printed output; "" if nothing is to be printed."""

    def start(self, problem: Problem, W: Array, Ht: Array) -> Any:
        """Return the state before the first iteration; W and Ht may be kept and written."""

    def iterate(self, problem: Problem, state: Any) -> Progress:
        """Do one outer iteration in place."""

    def finish(self, problem: Problem, state: Any) -> tuple[Array, Array]:
        """Return the factors (W, Ht) of the best state seen."""
