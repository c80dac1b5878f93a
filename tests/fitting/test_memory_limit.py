"""A fit of X in a file takes the memory that it may, and no more."""

from __future__ import annotations

import numpy as np
import pytest

from nonneg import NMF
from nonneg.base.memory_size import bytes_of
from nonneg.operands.streamed.operand import WINDOW_BYTES, StreamedOperand
from nonneg.stores.base import find_store
from support.cases import data
from support.children import printed_by
from support.requirements import needs_linux
from support.stored import large_file

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture
def mapped(tmp_path):
    np.save(tmp_path / "x.npy", data(400, 50))
    return np.load(tmp_path / "x.npy", mmap_mode="r")


def test_the_limit_changes_windows_alone(mapped):
    windows, H = [], []
    for limit in (None, "200MB", "60MB", 45_000_000):
        X = StreamedOperand(find_store(mapped), 1)
        model = NMF(4, "random", "hals", random_state=0, max_iter=3, memory_limit=limit)
        H.append(model.fit(X).components_)
        assert X.window_bytes == WINDOW_BYTES  # it is as it was
        windows.append(model.plan(X).X.window_bytes)
    assert windows[0] == WINDOW_BYTES
    assert windows == sorted(windows, reverse=True)
    assert windows[-1] < WINDOW_BYTES / 4
    for other in H[1:]:
        np.testing.assert_array_equal(other, H[0])


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_limit_that_is_too_small_is_refused_before_any_work(mapped, in_memory):
    X = np.array(mapped) if in_memory else mapped
    calls = []
    model = NMF(40, memory_limit="20MB", callback=calls.append)
    with pytest.raises(
        ValueError, match=r"'20MB' is too small: with 40 .*\d+ MB at least"
    ):
        model.fit(X)
    assert not calls


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "much", "0GB", "-2GB"])
def test_what_is_no_limit_is_refused(limit):
    with pytest.raises(ValueError, match="memory_limit"):
        NMF(2, memory_limit=limit).fit(data(20, 10))


def test_sizes():
    assert bytes_of("2GB") == 2_000_000_000
    assert bytes_of("1.5 GiB") == 3 << 29
    assert bytes_of(7) == 7


CHILD = """
    import resource, sys, threading, time
    import numpy as np
    from nonneg import NMF
    from nonneg.kernels import gram

    X = np.load({path!r}, mmap_mode="r")
    small = np.abs(np.random.default_rng(0).standard_normal((2000, X.shape[1]))).astype(X.dtype)
    NMF({k}, {init!r}, {solver!r}, max_iter=2, tol=0, beta_loss={beta}).fit(small)
    before = peak()
    data = int(open("/proc/self/statm").read().split()[5]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (data + {limit}, data + {limit}))
    model = NMF({k}, {init!r}, {solver!r}, max_iter={max_iter}, tol=0, beta_loss={beta},
                random_state=0, memory_limit={limit})
    model.fit(X)
    print(peak() - before, model.n_iter_, float(model.reconstruction_err_))
"""


def fitted_within(path, limit, **options):
    """Peak memory above imports of a fit in a process that may not take more."""
    given = {"k": 8, "init": "random", "solver": "hals", "beta": 2, "max_iter": 3}
    script = CHILD.format(path=str(path), limit=limit, **{**given, **options})
    peak, n_iter, error = printed_by(script)
    assert int(n_iter) == given["max_iter"]
    assert np.isfinite(float(error))
    return int(peak)


@needs_linux  # reads /proc
@pytest.mark.parametrize(
    ("solver", "beta", "init"),
    [("cd", 2, "nndsvd"), ("sn", 1, "random")],
)
def test_three_hundred_megabytes_within_a_hundred(tmp_path, solver, beta, init):
    path = large_file(tmp_path, 150_000, 500)
    limit = 120_000_000
    assert path.stat().st_size >= 300_000_000
    peak = fitted_within(path, limit, solver=solver, beta=beta, init=init)
    assert peak <= limit


@pytest.mark.slow
@needs_linux  # reads /proc
def test_four_gigabytes_within_one(tmp_path):
    path = large_file(tmp_path, 2_000_000, 500)
    peak = fitted_within(path, 1_000_000_000)  # by hals
    assert path.stat().st_size >= 4_000_000_000
    assert peak <= 1_000_000_000


def test_a_transform_takes_no_more_than_the_fit_that_it_follows(mapped):
    """Also where a limit leaves no room but for the fit, and all of W is one batch."""
    limit = NMF(4, "random", "hals").plan(mapped).as_dict()
    least = limit["memory"] - 3 * (
        mapped.nbytes - (1 << 20)
    )  # with the smallest windows
    model = NMF(4, "random", "hals", memory_limit=int(least), max_iter=2).fit(mapped)
    out = np.empty((400, 4))
    np.testing.assert_array_equal(
        model.transform(mapped, out=out), model.transform(mapped)
    )
