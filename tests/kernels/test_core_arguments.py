"""No call of the core reads or writes an array that is not as the kernels rely on it.

Every function of `_core` is called with each of its arrays spoilt in each way; it refuses by
a TypeError or ValueError, or gives what it gives for the sound array.
"""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp

from support.requirements import needs_core

core = pytest.importorskip("nonneg._core")
pytestmark = needs_core

N_ROWS, N_COLUMNS, K = 7, 5, 3
RANDOM = np.random.default_rng(0)
DENSE = RANDOM.integers(1, 9, (N_ROWS, N_COLUMNS)) * (
    RANDOM.random((N_ROWS, N_COLUMNS)) < 0.6
)
FACTORS = RANDOM.random((N_ROWS, K)) + 0.1, RANDOM.random((N_COLUMNS, K)) + 0.1
SETTINGS = {
    "available_sets", "choose_set", "chosen_set", "set_blas", "unset_blas", "set_thread_work",
    "set_check", "pool_size", "pool_stack_bytes", "shut_down_pool",
}  # fmt: skip
"""Functions that take no array."""


class Arrays:
    """The arrays of a call by name; one of them is spoilt when it is asked for."""

    def __init__(self, dtype, spoilt=None, spoil=None):
        self.dtype, self.spoilt, self.spoil = np.dtype(dtype), spoilt, spoil
        self.arrays = {}

    def __call__(self, name, array, dtype=None):
        array = np.array(array, dtype or self.dtype, order="C")
        if name == self.spoilt:
            array = self.spoil(array)
        self.arrays[name] = array
        return array

    def empty(self, name, *shape, dtype=None):
        return self(name, np.zeros(shape), dtype)

    @property
    def factors(self):
        W, Ht = FACTORS
        return W, Ht, Ht.T @ Ht


def csr(a, index, A=DENSE):
    return csr_of(a, "X", index, A)


def csr_of(a, name, index, A):
    X = sp.csr_array(A)
    return (
        a(f"{name}.data", X.data),
        a(f"{name}.indices", X.indices, index),
        a(f"{name}.indptr", X.indptr, index),
        A.shape[1],
    )


class Parts:
    """A dense or sparse X in one window."""

    def __init__(self, X):
        self.n_rows = self.longest = N_ROWS
        self.entries, self.X = float(N_ROWS * N_COLUMNS), X

    def next(self, n_tasks, block):
        X, self.X = self.X, None
        if X is None:
            return None
        n_blocks = -(-self.n_rows // block)
        return [(0, 0, n_blocks, 0, X)]


STORAGES = {
    "dense": lambda a: a("X", DENSE),
    "csr32": lambda a: csr(a, np.int32),
    "csr64": lambda a: csr(a, np.int64),
    "dense_parts": lambda a: Parts(a("X", DENSE)),
    "csr_parts": lambda a: Parts(csr(a, np.int32)),
}


def rows_of(a, start, **more):
    moved = a.empty("moved", *start.shape)
    return SimpleNamespace(
        start=a("start", start), solved=a.empty("solved", *start.shape),
        previous=a("previous", start), moved=moved, **more,
    )  # fmt: skip


def solve_options(a, gram):
    return core.SolveOptions(
        gram=a("gram", gram), inverse_diagonal=a("inverse", 1 / gram.diagonal()),
        l1=a("l1", np.zeros(K)), order=a("order", np.arange(K), np.int64),
        method=core.RowMethod.ADAPTIVE, sweeps=2, settled=0.1,
        exact_gram=a("exact_gram", gram, np.float64),
        exact_l1=a("exact_l1", np.zeros(K), np.float64),
    )  # fmt: skip


def beta_options(a):
    vectors = {name: a(name, np.full(K, 0.5)) for name in ("column_sums", "l1", "l2")}
    return core.BetaOptions(
        beta=1.0, floor=1e-9, least=0.0, rise=0.0, fall=1.0, move=True, **vectors
    )


def call_matmul(f, X, a):
    f(X(a), a("B", FACTORS[1]), a.empty("out", N_ROWS, K), 1)


def call_rmatmul(f, X, a):
    f(X(a), a("A", FACTORS[0]), a.empty("out", N_COLUMNS, K), 1)


def call_update(f, X, a):
    W, Ht, gram = a.factors
    more = {"scale": a("scale", np.ones(N_ROWS)), "extra": a("extra", np.zeros_like(W))}
    model = core.ModelArrays(
        rows=rows_of(a, W, **more), Ht=a("Ht", Ht), options=solve_options(a, gram),
        rhs=a.empty("rhs", N_COLUMNS, K), gram=a.empty("sums", K, K, dtype=np.float64),
        measures=a.empty("measures", 2, K, dtype=np.float64),
    )  # fmt: skip
    f(X(a), [model], N_COLUMNS, 1, None, a.empty("entries", 1, 3, dtype=np.float64))
    model = core.ModelArrays(
        rows=rows_of(a, W), Ht=a("Ht", Ht), rhs=a.empty("rhs", N_COLUMNS, K),
        options=[solve_options(a, gram), solve_options(a, gram)],
        gram=a.empty("class sums", 2 * K, K, dtype=np.float64),
    )  # fmt: skip
    f(X(a), [model], N_COLUMNS, 1, a("bounds", [0, 3, N_ROWS], np.int64))


def call_solve(f, a):
    W, _, gram = a.factors
    f(
        rows_of(a, W), a("P", W), solve_options(a, gram),
        a.empty("gram_solved", K, K, dtype=np.float64),
        a.empty("gram_result", K, K, dtype=np.float64),
        a.empty("measures", 2, K, dtype=np.float64), 1,
    )  # fmt: skip


def call_solve_classes(f, a):
    W, _, gram = a.factors
    f(
        rows_of(a, W), a("P", W), [solve_options(a, gram)], a("bounds", [0, N_ROWS], np.int64),
        a.empty("grams_solved", K, K, dtype=np.float64),
        a.empty("grams_result", K, K, dtype=np.float64),
        a.empty("measures", 2, K, dtype=np.float64), 1,
    )  # fmt: skip


def call_repeat(f, a):
    W, _, gram = a.factors
    f(
        rows_of(a, W), a("P", W), solve_options(a, gram), 1.0, 0.0, 0.0,
        a.empty("violations", 2, dtype=np.float64), 1,
    )  # fmt: skip


def swept(a, name, rows):
    return core.SweptArrays(
        rows=a(f"{name}.rows", rows), Q=a(f"{name}.Q", np.eye(K), np.float64),
        l1=a(f"{name}.l1", np.zeros(K)),
    )  # fmt: skip


def call_alternate(f, X, a):
    W, Ht, gram = a.factors
    double = {"dtype": np.float64}
    f(
        X(a), swept(a, "inner", W), swept(a, "outer", Ht), False,
        a("gram_inner", W.T @ W, np.float64), a("gram_outer", gram, np.float64),
        a.empty("rhs", N_COLUMNS, K), 1.0, 0.0, 0.0, a.empty("measures", 2, 2, **double),
        a.empty("grams", 2 * 2 * K * K, **double), a.empty("sums", 2 * 2 * K, **double), 1,
    )  # fmt: skip


def call_multiply_both(f, X, a):
    W, Ht, _ = a.factors
    f(
        X(a), swept(a, "inner", W), a("outer", Ht), beta_options(a), a("numerator", Ht),
        a("denominator", Ht), True, 2, 1,
    )  # fmt: skip


def call_beta(f, X, a):
    W, Ht, _ = a.factors
    f(
        X(a), a("start", W), a("Ht", Ht), a("after", Ht), a.empty("solved", N_ROWS, K),
        a.empty("below", N_ROWS, K), a.empty("numerator", N_COLUMNS, K),
        a.empty("denominator", N_COLUMNS, K), beta_options(a), True, 1,
    )  # fmt: skip


def call_newton(f, X, a):
    W, Ht, _ = a.factors
    vectors = {name: a(name, np.full(K, 0.5)) for name in ("column_sums", "l1", "l2")}
    options = core.NewtonOptions(
        floor=1e-9, unit=1.0, momentum=0.0, tolerance=0.1, sweeps=2, rescale=False,
        wants_value=True, linear=a("linear", np.ones((N_ROWS, K))),
        bent=a("bent", np.ones(N_ROWS), np.float64), **vectors,
    )  # fmt: skip
    f(X(a), rows_of(a, W), a("Ht", Ht), options, 1)


def call_irls(f, a):
    W, Ht, _ = a.factors
    f(
        X=a("X", DENSE), rows=rows_of(a, W), Ht=a("Ht", Ht), beta=0.5, floor=1e-9, power=0.5,
        momentum=0.3, l1=a("l1", np.ones(K)), l2=a("l2", np.ones(K)), n_threads=1,
    )  # fmt: skip


def call_multiply(f, a):
    W = FACTORS[0]
    f(
        a("start", W), a("numerator", W), a("denominator", W), a.empty("solved", N_ROWS, K),
        beta_options(a), 1,
    )  # fmt: skip


def call_exact(f, a):
    W, _, gram = a.factors
    f(
        a.empty("A", N_ROWS, K), a("P", W), a("gram", gram.ravel(), np.float64),
        a("l1", np.zeros(K), np.float64), a("upper", np.ones(K), np.float64),
        a.empty("gradient", K, dtype=np.float64), False, 1,
    )  # fmt: skip


def call_gather(f, a):
    f(
        a("base", FACTORS[0]), a("features", [4, 0], np.int64), a("scale", np.ones(K)),
        a.empty("out", 2, K), a.empty("sums", K, dtype=np.float64), 1,
    )  # fmt: skip


def call_move(f, a):
    vectors = [a(name, np.ones(K)) for name in ("kept", "inverse", "over_scale")]
    f(
        a("base", FACTORS[0]), a("features", [4, 0], np.int64), a("before", np.ones((2, K))),
        a("numerator", np.ones((2, K))), *vectors, 0.0,
        a.empty("sums", 4 * K, dtype=np.float64), 1,
    )  # fmt: skip


def call_clean(f, index, a):
    f(a("A", DENSE), csr(a, index), 0, a.empty("out", N_ROWS, N_COLUMNS), 1)


def call_apart(f, index, a):
    W, Ht, gram = a.factors
    options = core.ApartOptions(
        base=a("base", gram, np.float64), Q=a("Q", np.eye(K), np.float64),
        l1=a("l1", np.zeros(K), np.float64), linear=a("linear", np.ones(N_ROWS), np.float64),
        quadratic=a("quadratic", np.ones(N_ROWS), np.float64),
        order=a("order", np.arange(K), np.int64), method=1, sweeps=2, settled=0.1,
        momentum=0.0, narrow=False,
    )  # fmt: skip
    f(
        csr(a, index), rows_of(a, W), a("Ht", Ht), a("P", W), options,
        a.empty("measures", 2, K, dtype=np.float64), 1,
    )  # fmt: skip


def call_named_product(f, index, a):
    W, Ht, _ = a.factors
    f(csr(a, index), a("A", W), a("B", Ht), a("C", Ht), a.empty("out", N_ROWS, K), 1)


def call_named_square(f, index, a):
    W, Ht, _ = a.factors
    named = csr(a, index)
    f(named, a("values", sp.csr_array(DENSE).data), a("A", W), a("B", Ht), 1)


def call_imputed(f, index, a):
    W, Ht, gram = a.factors
    more = {"scale": a("scale", np.ones(N_ROWS)), "extra": a("extra", np.zeros_like(W))}
    model = core.ModelArrays(
        rows=rows_of(a, W, **more), Ht=a("Ht", Ht), options=solve_options(a, gram),
        rhs=a.empty("rhs", N_COLUMNS, K), gram=a.empty("sums", K, K, dtype=np.float64),
        measures=a.empty("measures", 2, K, dtype=np.float64),
    )  # fmt: skip
    f(
        a("dense", DENSE), csr(a, index), [model], a("row_scales", np.ones(N_ROWS)),
        a("column_scales", np.ones(N_COLUMNS)), True, 1,
    )  # fmt: skip


def call_clean_product(f, index, a):
    f(a("A", DENSE), csr(a, index), a("B", FACTORS[1]), a.empty("out", N_ROWS, K), 1)


def call_list_gaps(f, index, a):
    zeros = DENSE == 0
    pointers = np.append(0, np.cumsum(zeros.sum(axis=1)))
    f(
        a("A", DENSE), True, a("X.indptr", pointers, index),
        a.empty("columns", zeros.sum(), dtype=index), 1,
    )  # fmt: skip


def call_bounded(f, a):
    W, _, gram = a.factors
    f(
        a("start", W), a.empty("solved", N_ROWS, K), a("P", W), a("gram", gram.ravel(), np.float64),
        a("l1", np.zeros(K), np.float64), a("lower", np.zeros((N_ROWS, K))),
        a("upper", np.ones((N_ROWS, K))), a("total", np.ones(N_ROWS), np.float64), True,
        False, 2, 0.1, 0.0, 0.0, 1e-6, a.empty("unsolved", N_ROWS, dtype=np.uint8),
        a.empty("measures", 2, K, dtype=np.float64), 1,
    )  # fmt: skip


def turning(a):
    return [
        part
        for name, A in zip("WH", FACTORS, strict=True)
        for part in (
            [a(f"{name}{i}", A) for i in range(3)],
            a(f"roles_{name}", [0, 0, 0, 1, 2], np.int64),
        )
    ]


def momentum(a):
    return (
        a("state", np.ones(7), np.float64), a.empty("restarts", 10, dtype=np.uint8),
        a("decreases", np.ones(5), np.float64), a("values", np.ones(5), np.float64),
        core.MomentumRule(
            growth=1.05, cap_growth=1.01, shrinkage=1.5, tol=0.0, nearly=1.0,
            least_decrease=0.0, pause=1, reset=1,
        ),
    )  # fmt: skip


def call_newton_stretch(f, X, a):
    X = X(a)
    if isinstance(X, tuple):
        index = np.int32 if X[2] is None else X[2].dtype
        Xt = csr_of(a, "Xt", index, DENSE.T)
    else:
        Xt = a("Xt", DENSE.T)
    f(
        X, Xt, *turning(a), *momentum(a), 1e-9, 1.0, 1, 3.0, 1.0, 0.0,
        a.empty("reports", 1, 3, dtype=np.float64), 1,
    )  # fmt: skip


def call_extrapolate(f, X, a):
    _, _, gram = a.factors
    f(
        X(a), False, *turning(a), a("gram_H", gram, np.float64),
        a("product", FACTORS[0]),
        *momentum(a), 2, 0.1, 1.0, 0.0, 0.0,
        a.empty("reports", 1, 4, dtype=np.float64), a.empty("grams", 3 * K, K, dtype=np.float64),
        a.empty("measures", 4, K, dtype=np.float64), 1,
    )  # fmt: skip


def call_balance(f, a):
    W, Ht, _ = a.factors
    f(
        a("W", W), a("H", Ht), a("product", DENSE @ Ht),
        a.empty("gram_H", K, K, dtype=np.float64), 1,
    )  # fmt: skip


def drawn(a, index, n_lines):
    entries = np.count_nonzero(DENSE)
    return (
        a.empty("drawn values", entries), a.empty("drawn indices", entries, dtype=index),
        a.empty("drawn pointers", n_lines + 1, dtype=index),
    )  # fmt: skip


def call_draw_rows(f, X, a):
    X = X(a)
    index = np.int32 if X[2] is None else X[2].dtype
    rows = a("rows", [0, 2, 6], index)
    f(X, N_COLUMNS, rows, a("scale", np.ones(3)), *drawn(a, index, 3))


def call_draw_columns(f, X, a):
    X = X(a)
    index = np.int32 if X[2] is None else X[2].dtype
    place = a("place", [0, -1, 1, 2, -1], index)
    f(X, place, a("scale", np.ones(N_COLUMNS)), *drawn(a, index, N_ROWS))


def call_order_runs(f, X, a):
    X = X(a)
    index = np.int32 if X[2] is None else X[2].dtype
    runs = 2 * N_ROWS
    f(
        X, a("rows", np.arange(N_ROWS)[::-1], index), a("place", [0, 4, 1, 2, 3], index),
        a("class_of", [0, 1, 0, 0, 1], index), 2, *drawn(a, index, runs),
        a.empty("run sums", runs, dtype=np.float64),
        a.empty("run squares", runs, dtype=np.float64), 1,
    )  # fmt: skip


def call_revive(f, X, a):
    W, Ht, _ = a.factors
    starts = a("starts", np.ones((1, len(Ht))))
    f(X(a), False, a("W", W), a("H", Ht), [1], starts, 2, 1)


def call_polish(f, X, a):
    W, Ht = FACTORS
    f(
        X(a), False, a("best_W", W), a("best_H", Ht), a.empty("W", N_ROWS, K),
        a.empty("H", len(Ht), K), 2, 0.1, 0, 0.001, 1.0, 0.0, 1,
    )  # fmt: skip


ON_X = {
    "squared_error": lambda f, X, a: f(X(a), a("W", FACTORS[0]), a("Ht", FACTORS[1]), 1),
    "matmul": call_matmul, "rmatmul": call_rmatmul, "update": call_update,
    "alternate": call_alternate, "beta": call_beta, "newton": call_newton,
    "extrapolate": call_extrapolate, "newton_stretch": call_newton_stretch,
    "multiply_both": call_multiply_both, "polish": call_polish,
    "revive": call_revive, "draw_rows": call_draw_rows, "draw_columns": call_draw_columns,
    "order_runs": call_order_runs,
}  # fmt: skip
ON_NAMED = {
    "clean_rows": call_clean, "solve_apart": call_apart, "named_product": call_named_product,
    "named_square": call_named_square, "update_imputed": call_imputed,
    "clean_product": call_clean_product, "list_gaps": call_list_gaps,
    "clean_summary": lambda f, index, a: f(a("A", DENSE), csr(a, index), 1),
}  # fmt: skip
ALONE = {
    "balance": call_balance,
    "solve": call_solve, "solve_classes": call_solve_classes, "multiply": call_multiply, "exact_solve": call_exact,
    "solve_bounded": call_bounded, "repeat": call_repeat, "irls": call_irls,
    "gather_scaled": call_gather, "move_scaled": call_move,
    "summary": lambda f, a: f(a("X", DENSE), 1),
    "extremes": lambda f, a: f(a("X", DENSE), 1),
    "count_gaps": lambda f, a: f(
        a("A", DENSE), True, a.empty("counts", N_ROWS, dtype=np.int64), 1
    ),
    "gram": lambda f, a: f(a("A", FACTORS[0]), a.empty("G", K, K, dtype=np.float64), 1),
    "column_sums": lambda f, a: f(a("A", FACTORS[0]), a.empty("sums", K, dtype=np.float64), 1),
    "touch": lambda f, a: f(a("bytes", np.ones(99), np.uint8), 10),
}  # fmt: skip


def entry_points():
    """Yield the name of each function of the core, and what its name says it takes."""
    for name in sorted(vars(core)):
        if name.startswith("_") or isinstance(vars(core)[name], type | int | float):
            continue
        yield (
            name,
            *re.fullmatch(
                r"([a-z_]+?)(32|64)?(?:_(dense|csr|dense_parts|csr_parts)(32|64)?)?",
                name,
            ).groups(),
        )


def calls():
    """Yield each function of the core with dtypes that it takes, and its call."""
    for name, family, width, storage, index in entry_points():
        f = vars(core)[name]
        for w in [width] if width else ["32", "64"]:
            dtype = np.dtype(f"f{int(w) // 8}")
            if family in ON_X:
                X = STORAGES[storage + (index or "")]
                yield name, dtype, lambda a, f=f, X=X, c=ON_X[family]: c(f, X, a)
            elif family in ON_NAMED:
                kind = np.dtype(f"i{int(index) // 8}")
                yield (
                    name,
                    dtype,
                    lambda a, f=f, kind=kind, c=ON_NAMED[family]: c(f, kind, a),
                )
            elif family in ALONE:
                yield name, dtype, lambda a, f=f, c=ALONE[family]: c(f, a)


def other_dtype(array):
    others = {"f4": "f8", "f8": "f4", "i4": "i8", "i8": "i4", "u1": "i1"}
    return array.astype(others[array.dtype.str[1:]])


def other_order(array):
    return array.astype(array.dtype.newbyteorder())


def off_by_a_byte(array):
    room = np.zeros(array.nbytes + 1, np.uint8)
    odd = room[1:].view(array.dtype).reshape(array.shape)
    odd[...] = array
    return odd


def strided(array):
    room = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    room[..., ::2] = array
    return room[..., ::2]


def flat(array):
    return array.reshape(*array.shape, 1)


MUST_REFUSE = {"dtype": other_dtype, "byte order": other_order, "dimensions": flat}
MUST_REFUSE |= {"alignment": off_by_a_byte, "a row too few": lambda array: array[:-1]}
MAY_TAKE = {"strides": strided, "nothing": lambda array: None}
SHORT = "a row too few"
MOMENTUM = {
    ("reports", SHORT),
    *((name, "dimensions") for name in ("state", "decreases", "values")),
}
ALLOWED = {
    # sums over one array of any length, in either dtype
    "summary": {("X", SHORT), ("X", "dtype")},
    "gram": {("A", SHORT), ("A", "dtype")},
    "column_sums": {("A", SHORT), ("A", "dtype")},
    "extremes": {("X", SHORT)},
    # a factor of any length
    "balance": {("H", SHORT)},
    # room for the sums of several iterations: only its size counts
    "alternate": {("grams", "dimensions"), ("sums", "dimensions")},
    "repeat": {("violations", SHORT), ("violations", "dimensions")},
    "extrapolate": MOMENTUM,
    "newton_stretch": MOMENTUM,
    # any rows, if those that are asked for are among them
    "gather_scaled": {("base", SHORT)},
    "move_scaled": {("base", SHORT)},
}
"""What calls take, by what they are called for and how it is spoilt."""


def in_parts(case):
    """A part of X may be shorter than a block; `operands/streamed` counts its rows."""
    sparse = "csr_parts" in case
    return {("X.indptr" if sparse else "X", SHORT)} if "_parts" in case else set()


CASES = {f"{name}-{dtype}": call for name, dtype, call in calls()}
DTYPES = {f"{name}-{dtype}": dtype for name, dtype, _ in calls()}


def outcome(case, spoilt=None, spoil=None):
    """Return the arrays after a call, or the error that refused it."""
    a = Arrays(DTYPES[case], spoilt, spoil)
    try:
        CASES[case](a)
    except (TypeError, ValueError) as error:
        return error
    return a.arrays


def is_refused(case, name, how, spoil):
    result = outcome(case, name, spoil)
    if isinstance(result, Exception):
        assert "bad_cast" not in str(result), (name, how)
        return True
    return False


def test_each_function_of_the_core_is_tried():
    families = {family for _, family, *_ in entry_points()}
    tried = {*ON_X, *ON_NAMED, *ALONE}
    assert families - SETTINGS == tried, "add what is new to ON_X, ON_NAMED or ALONE"


@pytest.mark.parametrize("case", CASES)
def test_an_array_that_is_not_as_the_kernels_rely_on_it_is_refused(case):
    sound = outcome(case)
    assert isinstance(sound, dict), sound
    taken = {
        (name, how)
        for name, array in sound.items()
        for how, spoil in MUST_REFUSE.items()
        if array.dtype.itemsize > 1 or how in ("dimensions",)
        if not is_refused(case, name, how, spoil)
    }
    assert taken == ALLOWED.get(re.sub(r"\d\d.*|-.*", "", case), set()) | in_parts(case)


@pytest.mark.parametrize("case", CASES)
def test_strides_are_followed_or_refused(case):
    sound = outcome(case)
    for name in sound:
        result = outcome(case, name, strided)
        if isinstance(result, dict):
            for key, array in result.items():
                np.testing.assert_array_equal(
                    array, sound[key], err_msg=f"{name}: {key}"
                )
        is_refused(case, name, "nothing", lambda array: None)


@pytest.mark.parametrize("case", [case for case in CASES if "csr" in case])
def test_row_pointers_lead_through_the_entries(case):
    def falling(indptr):
        indptr[2], indptr[3] = indptr[3], indptr[2] - 1
        return indptr

    def negative(indptr):
        indptr[0] = -1
        return indptr

    def beyond(indptr):
        indptr[-1] += 1
        return indptr

    for spoil in (falling, negative, beyond):
        assert is_refused(case, "X.indptr", spoil.__name__, spoil)


@pytest.mark.parametrize("number", [-1, 10**9])
def test_numbers_of_rows_and_coordinates_are_in_range(number):
    def spoil(indices):
        indices[0] = number
        return indices

    for case in CASES:
        for name in ("features", "order"):
            if name in outcome(case):
                assert is_refused(case, name, "range", spoil)


OF_CSR = [case for case in CASES if "csr" in case and "list_gaps" not in case]


@pytest.mark.parametrize("case", OF_CSR)
def test_a_csr_has_as_many_columns_as_the_other_factor_has_rows(case):
    """The gate has compared its indices with this number, so that they lead into the factor."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csr, "__defaults__", (np.hstack([DENSE, DENSE]),))
        with pytest.raises(ValueError, match="columns of X do not fit"):
            CASES[case](Arrays(DTYPES[case]))
