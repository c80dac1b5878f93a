"""Types of the compiled core; called through `kernels.compiled` only."""

from typing import Any, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Csr: TypeAlias = tuple[Array, Array, Array]

def available_sets() -> list[str]: ...
def choose_set(name: str) -> bool: ...
def chosen_set() -> str: ...
def set_blas(sgemm: object, dgemm: object) -> bool: ...
def unset_blas() -> None: ...
def set_thread_work(work: float) -> None: ...
def touch(bytes: Array, step: int) -> None: ...
def pool_size() -> int: ...
def shut_down_pool() -> None: ...

Report: TypeAlias = tuple[float, float, float, float]

def solve32(
    arrays: tuple[Array | None, ...],
    P: Array,
    options: tuple[Any, ...],
    gram_solved: Array | None,
    gram_result: Array | None,
    measures: Array | None,
    n_threads: int,
) -> Report: ...
def solve64(
    arrays: tuple[Array | None, ...],
    P: Array,
    options: tuple[Any, ...],
    gram_solved: Array | None,
    gram_result: Array | None,
    measures: Array | None,
    n_threads: int,
) -> Report: ...
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
def summary(X: Array, n_threads: int) -> tuple[float, float, float]: ...
def gram(A: Array, G: Array, n_threads: int) -> None: ...
def matmul_dense(X: Array, B: Array, out: Array, n_threads: int) -> None: ...
def matmul_csr32(X: Csr, B: Array, out: Array, n_threads: int) -> None: ...
def matmul_csr64(X: Csr, B: Array, out: Array, n_threads: int) -> None: ...
def rmatmul_dense(X: Array, A: Array, out: Array, n_threads: int) -> None: ...
def rmatmul_csr32(X: Csr, A: Array, out: Array, n_threads: int) -> None: ...
def rmatmul_csr64(X: Csr, A: Array, out: Array, n_threads: int) -> None: ...
def update32_dense(
    X: Array, models: list[Any], n_columns: int, n_threads: int
) -> list[Report]: ...
def update32_csr32(
    X: Csr, models: list[Any], n_columns: int, n_threads: int
) -> list[Report]: ...
def update32_csr64(
    X: Csr, models: list[Any], n_columns: int, n_threads: int
) -> list[Report]: ...
def update64_dense(
    X: Array, models: list[Any], n_columns: int, n_threads: int
) -> list[Report]: ...
def update64_csr32(
    X: Csr, models: list[Any], n_columns: int, n_threads: int
) -> list[Report]: ...
def update64_csr64(
    X: Csr, models: list[Any], n_columns: int, n_threads: int
) -> list[Report]: ...

Value: TypeAlias = tuple[Any, ...]

def multiply32(
    start: Array,
    numerator: Array,
    denominator: Array | None,
    solved: Array,
    options: Value,
    n_threads: int,
) -> None: ...
def multiply64(
    start: Array,
    numerator: Array,
    denominator: Array | None,
    solved: Array,
    options: Value,
    n_threads: int,
) -> None: ...
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
