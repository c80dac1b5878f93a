"""The interfaces that operands, losses and solvers implement, and the records they exchange.

An operand says what X is, a loss what is minimised, a solver how the factors move.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .arrays import Array
from .passes import Passes
from .penalty import Penalty as Penalty  # noqa: PLC0414  (its public home is here)
from .records import Stretch
from .states import SCRATCH as SCRATCH  # noqa: PLC0414
from .states import Progress as Progress  # noqa: PLC0414
from .states import State as State  # noqa: PLC0414
from .states import Stored as Stored  # noqa: PLC0414
from .stats import Stats as Stats  # noqa: PLC0414
from .steps import RowsT, SharedT, Step, SumsT
from .weighted_operand import WeightedOperand


class Operand(WeightedOperand):
    """Base of operands: a matrix that is only ever seen block of rows by block of rows.

    What an operand can do is declared here, with a default; nobody asks for more.
    """

    kind: ClassVar[str] = "operand"
    """Name of the storage, e.g. "dense"; selects compiled steps."""
    shape: tuple[int, int]
    """(n_samples, n_features)."""
    dtype: np.dtype[Any]
    """float32 or float64: the dtype of the factors."""
    by_columns: bool = False
    """Whether a pass over the columns (over `T`) is the natural one."""
    column_access: bool = True
    """Whether columns can be gathered without reading all of X."""
    in_parts: bool = False
    """Whether X is not in memory, and can only be read by rows."""
    is_sketch: bool = False
    """Whether its entries are those of an approximation of X."""
    on_workers: bool = False
    """Whether the rows of X, and those of W, stay on the workers of a cluster."""
    n_threads: int = 1
    """Threads that a pass may use; results do not depend on it."""
    window_bytes: int = 0
    """Bytes of X that a pass reads at a time; 0 where it reads no windows."""
    most_window_bytes: int = 0
    """Bytes of a window where nothing limits the memory."""
    unchecked: str = ""
    """Whom errors about its entries name, if these are still to be checked; else empty."""
    checks_as_read: bool = False
    """Whether passes refuse entries that are negative or not finite."""
    factor_folder: Any = None
    """The `FactorFolder` of arrays of the size of W; None keeps them in memory."""

    @property
    def sparse(self) -> bool:
        """Whether only entries that are stored are looked at."""
        return False

    @property
    def T(self) -> Operand:
        """The transpose, without a copy."""
        raise NotImplementedError

    def stats(self) -> Stats:
        """Sum, sum of squares and number of observed entries."""
        raise NotImplementedError

    def has_zeros(self) -> bool:
        """Whether an entry that counts is 0, or below."""
        return not self.stats().smallest > 0

    def run_pass(
        self, step: Step[RowsT, SharedT, SumsT], rows: RowsT, shared: SharedT
    ) -> SumsT:
        """Run `step` on each block of rows, add its partial sums in a fixed order."""
        raise NotImplementedError

    def native(self) -> Any:
        """X as an array or sparse matrix that `randomized_svd` takes, if it is one."""
        return None

    def checked_as_read(self) -> Operand:
        """X whose passes look entries over as they read them, if that is still to be done.

        It then has `checks_as_read`, and needs no first look. Asking it for `stats` costs one.
        """
        return self

    def held(self) -> AbstractContextManager[None]:
        """Keep what was checked of X as it is while the caller's code runs in the block."""
        return nullcontext()

    def in_memory(self) -> Operand | None:
        """X as an operand in memory, where that takes no reading; else None."""
        return None if self.in_parts else self

    @property
    def single_bytes(self) -> int:
        """Bytes of a copy of X in float32, for the first iterations; 0 where there is none."""
        return 0

    def in_single(self) -> Operand:
        """Return X with entries in float32, where `single_bytes` is not 0."""
        raise NotImplementedError

    @property
    def by_rows(self) -> Operand:
        """X for steps that gather whole rows: a copy where it is stored by columns."""
        return self

    def stored_by_rows(self) -> Operand:
        """X with contiguous rows: itself, or a copy where it is stored by columns."""
        return self

    def cut_rows(self, rows: slice) -> Operand | None:  # noqa: ARG002
        """Return rows of X as an operand, or None where X can't be cut."""
        return None

    def windows(self, unit: int) -> Iterator[Operand]:  # noqa: ARG002
        """All rows in order, in operands of a multiple of `unit` rows each.

        An operand is overwritten when the next one is asked for, where X is read.
        """
        yield self

    def configured(
        self,
        *,
        window_bytes: int | None = None,  # noqa: ARG002
        factor_folder: Any = None,  # noqa: ARG002
    ) -> Operand:
        """X to be read in such windows, with arrays of the size of W in such a folder.

        An operand without windows returns itself. None is the default of either.
        """
        return self

    @property
    def entries(self) -> float:
        """Number of stored entries."""
        return float(self.shape[0]) * self.shape[1]

    @property
    def product_entries(self) -> float:
        """Number of entries that a product with X reads."""
        return self.entries

    @property
    def stored_entries(self) -> float:
        """Number of stored entries without a pass over X; it may be an estimate."""
        return self.entries

    @property
    def stored_bytes(self) -> int:
        """Bytes of all rows as a pass reads them."""
        return int(self.entries) * self.dtype.itemsize

    def block_bytes(self, blocks: int) -> int:
        """Bytes of the largest of so many blocks of equally many rows."""
        return -(-self.stored_bytes // blocks)

    @property
    def density(self) -> float:
        """Share of the entries that are not 0; 0 where it is not known."""
        return 0.0

    @property
    def layout(self) -> str:
        """Name of the way in which X is read, which the last digits of results depend on."""
        return "columns" if self.by_columns else "rows"

    def new_rows(self, k: int) -> Any:
        """Rows of a factor to be written, where the rows of X are."""
        return np.empty((self.shape[0], k), self.dtype)

    def to_rows_of_X(self, W: Any) -> Any:
        """W where the rows of X are."""
        return W


class LossBase:
    """Base of losses: a distance between X and W·H, which is minimised."""

    name: str
    provides: frozenset[str] = frozenset()
    """Properties that solvers may require: "quadratic" where Gram matrix and right-hand side
    suffice (the loss then has `from_products`), "terms" where it is a sum over entries (it
    then has `terms`), "poisson" for the Kullback-Leibler divergence."""

    def require(self, X: Operand) -> None:
        """Raise ValueError for an X that the loss can't be used with; accept any by default."""

    def value(self, X: Operand, W: Array, Ht: Array) -> float:
        """Loss at W·H, without penalties, in float64."""
        raise NotImplementedError

    def value_beside(
        self,
        X: Operand,
        W: Array,
        Ht: Array,
        product: Array,  # noqa: ARG002
        gram_H: Array,  # noqa: ARG002
    ) -> float:
        """Loss at W·H where X·Ht and HHᵀ are known, which a quadratic loss can use."""
        return self.value(X, W, Ht)

    def value_by_entries(self, X: Operand, W: Array, Ht: Array) -> float:
        """Loss at W·H summed entry by entry, for factors of which products tell too little."""
        return self.value(X, W, Ht)

    def value_near(self, X: Operand, W: Array, Ht: Array, about: float) -> float:  # noqa: ARG002
        """Loss at W·H, of which `about` tells the size: to choose the way to compute it."""
        return self.value(X, W, Ht)

    def error(self, value: float) -> float:
        """Return the `reconstruction_err_` of a loss value: sqrt(2·value) by default."""
        return math.sqrt(2.0 * max(value, 0.0))  # in this order NaN stays NaN

    def size(self, X: Operand) -> float:
        """Size of the numbers that the loss is a small difference of; ½‖X‖² by default."""
        return 0.5 * X.stats().sum_sq

    def from_products(self, X: Operand, cross: float, square: float) -> float:
        """Loss from ⟨X, WH⟩ and ‖WH‖² over the observed entries, if it is quadratic."""
        raise NotImplementedError

    def each_from_products(
        self, X: Operand, cross: Array, square: Array
    ) -> list[float]:
        """Losses from arrays of ⟨X, WH⟩ and ‖WH‖², (n,) each, if it is quadratic."""
        pairs = zip(cross.tolist(), square.tolist(), strict=True)
        return [self.from_products(X, *pair) for pair in pairs]

    def terms(self, X: Operand) -> Any:
        """Terms at the scale of X (see `kernels.beta_terms`), if it is a sum over entries."""
        raise NotImplementedError

    def relaxed(self) -> LossBase:
        """The loss with terms for longer steps that don't raise it either, where it has any."""
        return self


@dataclass(frozen=True, eq=False)
class Problem:
    """The problem of a solver: data, loss, penalties, and whether H may move."""

    X: Operand
    loss: LossBase
    penalty_W: Penalty
    penalty_H: Penalty
    update_H: bool = True
    random_state: Any = None
    gram_H: NDArray[np.float64] | None = None
    """HHᵀ of a fixed H, where it is known already."""
    needs_objective: bool = True
    """Whether an exact solve for W beside a fixed H has to tell the objective."""


@cache
def _names_of_fields(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@dataclass(frozen=True)
class SolverBase:
    """Base of solvers, which move the factors, one iteration at a time.

    A solver is a frozen dataclass whose fields are its options; its class attributes declare
    what it needs and can do. Only `start` and `iterate` have to be written.
    """

    name: ClassVar[str]
    requires: ClassVar[frozenset[str]] = frozenset()
    """Properties that a loss must provide: {"quadratic"}, {"terms"} or {"poisson"}."""
    measure: ClassVar[str] = ""
    """Name of `Progress.residual` in printed output; "" prints nothing."""
    arrays: ClassVar[int] = 6
    """Arrays of the size of each factor that it holds at most."""
    positive_start: ClassVar[bool] = False
    """Whether it could never leave zeros of a start."""
    solves_W_exactly: ClassVar[bool] = False
    """Whether it solves for W exactly beside a fixed H, whatever it starts from."""
    tells_objective: ClassVar[bool] = False
    """Whether its last objective is that of the factors it returns."""
    reads_once_for_W: ClassVar[bool] = False
    """Whether it solves for W in one pass over X and asks nothing of X before."""
    by_parts: ClassVar[bool] = False
    """Whether an X that can only be read by rows, in parts, is enough."""
    rows_on_disk: ClassVar[bool] = False
    """Whether its arrays of the size of W may be on disk."""
    rows_on_workers: ClassVar[bool] = False
    """Whether its arrays of the size of W may stay on the workers of a cluster."""
    shares_passes: ClassVar[bool] = False
    """Whether `iteration` returns half-steps, so that several models share passes over X."""
    reports_objective: ClassVar[bool] = True
    """Whether iterations report the objective; else choosing the best model costs passes."""
    accelerates: ClassVar[bool] = False
    """Whether it has the option `accelerate`."""
    advances: ClassVar[bool] = False
    """Whether `advance` does several iterations in one call of the core."""
    ordinary_norms: ClassVar[tuple[float, float] | None] = None
    """Norms of X outside of which it is fitted in another unit; None: as far as the dtype goes."""
    compressible: ClassVar[bool] = False
    """Whether it may start on a compressed X; it then has the option `tol`."""
    recasts: ClassVar[bool] = False
    """Whether a fit may change its dtype on the way; it then has `recast`."""
    gathers_rows: ClassVar[bool] = False
    """Whether it goes over X by rows both ways: a fit of a sparse X in memory has a copy of it."""
    warms_up_by_blocks: ClassVar[bool] = False
    """Whether it goes on from a warm-up by blocks of rows; it then has `go_on`."""
    weight_power: ClassVar[float | None] = None
    """Power of the weights of rows and columns by which X is scaled for it, 0 for none; None
    if it takes no X with missing or weighted entries."""
    imputes: ClassVar[bool] = False
    """Whether its half-steps may impute missing entries."""

    @classmethod
    def option_names(cls) -> tuple[str, ...]:
        """Names of its options, which it takes from the parameters of a fit."""
        kind: Any = cls
        return _names_of_fields(kind)

    def require(self, loss: LossBase, X: Operand) -> None:
        """Raise ValueError, before any work, where the options don't go with loss or X."""

    def sweeps_for(self, X: Operand, k: int) -> tuple[int, str] | None:  # noqa: ARG002
        """Return how many sweeps it does between two products, and why; None: no choice."""
        return None

    def iteration_limit(self, update_H: bool) -> int | None:  # noqa: ARG002
        """Limit in place of `max_iter`, of which it warns itself; None: `max_iter` holds."""
        return None

    def passes(self, X: Operand, update_H: bool) -> Passes:  # noqa: ARG002
        """Return how often X is read, as far as that is known; plans tell it."""
        return Passes()

    def start(self, problem: Problem, W: Array, Ht: Array) -> Any:
        """Return the state before the first iteration; W and Ht may be kept and written."""
        raise NotImplementedError

    def resume(self, problem: Problem, state: State, W: Array) -> Any:
        """Return a state that goes on from an earlier one, with other rows of W."""
        raise NotImplementedError

    def go_on(
        self, problem: Problem, W: Array, Ht: Array, gram_H: Array, objective: float
    ) -> Any:
        """Return the state at factors that another solver has brought so far."""
        raise NotImplementedError

    def recast(self, problem: Problem, state: Any) -> None:
        """Take the state of a fit of the same X into the dtype of `problem.X`."""
        raise NotImplementedError

    def iterate(self, problem: Problem, state: Any) -> Progress:
        """Do one outer iteration in place."""
        raise NotImplementedError

    def advance(
        self,
        problem: Problem,  # noqa: ARG002
        state: Any,  # noqa: ARG002
        most: int,  # noqa: ARG002
    ) -> Stretch | None:
        """Do at most so many iterations in one call of the core, in place.

        They end where the fit has converged, and have the results of as many calls of
        `iterate`. None, the default: nothing was done, there is no such call for this problem.
        """
        return None

    def iteration(self, problem: Problem, state: Any) -> Any:
        """Return one iteration as half-steps (see `solvers.steps.half_steps`)."""
        raise NotImplementedError

    def polish(self, problem: Problem, state: Any) -> Progress | None:  # noqa: ARG002
        """Improve the result once, after the last iteration; by default nothing is done."""
        return None

    def best_objective(self, problem: Problem, state: Any) -> float | None:  # noqa: ARG002
        """Return the objective of the factors that `finish` returns, if the state has it."""
        return None

    def finish(self, problem: Problem, state: Any) -> tuple[Array, Array]:  # noqa: ARG002
        """Return the factors (W, Ht) of the best state seen: those of the state by default."""
        return state.W, state.Ht
