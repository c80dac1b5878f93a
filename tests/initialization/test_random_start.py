"""Numbers that a thread draws while X is looked at: the same numbers, and an end to it."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from nonneg import NMF
from nonneg.base.interfaces import Operand, Stats
from nonneg.initialization import random_start
from nonneg.initialization.random_start import half_normal, in_thread
from nonneg.operands.registration import as_operand
from nonneg.stores.base import find_store
from support.cases import data

SHAPE, K = (100, 7), 3


class Looked(Operand):
    """An X of which nothing but its mean is asked; the look ends when it is told to."""

    shape, dtype, in_parts = SHAPE, np.dtype(np.float64), True

    def __init__(self, look=lambda: None):
        self.look = look

    def stats(self):
        self.look()
        return Stats(6.0 * 700, 0.0, 700)


def expected(seed):
    rng = np.random.RandomState(seed)
    scale = np.sqrt(6.0 / K)
    Ht = np.abs(scale * rng.standard_normal((K, SHAPE[1])).T)
    return np.abs(scale * rng.standard_normal((SHAPE[0], K))), Ht


@pytest.fixture(params=["here", "in a thread"])
def drawn_in_parts(request, monkeypatch):
    monkeypatch.setattr(random_start, "DRAWN_ROWS", 9)
    if request.param == "in a thread":
        monkeypatch.setattr(random_start, "FEW", 0)


@pytest.mark.usefixtures("drawn_in_parts")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_numbers_are_those_of_two_calls(dtype):
    X = Looked()
    X.dtype = np.dtype(dtype)
    for A, B in zip(half_normal(X, K, 5), expected(5), strict=True):
        assert A.dtype == dtype
        assert A.flags.c_contiguous
        np.testing.assert_array_equal(A, B.astype(dtype))


@pytest.mark.usefixtures("drawn_in_parts")
def test_an_instance_is_left_where_two_calls_leave_it():
    rng, other = np.random.RandomState(1), np.random.RandomState(1)
    half_normal(Looked(), K, rng)
    other.standard_normal((K, SHAPE[1]))
    other.standard_normal((SHAPE[0], K))
    assert rng.randint(1 << 30) == other.randint(1 << 30)


def threads():
    return [t for t in threading.enumerate() if t.name == "nonneg-drawing"]


def test_numbers_are_drawn_during_the_look(monkeypatch):
    monkeypatch.setattr(random_start, "FEW", 0)
    monkeypatch.setattr(random_start, "DRAWN_ROWS", 9)
    rng, begin = np.random.RandomState(5), np.random.RandomState(5).get_state()[1:3]

    def look():
        end = time.monotonic() + 20
        while threads() and time.monotonic() < end:
            time.sleep(0.001)  # it ends by itself: there is room for all of them
        assert not threads()
        assert rng.get_state()[2] != begin[1]

    for A, B in zip(half_normal(Looked(look), K, rng), expected(5), strict=True):
        np.testing.assert_array_equal(A, B)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_of_the_look_ends_the_thread(monkeypatch, error):
    monkeypatch.setattr(random_start, "FEW", 0)
    monkeypatch.setattr(random_start, "DRAWN_ROWS", 1)
    monkeypatch.setattr(random_start, "AHEAD_BYTES", 0)  # so that it waits for room

    def look():
        raise error("of the look")

    with pytest.raises(error, match="of the look"):
        half_normal(Looked(look), K, 0)
    assert not threads()


def test_an_error_in_the_thread_is_raised_where_its_item_is_asked_for():
    def items():
        yield 1
        msg = "no more memory"
        raise MemoryError(msg)

    with in_thread(items(), 2) as made:
        assert next(made) == 1
        with pytest.raises(MemoryError, match="no more memory"):
            next(made)


@pytest.mark.parametrize("init", ["random", "nndsvd", "custom"])
def test_an_X_in_parts_is_looked_over_whatever_the_start(tmp_path, monkeypatch, init):
    monkeypatch.setattr(random_start, "FEW", 0)
    X = data(40, 12)
    X[17, 3] = -2
    np.save(tmp_path / "X.npy", X)
    given = {"W": np.ones((40, K)), "H": np.ones((K, 12))} if init == "custom" else {}
    fit = NMF(K, init=init, solver="hals", random_state=0).fit_transform
    with pytest.raises(ValueError, match=r"row 17, .* holds -2"):
        fit(np.load(tmp_path / "X.npy", mmap_mode="r"), **given)
    assert not threads()


def test_a_start_of_a_store_is_that_of_the_same_X_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(random_start, "FEW", 0)
    monkeypatch.setattr(random_start, "DRAWN_ROWS", 9)
    X = data(40, 12)
    np.save(tmp_path / "X.npy", X)
    there = as_operand(np.load(tmp_path / "X.npy", mmap_mode="r"))
    assert find_store(np.load(tmp_path / "X.npy", mmap_mode="r")) is not None
    for A, B in zip(
        half_normal(there, K, 3), half_normal(as_operand(X), K, 3), strict=True
    ):
        np.testing.assert_array_equal(A, B)
