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
def pool_size() -> int: ...
def shut_down_pool() -> None: ...
def sweep(
    A: Array,
    P: Array,
    gram: Array,
    inverse: Array,
    l1: Array,
    order: Array,
    n_threads: int,
) -> tuple[float, float]: ...
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
def gram(A: Array, G: Array, n_threads: int) -> None: ...
def matmul_dense(X: Array, B: Array, out: Array, n_threads: int) -> None: ...
def matmul_csr32(X: Csr, B: Array, out: Array, n_threads: int) -> None: ...
def matmul_csr64(X: Csr, B: Array, out: Array, n_threads: int) -> None: ...
def rmatmul_dense(X: Array, A: Array, out: Array, n_threads: int) -> None: ...
def rmatmul_csr32(X: Csr, A: Array, out: Array, n_threads: int) -> None: ...
def rmatmul_csr64(X: Csr, A: Array, out: Array, n_threads: int) -> None: ...
def update_dense(
    X: Array,
    Ht: Array,
    A: Array,
    gram: Array,
    inverse: Array,
    l1: Array,
    order: Array,
    rhs: Array,
    G: Array,
    n_threads: int,
) -> tuple[float, float]: ...
def update_csr32(
    X: Csr,
    Ht: Array,
    A: Array,
    gram: Array,
    inverse: Array,
    l1: Array,
    order: Array,
    rhs: Array,
    G: Array,
    n_threads: int,
) -> tuple[float, float]: ...
def update_csr64(
    X: Csr,
    Ht: Array,
    A: Array,
    gram: Array,
    inverse: Array,
    l1: Array,
    order: Array,
    rhs: Array,
    G: Array,
    n_threads: int,
) -> tuple[float, float]: ...
