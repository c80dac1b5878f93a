"""Fits of solver "hals" whose H moves, at first, after each of several blocks of rows."""

from __future__ import annotations

import dataclasses
import weakref

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import NMF
from nonneg.base.parameters import Parameters
from nonneg.fitting import plan_choices, preparation
from nonneg.operands.registration import as_operand
from nonneg.operands.streamed import row_batches
from nonneg.solvers import block_least_squares
from nonneg.solvers.composed import block_warmup
from support.cases import DTYPES, MAIN_STORAGES, STORAGES, data
from support.combinations import covering
from support.stored import npy_folder
from support.tolerances import assert_close

K = 4
BLOCKS = [1, 2, 5, 1000]
pytestmark = [
    pytest.mark.usefixtures("eager_threads"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def model(blocks, **options):
    given = {"init": "random", "solver": "hals", "random_state": 0, "tol": 0}
    return NMF(K, blocks=blocks, **{**given, "max_iter": 8, **options})


@pytest.fixture
def by_blocks_alone(monkeypatch):
    monkeypatch.setattr(block_warmup, "PASSES", 10**9)


@pytest.mark.parametrize(
    ("passes", "blocks", "storage", "penalty"),
    covering(
        [2, 10**9], BLOCKS, MAIN_STORAGES, [{}, {"alpha_W": 1e-3, "l1_ratio": 0.4}]
    ),
)
def test_a_pass_by_blocks_never_raises_the_objective(
    blocks, storage, penalty, passes, monkeypatch
):
    monkeypatch.setattr(block_warmup, "PASSES", passes)
    X = data(60, 23)
    fitted = model(blocks, **penalty).fit(STORAGES[storage](X))
    W = fitted.transform(STORAGES[storage](X))
    objective = fitted.history_["objective"]
    assert fitted.n_iter_ == 8
    assert objective.size == 9  # with that of the exact solve at the end
    assert np.diff(objective[:passes]).max() <= 1e-10 * objective[0]
    assert objective[-1] <= objective.min() * (1 + 1e-10)
    H, weight = fitted.components_, penalty.get("alpha_W", 0.0)
    l1, l2 = penalty.get("l1_ratio", 0.0), 1 - penalty.get("l1_ratio", 0.0)
    value = 0.5 * np.sum((X - W @ H) ** 2) + sum(
        size * weight * (l1 * A.sum() + 0.5 * l2 * np.sum(A * A))
        for A, size in ((W, X.shape[1]), (H, X.shape[0]))
    )
    assert objective[-1] == pytest.approx(value, rel=1e-10)


@pytest.mark.parametrize("blocks", BLOCKS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_storage_and_threads_change_nothing(blocks, dtype):
    X = data(60, 23, dtype=dtype)
    one, *others = (
        model(blocks, n_threads=n).fit(STORAGES[storage](X)).components_
        for storage in MAIN_STORAGES
        for n in (1, 2)
    )
    np.testing.assert_array_equal(one, others[0])
    for other in others[1:]:
        assert_close(other, one, dtype, X.size, factor=100)


@pytest.mark.parametrize("blocks", [2, 5])
@pytest.mark.usefixtures("by_blocks_alone")
def test_more_blocks_need_fewer_passes_than_one(blocks):
    rng = np.random.default_rng(0)
    X = rng.gamma(0.5, size=(400, 6)) @ rng.gamma(0.5, size=(6, 30))
    X += 0.05 * X.mean() * rng.random(X.shape)
    options = {"max_iter": 60, "n_init": 1}
    courses = {
        b: NMF(6, "random", "hals", random_state=0, tol=0, blocks=b, **options)
        .fit(X)
        .history_["objective"]
        for b in (1, blocks)
    }
    target = 1.02 * min(course.min() for course in courses.values())
    passes = {  # beyond the last if none was enough
        b: int(np.argmax(np.append(course, 0) <= target))
        for b, course in courses.items()
    }
    assert passes[blocks] < passes[1]


def test_fit_transform_and_transform_agree_and_the_best_start_is_kept():
    X = data(60, 23)
    fitted = model(5, n_init=3, tol=1e-5, max_iter=400)
    W = fitted.fit_transform(X)
    assert fitted.stop_reason_ == "converged"
    np.testing.assert_allclose(fitted.transform(X), W, rtol=1e-6, atol=1e-9)
    assert fitted.reconstruction_err_ == pytest.approx(
        np.linalg.norm(X - W @ fitted.components_)
    )
    first = model(5, tol=1e-5, max_iter=400).fit(X).reconstruction_err_
    assert fitted.reconstruction_err_ <= first * (1 + 1e-12)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"solver": "cd"}, "works with solver='hals'"),
        ({"solver": "bpp"}, "works with solver='hals'"),
        ({"compress": True}, "don't go together"),
        ({"blocks": 0}, "blocks"),
        ({"blocks": 1.5}, "blocks"),
    ],
)
def test_what_does_not_go_together_is_refused(options, reason):
    with pytest.raises(ValueError, match=reason):
        model(**{"blocks": 3, **options}).fit(data(60, 23))


def test_auto_may_be_cut_into_blocks():
    fitted = model(3, solver="auto", compress="auto").fit(data(60, 23))
    assert fitted.solver_ == "hals"
    np.testing.assert_array_equal(
        fitted.components_, model(3).fit(data(60, 23)).components_
    )


def sorted_groups(n_groups=8, n_rows=500, n_columns=20):
    """Rows in the order of their groups, each of which has columns of its own."""
    rng = np.random.default_rng(0)
    X = np.zeros((n_groups * n_rows, n_groups * n_columns), np.float32)
    for g in range(n_groups):
        part = np.s_[g * n_rows : (g + 1) * n_rows, g * n_columns : (g + 1) * n_columns]
        X[part] = rng.random((n_rows, 1)) @ rng.random((1, n_columns))
        X[part] += 0.05 * rng.random((n_rows, n_columns))
    return X


@pytest.mark.parametrize("blocks", [8, 20])
@pytest.mark.parametrize("seed", range(3))
def test_rows_in_the_order_of_their_groups_are_no_trap(blocks, seed):
    # where H became 0 for the columns that no row seen had, it stayed there
    X, options = sorted_groups(), {"tol": 0, "random_state": seed, "max_iter": 30}
    ends = [
        NMF(8, "random", "hals", blocks=b, **options).fit(X).history_["objective"][-1]
        for b in (None, blocks)
    ]
    assert ends[1] <= 1.5 * ends[0]  # ends differ by which local minimum they are at


@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_a_column_that_no_row_has_ends_as_0(storage):
    X = data(60, 23)
    X[:, 7] = 0
    fitted = model(5, max_iter=1).fit(STORAGES[storage](X))
    assert not fitted.components_[:, 7].any()


def many_rows():
    rng = np.random.default_rng(1)
    X = rng.gamma(0.5, size=(2000, K)) @ rng.gamma(0.5, size=(K, 30))
    return X + 0.05 * X.mean() * rng.random(X.shape)


@pytest.mark.usefixtures("by_blocks_alone")
def test_the_first_block_is_gone_over_until_it_brings_little(monkeypatch):
    X, courses = many_rows(), {}
    for most in (0, block_least_squares.WARM_UP):
        monkeypatch.setattr(block_least_squares, "WARM_UP", most)
        courses[most] = model(8, max_iter=60).fit(X).history_["objective"]
    best = min(course[-1] for course in courses.values())
    without, with_it = (course[0] / best - 1 for course in courses.values())
    assert with_it < 0.25 * without
    # what came of it is exact again: no pass raises the objective, and the end is as good
    course = courses[block_least_squares.WARM_UP]
    assert np.diff(course).max() <= 1e-10 * course[0]
    assert course[-1] <= 1.01 * best


def test_few_rows_are_not_learned_by_heart(monkeypatch):
    X = many_rows()[:300]
    ended = model(8).fit(X).components_
    monkeypatch.setattr(block_least_squares, "WARM_UP", 0)
    np.testing.assert_array_equal(model(8).fit(X).components_, ended)


def test_an_interrupt_on_the_first_block_leaves_a_model(monkeypatch):
    X, asked = many_rows(), []

    def product(*args):
        asked.append(0)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return true_one(*args)

    true_one = block_least_squares.rmatmul  # XᵀW of a block, by which H moves
    monkeypatch.setattr(block_least_squares, "rmatmul", product)
    fitted = model(8)
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(X)
    assert fitted.components_.shape == (K, 30)
    assert np.isfinite(fitted.components_).all()


def mapped(folder, n_rows, n_columns=4):
    rng = np.random.default_rng(2)
    X = rng.gamma(0.5, size=(n_rows, 1)) @ rng.gamma(0.5, size=(1, n_columns))
    X = (X + 0.1 * rng.random(X.shape)).astype(np.float32)
    np.save(folder / "x.npy", X)
    return X, np.load(folder / "x.npy", mmap_mode="r")


def auto(X, n_components=1, out=None, **options):
    """Components of a fit by "auto", and the blocks that it took."""
    model = NMF(
        n_components, "random", "auto", random_state=0, max_iter=4, tol=0, **options
    )
    blocks = model.plan(X, out=out).parameters.blocks
    model.fit_transform(X, out=out)
    return model.components_, blocks


def test_auto_takes_blocks_where_x_is_in_a_store_and_they_are_large_enough(tmp_path):
    X, file = mapped(tmp_path, 40 * block_least_squares.WARM_ROWS)
    H, blocks = auto(file)
    assert blocks == plan_choices.BLOCKS
    there = NMF(
        1, "random", "hals", random_state=0, max_iter=4, tol=0, blocks=blocks
    ).fit(X)
    np.testing.assert_array_equal(H, there.components_)
    # in memory, with fewer rows, more components, or starts that share passes: none
    assert auto(X)[1] is None
    assert auto(file[:-1])[1] is None
    assert auto(file, 2)[1] is None
    assert auto(file, n_init=2)[1] is None
    assert auto(file, checkpoint=tmp_path / "fit.ckpt")[1] is None
    assert auto(file, beta_loss="kullback-leibler")[1] is None
    assert auto(file, out=np.empty((len(X), 1), np.float32))[1] is None


@pytest.mark.parametrize(("share", "blocks"), [(0.9, None), (1.1, plan_choices.BLOCKS)])
def test_auto_takes_no_blocks_where_h_is_large_beside_x(tmp_path, share, blocks):
    n_rows, n_columns = 40 * block_least_squares.WARM_ROWS, 30
    rng = np.random.default_rng(0)
    X = np.zeros((n_rows, n_columns), np.float32)
    entries = int(share * plan_choices.H_WORK * plan_choices.BLOCKS * n_columns)
    X.flat[rng.choice(X.size, entries, replace=False)] = 1 + rng.random(entries)
    path = npy_folder(tmp_path, sp.csr_array(X))
    assert auto(path)[1] == blocks


def test_auto_takes_blocks_no_larger_than_a_window_and_within_the_limit(tmp_path):
    _, file = mapped(tmp_path, 200_000, 16)  # 12.8 MB
    assert auto(file, memory_limit="200MB")[1] == plan_choices.BLOCKS
    assert auto(file, memory_limit="60MB")[1] == plan_choices.BLOCKS
    X = as_operand(file, 1)
    parameters = preparation.validated(Parameters(n_components=1, solver="hals"))
    X.window_bytes = 100_000  # of a memory_limit, which is not looked at
    assert plan_choices.choose_blocks(parameters, X, 1).value == plan_choices.BLOCKS
    X.most_window_bytes = 100_000
    assert plan_choices.choose_blocks(parameters, X, 1).value == 128
    tight = dataclasses.replace(parameters, memory_limit="40MB")
    assert plan_choices.choose_blocks(tight, X, 1).value is None


def test_blocks_that_are_too_large_for_the_limit_are_refused(tmp_path):
    _, file = mapped(tmp_path, 500_000, 16)  # 32 MB
    options = {"memory_limit": "80MB", "max_iter": 1, "random_state": 0}
    with pytest.raises(ValueError, match="or more than 2 blocks"):
        NMF(1, "random", "hals", blocks=2, **options).fit(file)
    NMF(1, "random", "hals", blocks=32, **options).fit(file)
    # one block is X itself, which is read in windows
    NMF(1, "random", "hals", blocks=1, **options).fit(file)


def uneven(folder, n_rows=4000, n_columns=200, first=100):
    """A CSR on disk whose first 100 rows have all entries, the others one each."""
    X = np.zeros((n_rows, n_columns), np.float32)
    X[:first] = 1 + np.random.default_rng(0).random((first, n_columns))
    X[first:, 0] = 1
    return npy_folder(folder, sp.csr_array(X))


def test_the_largest_of_uneven_blocks_counts(tmp_path):
    path = uneven(tmp_path)
    X = as_operand(path, 1)
    # 100 rows of 200 entries of 8 bytes and the pointers of rows
    assert X.block_bytes(40) == 100 * (200 * 8 + 4)
    assert X.block_bytes(40) > 20 * X.stored_bytes / 40
    assert X.block_bytes(1) == X.stored_bytes
    parameters = preparation.validated(Parameters(n_components=1, solver="hals"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_choices, "H_WORK", 0)
        assert plan_choices.choose_blocks(parameters, X, 1).value == plan_choices.BLOCKS
        X.most_window_bytes = X.block_bytes(40) // 2 - 1
        assert plan_choices.choose_blocks(parameters, X, 1).value is None


def test_a_given_start_is_kept_by_auto(tmp_path):
    X, file = mapped(tmp_path, 40 * block_least_squares.WARM_ROWS)
    best = NMF(1, "random", "hals", random_state=0, max_iter=200).fit(X)
    start = {"W": best.transform(X), "H": best.components_}
    again = NMF(1, "custom", "auto", max_iter=1, tol=0)
    again.fit_transform(file, **start)
    assert again.reconstruction_err_ <= best.reconstruction_err_ * (1 + 1e-6)
    given = NMF(1, "custom", "hals", max_iter=1, tol=0)
    given.fit_transform(X, **start)
    np.testing.assert_array_equal(again.components_, given.components_)


def test_what_was_read_is_let_go_of_after_the_passes_by_blocks(tmp_path, monkeypatch):
    _, file = mapped(tmp_path, 4000)
    read, alive = [], []

    class Watched(row_batches.BatchReader):
        def batch(self, number):
            operand = super().batch(number)
            read.append(weakref.ref(operand))
            return operand

    monkeypatch.setattr(row_batches, "BatchReader", Watched)

    def callback(_):
        alive.append(any(operand() is not None for operand in read))

    model(4, max_iter=4, callback=callback).fit(file)
    assert alive == [True, True, False, False]


@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_after_two_passes_the_fit_is_that_of_hals_from_there(storage):
    X = STORAGES[storage](data(60, 23))
    two = model(5, max_iter=2).fit(X).history_["objective"]
    course = model(5, max_iter=200).fit(X).history_["objective"]
    np.testing.assert_array_equal(course[:2], two[:2])
    ended = model(5, max_iter=200, tol=1e-6).fit(X)
    assert ended.stop_reason_ == "converged"
    plain = model(None, init="custom", max_iter=400)
    plain.fit_transform(X, W=ended.transform(X), H=ended.components_)
    assert plain.reconstruction_err_ == pytest.approx(
        ended.reconstruction_err_, rel=1e-4
    )


def test_hals_takes_over_without_a_pass_of_its_own():
    X, counts = data(60, 23), []

    class Counted:
        shape, dtype = X.shape, X.dtype

        def __getitem__(self, rows):
            counts.append(len(X[rows]))
            return X[rows]

    at_ends = []
    model(4, max_iter=5, callback=lambda _: at_ends.append(sum(counts))).fit(Counted())
    # beside the three passes a block is read ahead
    assert 180 <= at_ends[4] - at_ends[1] <= 195


def test_a_fit_that_has_converged_by_blocks_ends_there():
    fitted = model(4, tol=0.9).fit(data(60, 23))
    assert fitted.n_iter_ == 2
    assert fitted.stop_reason_ == "converged"
