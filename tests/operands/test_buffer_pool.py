"""Memory of arrays that are gone: taken again, but never from under a view, and given back."""

from __future__ import annotations

import gc
import threading
import time

import numpy as np
import pytest

from nonneg.operands.dask.buffer_pool import LEAST, Reuse

SHAPE = (LEAST // 32, 4)  # of float64


def address(A):
    return A.__array_interface__["data"][0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_makes_arrays_like_any_other(dtype):
    A = Reuse().empty(SHAPE, dtype)
    A[...] = 3
    assert (A.shape, A.dtype) == (SHAPE, dtype)
    assert A.flags.c_contiguous
    assert A.flags.writeable
    assert A.flags.aligned
    assert A.sum() == 3 * A.size


def test_memory_of_an_array_that_is_gone_is_taken_again():
    reuse = Reuse()
    A = reuse.empty(SHAPE, np.float64)
    at = address(A)
    B = reuse.empty(SHAPE, np.float64)
    assert address(B) != at
    del A
    assert reuse.n_bytes == B.nbytes
    assert (
        address(reuse.empty((4, SHAPE[0]), np.float64)) == at
    )  # bytes count, not axes


@pytest.mark.parametrize(
    "view",
    [lambda A: A[1:], lambda A: A.T, memoryview, lambda A: A.reshape(-1)[::2].view()],
)
def test_not_while_there_is_a_view_of_it(view):
    reuse = Reuse()
    A = reuse.empty(SHAPE, np.float64)
    A[...] = 1
    kept = view(A)
    del A
    assert reuse.n_bytes == 0
    B = reuse.empty(SHAPE, np.float64)
    B[...] = 2
    assert not np.shares_memory(np.asarray(kept), B)
    assert (np.asarray(kept) == 1).all()
    del kept
    assert reuse.n_bytes == B.nbytes


def test_small_arrays_are_not_kept():
    reuse = Reuse()
    A = reuse.empty((10, 4), np.float64)
    del A
    assert reuse.n_bytes == 0


@pytest.mark.parametrize("held", [0, 1.0])
def test_it_is_given_back_when_no_more_is_wanted(held):
    reuse = Reuse(idle=0.3)
    A = reuse.empty(SHAPE, np.float64)
    n_bytes = A.nbytes
    time.sleep(held)
    del A
    assert reuse.n_bytes == n_bytes
    end = time.monotonic() + 20
    while reuse.n_bytes and time.monotonic() < end:
        time.sleep(0.01)
    assert reuse.n_bytes == 0
    B = reuse.empty(SHAPE, np.float64)  # and it begins anew
    del B
    assert reuse.n_bytes == n_bytes


def test_no_two_arrays_of_several_threads_share_memory():
    reuse, wrong = Reuse(), []

    def work(number):
        rng = np.random.default_rng(number)
        own = []
        for i in range(300):
            A = reuse.empty(SHAPE, np.float64)
            A[::512] = value = 1000.0 * number + i
            own.append((A, value))
            if rng.random() < 0.5:
                A, value = own.pop(rng.integers(len(own)))
                if (A[::512] != value).any():
                    wrong.append(value)
            own = own[-4:]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert not wrong
    assert 0 < reuse.n_bytes <= 4 * 6 * 8 * SHAPE[0] * SHAPE[1]
