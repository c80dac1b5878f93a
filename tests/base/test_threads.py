"""Threads: the same bits for any number, forks, concurrent fits, limits and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
import threadpoolctl

import nonneg
from nonneg import kernels
from nonneg.base.threads import (
    held_blas,
    resolve_n_threads,
    single_threaded_blas,
)
from nonneg.operands.base import matmul, rmatmul
from nonneg.operands.registration import as_operand
from support.cases import (
    DTYPES,
    MAIN_STORAGES,
    PAIRS,
    STORAGES,
    data,
    factors,
    make_problem,
)
from support.properties import fit
from support.requirements import needs_core

pytestmark = pytest.mark.usefixtures("eager_threads")


def large(storage, dtype=np.float64):
    """Enough rows for several blocks of any kernel."""
    return STORAGES[storage](data(6000, 40, density=0.2, dtype=dtype))


@needs_core
def test_threads_of_the_pool_have_the_stack_that_kernels_need():
    """On musl a thread gets 128 KB unless another size is asked for, on macOS 512 KB."""
    matmul(as_operand(large("dense-C"), 3), np.ones((40, 3)))
    assert kernels.native._core.pool_size() >= 1
    assert kernels.native._core.pool_stack_bytes() >= 4 << 20


@pytest.mark.parametrize("k", [3, 40])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", MAIN_STORAGES)
@pytest.mark.parametrize(("loss", "case"), PAIRS, ids=str)
def test_the_bits_do_not_depend_on_the_threads(loss, case, storage, dtype, k):
    X = large(storage, dtype)
    start = factors(X.shape, k, dtype)
    results = []
    for n_threads in (1, 2, 7):
        problem = make_problem(X, k, loss=loss, random_state=0, n_threads=n_threads)
        solver = case.make(tol=1e-3)
        with single_threaded_blas():
            results.append(fit(solver, problem, *start, n_iter=2))
    for W, Ht, outcome in results[1:]:
        np.testing.assert_array_equal(W, results[0][0])
        np.testing.assert_array_equal(Ht, results[0][1])
        assert outcome.history.objective == results[0][2].history.objective
        assert outcome.history.residual == results[0][2].history.residual


@pytest.mark.parametrize("storage", STORAGES)
def test_products_do_not_depend_on_the_threads(storage):
    X = large(storage)
    W, Ht = factors(X.shape, 5)
    first, *others = (as_operand(X, n_threads=n) for n in (1, 2, 7))
    for other in others:
        np.testing.assert_array_equal(matmul(other, Ht), matmul(first, Ht))
        np.testing.assert_array_equal(rmatmul(other, W), rmatmul(first, W))


@pytest.mark.parametrize("init", ["random", "nndsvd"])
def test_the_estimator_s_bits_do_not_depend_on_the_threads(init):
    X = large("csr-array")
    models = [
        nonneg.NMF(5, init=init, random_state=0, tol=0, max_iter=4, n_threads=n).fit(X)
        for n in (1, 2, 7)
    ]
    for model in models[1:]:
        np.testing.assert_array_equal(model.components_, models[0].components_)
        assert model.reconstruction_err_ == models[0].reconstruction_err_
    transformed = [model.transform(X) for model in models]
    np.testing.assert_array_equal(transformed[0], transformed[2])


# --- forks ---------------------------------------------------------------------------

FORKED = """
import multiprocessing, os, sys, warnings
import numpy as np
import nonneg
warnings.simplefilter("ignore", DeprecationWarning)  # of fork beside threads

X = np.random.default_rng(0).random((20_000, 60))  # enough for the threads
def fit():
    model = nonneg.NMF(5, init="random", random_state=0, tol=0, max_iter=3, n_threads=3)
    return model.fit(X).components_
expected = fit()
assert nonneg.kernels.native is None or nonneg.kernels.native._core.pool_size()

def child():
    sys.exit(0 if np.array_equal(fit(), expected) else 1)

def nested():
    run(child)

def run(target):
    process = multiprocessing.get_context("fork").Process(target=target)
    process.start()
    process.join()
    if process.exitcode != 0:
        sys.exit(1)

for target in (child, child, nested):
    run(target)
    assert np.array_equal(fit(), expected)
pid = os.fork()
if pid == 0:
    os._exit(0 if np.array_equal(fit(), expected) else 1)
assert os.waitpid(pid, 0)[1] == 0
print("done")
"""


def run_script(code: str, *arguments: str) -> str:
    """Output of a script in a process of its case; a hang is an error after a while."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_forked_child_fits_and_exits():
    assert run_script(FORKED).split() == ["done"]


FORKED_DURING_A_FIT = """
import os, threading, warnings
import numpy as np
import nonneg
warnings.simplefilter("ignore", DeprecationWarning)

X = np.random.default_rng(0).random((20_000, 60))  # enough for the threads
def fit(max_iter, **more):
    model = nonneg.NMF(5, init="random", random_state=0, tol=0, max_iter=max_iter,
                       n_threads=2, **more)
    return model.fit(X)
running, enough = threading.Event(), threading.Event()
def callback(iteration):
    running.set()
    return enough.is_set()
worker = threading.Thread(target=fit, args=(10**9,), kwargs={"callback": callback})
worker.start()
running.wait()
for _ in range(5):
    pid = os.fork()
    if pid == 0:
        fit(2)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
enough.set()
worker.join()
print("done")
"""


def test_a_fork_while_another_thread_fits():
    assert run_script(FORKED_DURING_A_FIT).split() == ["done"]


# --- BLAS limits ---------------------------------------------------------------------


def blas_threads():
    return [
        library["num_threads"]
        for library in threadpoolctl.threadpool_info()
        if library["user_api"] == "blas"
    ]


@pytest.fixture
def three_blas_threads():
    """A limit that differs from ours on every machine."""
    with threadpoolctl.threadpool_limits(3, user_api="blas"):
        before = blas_threads()
        assert 1 not in before
        yield before
        assert blas_threads() == before


@pytest.mark.parametrize(
    ("shape", "k", "held"),
    [((1, 60), 4, False), ((60, 96), 4, False), ((96, 60), 12, True),
     ((200, 60), 1, True), ((30, 20), 300, True)],
)  # fmt: skip
def test_blas_is_left_alone_where_products_are_small(
    three_blas_threads, shape, k, held
):
    with held_blas(shape, k):
        assert set(blas_threads()) == {1 if held else 3}


def test_blas_is_held_to_one_thread(three_blas_threads):
    with single_threaded_blas():
        assert set(blas_threads()) == {1}
        with single_threaded_blas():
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {1}
    assert blas_threads() == three_blas_threads


def test_the_hold_ends_with_the_last_of_overlapping_holders(three_blas_threads):
    first, second = single_threaded_blas(), single_threaded_blas()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert set(blas_threads()) == {1}
    second.__exit__(None, None, None)
    assert blas_threads() == three_blas_threads


def test_a_hold_may_end_in_another_thread(three_blas_threads):
    """While the thread that began it lives on."""
    hold = single_threaded_blas()
    begun, over = threading.Event(), threading.Event()

    def begin():
        hold.__enter__()
        begun.set()
        over.wait(100)

    thread = threading.Thread(target=begin)
    thread.start()
    begun.wait(100)
    assert set(blas_threads()) == {1}
    hold.__exit__(None, None, None)
    assert blas_threads() == three_blas_threads
    over.set()
    thread.join()


def test_the_hold_ends_with_an_error(three_blas_threads):
    with pytest.raises(ZeroDivisionError), single_threaded_blas():
        raise ZeroDivisionError
    assert blas_threads() == three_blas_threads


def test_two_fits_at_once_leave_the_limits_as_they_were(three_blas_threads):
    X = large("dense-C")
    both_run = threading.Barrier(2, timeout=100)
    seen = []

    def fit_once(seed):
        def callback(iteration):
            if iteration.n_iter == 1:
                both_run.wait()
            seen.append(set(blas_threads()))

        model = nonneg.NMF(
            4, init="random", random_state=seed, tol=0, max_iter=2 + 3 * seed
        )
        return model.set_params(callback=callback).fit(X).components_

    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(fit_once, [0, 1]))
    assert seen == [{1}] * 7
    assert blas_threads() == three_blas_threads
    for seed, components in enumerate(together):
        model = nonneg.NMF(
            4, init="random", random_state=seed, tol=0, max_iter=2 + 3 * seed
        )
        np.testing.assert_array_equal(model.fit(X).components_, components)


# --- how many ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, 8),
        ({"NONNEG_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "2"}, 2),
        ({"NONNEG_NUM_THREADS": "3", "OMP_NUM_THREADS": "2"}, 3),
        ({"NONNEG_NUM_THREADS": "100"}, 8),
        ({"OMP_NUM_THREADS": "4,2"}, 4),
        ({"NONNEG_NUM_THREADS": " 5 "}, 5),
        ({"NONNEG_NUM_THREADS": "", "OMP_NUM_THREADS": "2"}, 2),
        ({"NONNEG_NUM_THREADS": "0", "OMP_NUM_THREADS": "2"}, 2),
        ({"NONNEG_NUM_THREADS": "-1"}, 8),
        ({"NONNEG_NUM_THREADS": "many"}, 8),
    ],
)
def test_the_default_number(environment, expected, monkeypatch):
    # a set of cores that no other test has, as the answer for it is kept
    monkeypatch.setattr(
        os, "sched_getaffinity", lambda _: {*range(8), -1}, raising=False
    )
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert resolve_n_threads(None) == expected
    # what is asked for by argument is taken as it is
    assert resolve_n_threads(12) == 12


@pytest.mark.parametrize("n_threads", [1, 2, np.int64(3), 1000])
def test_a_number_is_taken_as_it_is(n_threads):
    assert resolve_n_threads(n_threads) == n_threads
    assert type(resolve_n_threads(n_threads)) is int


@pytest.mark.parametrize("n_threads", [0, -1, 1.0, "2", True, [2]])
def test_other_values_are_refused(n_threads):
    with pytest.raises(ValueError, match="`n_threads` must be a positive integer"):
        resolve_n_threads(n_threads)
    with pytest.raises(ValueError, match="n_threads"):
        nonneg.NMF(2, n_threads=n_threads).fit(data())


# --- Ctrl-C --------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["cd", "pg"])
@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_ctrl_c_ends_a_fit_and_keeps_what_it_found(storage, solver):
    model = nonneg.NMF(
        8, solver=solver, init="random", random_state=0, tol=0, max_iter=10**9
    )
    begun = threading.Event()
    model.set_params(callback=lambda iteration: begun.set())

    def press():
        begun.wait(100)
        os.kill(os.getpid(), signal.SIGINT)

    finger = threading.Thread(target=press)
    finger.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(large(storage))
    finger.join()
    assert model.stop_reason_ == "interrupted"
    assert model.n_iter_ >= 1
    assert np.isfinite(model.components_).all()
    assert len(model.history_["residual"]) == model.n_iter_
