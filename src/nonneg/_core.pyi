"""Types of the compiled core, which is called through `kernels.native` only.

The functions with a number in their names are those for float32 and float64; the ending
says how X is stored: `dense`, `csr32` and `csr64` by the integers of its indices, and
`dense_parts` and `csr_parts` where it is read in parts.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Csr: TypeAlias = tuple[Array, Array, Array]
Report: TypeAlias = tuple[float, float, float, float]

SUMMARY_ENTRIES: int
FACTOR_ROWS: int
DENSE_ROWS_UNIT: int
SLOT_BYTES: int
MOST_SLOT_BYTES: int

def available_sets() -> list[str]: ...
def choose_set(name: str) -> bool: ...
def chosen_set() -> str: ...
def set_blas(sgemm: object, dgemm: object) -> bool: ...
def unset_blas() -> None: ...
def set_thread_work(work: float) -> None: ...
def set_check(check: Callable[[], None]) -> None: ...
def touch(bytes: Array, step: int) -> None: ...
def pool_size() -> int: ...
def pool_stack_bytes() -> int: ...
def shut_down_pool() -> None: ...

class RowMethod(Enum):
    CYCLIC = 0
    ADAPTIVE = 1
    MULTIPLICATIVE = 2

class SolveOptions:
    def __init__(
        self,
        *,
        gram: Array,
        inverse_diagonal: Array,
        l1: Array,
        order: Array,
        method: RowMethod,
        sweeps: int = 1,
        settled: float = 0.0,
        momentum: float = 0.0,
        exact_gram: Array | None = None,
        exact_l1: Array | None = None,
    ) -> None: ...

class BetaOptions:
    def __init__(
        self,
        *,
        beta: float,
        floor: float,
        least: float,
        rise: float,
        fall: float,
        column_sums: Array,
        l1: Array,
        l2: Array,
        move: bool,
    ) -> None: ...

class NewtonOptions:
    def __init__(
        self,
        *,
        floor: float,
        unit: float,
        momentum: float,
        tolerance: float,
        column_sums: Array,
        l1: Array,
        l2: Array,
        sweeps: int,
        rescale: bool,
        wants_value: bool,
        linear: Array | None = None,
        bent: Array | None = None,
    ) -> None: ...

class SolvedArrays(Protocol):
    @property
    def start(self) -> Array: ...
    @property
    def solved(self) -> Array: ...
    @property
    def previous(self) -> Array | None: ...
    @property
    def moved(self) -> Array | None: ...

class ApartOptions:
    def __init__(
        self,
        *,
        base: Array,
        Q: Array,
        l1: Array,
        linear: Array | None,
        quadratic: Array | None,
        order: Array,
        method: int,
        sweeps: int,
        settled: float,
        momentum: float,
        narrow: bool,
    ) -> None: ...

class ModelArrays:
    def __init__(
        self,
        *,
        rows: SolvedArrays,
        Ht: Array,
        options: SolveOptions | list[SolveOptions],
        rhs: Array | None = None,
        gram: Array | None = None,
        measures: Array | None = None,
        moving: Array | None = None,
    ) -> None: ...

class _Solve(Protocol):
    def __call__(
        self,
        rows: SolvedArrays,
        P: Array,
        options: SolveOptions,
        gram_solved: Array | None,
        gram_result: Array | None,
        measures: Array | None,
        n_threads: int,
    ) -> Report: ...

solve32: _Solve
solve64: _Solve

class _SolveClasses(Protocol):
    def __call__(
        self,
        rows: SolvedArrays,
        P: Array,
        options: list[SolveOptions],
        bounds: Array,
        grams_solved: Array | None,
        grams_result: Array | None,
        measures: Array | None,
        n_threads: int,
    ) -> Report: ...

solve_classes32: _SolveClasses
solve_classes64: _SolveClasses

class _Repeat(Protocol):
    def __call__(
        self,
        rows: SolvedArrays,
        P: Array,
        options: SolveOptions,
        first_violation: float,
        tol: float,
        rounding: float,
        violations: Array,
        n_threads: int,
    ) -> int: ...

repeat32: _Repeat
repeat64: _Repeat

class SweptArrays:
    def __init__(self, *, rows: Array, Q: Array, l1: Array) -> None: ...

def exact_solve(
    A: Array,
    P: Array,
    gram: Array,
    l1: Array,
    upper: Array | None,
    gradient: Array,
    fixed: bool,
    n_threads: int,
) -> tuple[float, int, int]: ...
def solve_bounded(
    *,
    start: Array,
    solved: Array,
    P: Array,
    gram: Array,
    l1: Array,
    lower: Array,
    upper: Array,
    total: Array | None,
    at_most: bool,
    exact: bool,
    most: int,
    settled: float,
    vanishing: float,
    ridge: float,
    tolerance: float,
    unsolved: Array,
    measures: Array,
    n_threads: int,
) -> tuple[float, float, float]: ...
def summary(X: Array, n_threads: int) -> tuple[float, float, float]: ...
def gram(A: Array, G: Array, n_threads: int) -> None: ...

class _DrawRows(Protocol):
    def __call__(
        self,
        X: Any,
        n_columns: int,
        rows: Array,
        scale: Array,
        values: Array,
        indices: Array,
        pointers: Array,
    ) -> None: ...

class _DrawColumns(Protocol):
    def __call__(
        self,
        X: Any,
        place: Array,
        scale: Array,
        values: Array,
        indices: Array,
        pointers: Array,
    ) -> None: ...

draw_rows_csr32: _DrawRows
draw_rows_csr64: _DrawRows
draw_columns_csr32: _DrawColumns
draw_columns_csr64: _DrawColumns

class _OrderRuns(Protocol):
    def __call__(
        self,
        X: Any,
        rows: Array,
        place: Array,
        class_of: Array,
        n_classes: int,
        values: Array,
        indices: Array,
        pointers: Array,
        sums: Array,
        squares: Array,
        n_threads: int,
    ) -> None: ...

order_runs_csr32: _OrderRuns
order_runs_csr64: _OrderRuns

class _Matmul(Protocol):
    def __call__(self, X: Any, B: Array, out: Array, n_threads: int) -> None: ...

class _Rmatmul(Protocol):
    def __call__(self, X: Any, A: Array, out: Array, n_threads: int) -> None: ...

class _SquaredError(Protocol):
    def __call__(self, X: Any, W: Array, Ht: Array, n_threads: int) -> float: ...

class _Update(Protocol):
    def __call__(
        self,
        X: Any,
        models: list[ModelArrays],
        n_columns: int,
        n_threads: int,
        bounds: Array | None = None,
        entries: Array | None = None,
    ) -> list[Report]: ...

matmul_dense: _Matmul
matmul_csr32: _Matmul
matmul_csr64: _Matmul
matmul_dense_parts: _Matmul
matmul_csr_parts: _Matmul
rmatmul_dense: _Rmatmul
rmatmul_csr32: _Rmatmul
rmatmul_csr64: _Rmatmul
rmatmul_dense_parts: _Rmatmul
rmatmul_csr_parts: _Rmatmul
squared_error_dense: _SquaredError
squared_error_csr32: _SquaredError
squared_error_csr64: _SquaredError
squared_error_dense_parts: _SquaredError
squared_error_csr_parts: _SquaredError
update32_dense: _Update
update32_csr32: _Update
update32_csr64: _Update
update32_dense_parts: _Update
update32_csr_parts: _Update
update64_dense: _Update
update64_csr32: _Update
update64_csr64: _Update
update64_dense_parts: _Update
update64_csr_parts: _Update

class _Alternate(Protocol):
    def __call__(
        self,
        X: Any,
        inner: SweptArrays,
        outer: SweptArrays,
        outer_first: bool,
        gram_inner: Array,
        gram_outer: Array,
        rhs: Array,
        first_violation: float,
        tol: float,
        rounding: float,
        measures: Array,
        grams: Array,
        sums: Array | None,
        n_threads: int,
    ) -> int: ...

alternate32_dense: _Alternate
alternate32_csr32: _Alternate
alternate32_csr64: _Alternate
alternate64_dense: _Alternate
alternate64_csr32: _Alternate
alternate64_csr64: _Alternate

class _MultiplyBoth(Protocol):
    def __call__(
        self,
        X: Any,
        inner: SweptArrays,
        outer: Array,
        options: BetaOptions,
        numerator: Array,
        denominator: Array,
        outer_first: bool,
        times: int,
        n_threads: int,
    ) -> None: ...

multiply_both32_dense: _MultiplyBoth
multiply_both32_csr32: _MultiplyBoth
multiply_both32_csr64: _MultiplyBoth
multiply_both64_dense: _MultiplyBoth
multiply_both64_csr32: _MultiplyBoth
multiply_both64_csr64: _MultiplyBoth

class MomentumRule:
    def __init__(
        self,
        *,
        growth: float,
        cap_growth: float,
        shrinkage: float,
        tol: float,
        nearly: float,
        least_decrease: float,
        pause: int,
        reset: int,
    ) -> None: ...

class _Balance(Protocol):
    def __call__(
        self, W: Array, H: Array, product: Array, gram_H: Array, n_threads: int
    ) -> tuple[float, float]: ...

balance32: _Balance
balance64: _Balance

class _Extrapolate(Protocol):
    def __call__(
        self,
        X: Any,
        by_columns: bool,
        W: list[Array],
        roles_W: Array,
        H: list[Array],
        roles_H: Array,
        gram_H: Array,
        product: Array | None,
        state: Array,
        restarts: Array,
        decreases: Array,
        values: Array,
        rule: MomentumRule,
        sweeps: int,
        settled: float,
        half_square: float,
        doubtful: float,
        least: float,
        reports: Array,
        grams: Array,
        measures: Array,
        n_threads: int,
    ) -> tuple[int, bool, bool, Report, Report]: ...

extrapolate32_dense: _Extrapolate
extrapolate32_csr32: _Extrapolate
extrapolate32_csr64: _Extrapolate
extrapolate64_dense: _Extrapolate
extrapolate64_csr32: _Extrapolate
extrapolate64_csr64: _Extrapolate

class _Polish(Protocol):
    def __call__(
        self,
        X: Any,
        by_columns: bool,
        best_W: Array,
        best_H: Array,
        W: Array,
        H: Array,
        sweeps: int,
        settled: float,
        exact_sweeps: int,
        exact_settled: float,
        half_square: float,
        best: float,
        n_threads: int,
    ) -> tuple[bool, float, float, Report]: ...

polish32_dense: _Polish
polish32_csr32: _Polish
polish32_csr64: _Polish
polish64_dense: _Polish
polish64_csr32: _Polish
polish64_csr64: _Polish

class _Revive(Protocol):
    def __call__(
        self,
        X: Any,
        by_columns: bool,
        W: Array,
        H: Array,
        dead: list[int],
        starts: Array,
        rounds: int,
        n_threads: int,
    ) -> float: ...

revive32_dense: _Revive
revive32_csr32: _Revive
revive32_csr64: _Revive
revive64_dense: _Revive
revive64_csr32: _Revive
revive64_csr64: _Revive

class _Beta(Protocol):
    def __call__(
        self,
        X: Any,
        start: Array,
        Ht: Array,
        after: Array | None,
        solved: Array | None,
        below: Array | None,
        numerator: Array | None,
        denominator: Array | None,
        options: BetaOptions,
        wants_value: bool,
        n_threads: int,
    ) -> float: ...

beta32_dense: _Beta
beta32_csr32: _Beta
beta32_csr64: _Beta
beta32_dense_parts: _Beta
beta32_csr_parts: _Beta
beta64_dense: _Beta
beta64_csr32: _Beta
beta64_csr64: _Beta
beta64_dense_parts: _Beta
beta64_csr_parts: _Beta

class _Newton(Protocol):
    def __call__(
        self,
        X: Any,
        rows: SolvedArrays,
        Ht: Array,
        options: NewtonOptions,
        n_threads: int,
    ) -> Report: ...

newton32_dense: _Newton
newton32_csr32: _Newton
newton32_csr64: _Newton
newton64_dense: _Newton
newton64_csr32: _Newton
newton64_csr64: _Newton
newton32_dense_parts: _Newton
newton32_csr_parts: _Newton
newton64_dense_parts: _Newton
newton64_csr_parts: _Newton

class _NewtonStretch(Protocol):
    def __call__(
        self,
        X: Any,
        Xt: Any,
        W: list[Array],
        roles_W: Array,
        H: list[Array],
        roles_H: Array,
        state: Array,
        restarts: Array,
        decreases: Array,
        values: Array,
        rule: MomentumRule,
        floor: float,
        unit: float,
        sweeps: int,
        warm_up: float,
        total: float,
        least: float,
        reports: Array,
        n_threads: int,
    ) -> tuple[int, bool, bool, float, float]: ...

newton_stretch32_dense: _NewtonStretch
newton_stretch32_csr32: _NewtonStretch
newton_stretch32_csr64: _NewtonStretch
newton_stretch64_dense: _NewtonStretch
newton_stretch64_csr32: _NewtonStretch
newton_stretch64_csr64: _NewtonStretch

def irls(
    *,
    X: Array,
    rows: SolvedArrays,
    Ht: Array,
    beta: float,
    floor: float,
    power: float,
    momentum: float,
    l1: Array,
    l2: Array,
    n_threads: int,
) -> Report: ...

class _Multiply(Protocol):
    def __call__(
        self,
        start: Array,
        numerator: Array,
        denominator: Array | None,
        solved: Array,
        options: BetaOptions,
        n_threads: int,
    ) -> None: ...

multiply32: _Multiply
multiply64: _Multiply

def column_sums(A: Array, sums: Array, n_threads: int) -> None: ...
def gather_scaled(
    base: Array, features: Array, scale: Array, out: Array, sums: Array, n_threads: int
) -> None: ...
def move_scaled(
    base: Array,
    features: Array,
    before: Array,
    numerator: Array,
    kept: Array,
    inverse: Array,
    over_scale: Array,
    least: float,
    sums: Array,
    n_threads: int,
) -> None: ...
