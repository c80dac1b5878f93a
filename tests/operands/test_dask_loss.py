"""Workers that are killed in mid-fit: it takes longer, and its result is the same."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from nonneg import NMF
from nonneg.operands.dask import replication

da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")
import dask

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N, M, K = 203, 40, 4


def data():
    rng = np.random.RandomState(0)
    return rng.rand(N, K) @ rng.rand(K, M) + 0.1 * rng.rand(N, M)


def model(solver, **more):
    return NMF(
        K, init="random", solver=solver, random_state=0, max_iter=35, tol=0, **more
    )


@pytest.fixture(scope="module")
def workers():
    """A cluster, and a function that starts workers until there are three in it.

    Nobody else starts one again, and those that a test has left are there for the next.
    """
    with (
        distributed.LocalCluster(
            n_workers=0, dashboard_address=":0", silence_logs=50
        ) as cluster,
        contextlib.ExitStack() as stack,
    ):
        command = [
            sys.executable, "-W", "ignore", "-m", "distributed.cli.dask_worker",
            cluster.scheduler_address, "--no-nanny", "--nthreads", "1",
            "--no-dashboard",
        ]  # fmt: skip
        alive = []

        def fill_up():
            alive[:] = [worker for worker in alive if worker.poll() is None]
            while len(alive) < 3:
                alive.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
                stack.callback(alive[-1].wait)
                stack.callback(alive[-1].kill)

        yield cluster, fill_up


@pytest.fixture
def client(workers):
    """Three workers that nobody starts again."""
    cluster, fill_up = workers
    fill_up()
    with distributed.Client(cluster) as client:
        end = time.monotonic() + 60
        # those that a test killed may be listed for a moment
        while time.monotonic() < end and not answers(client, 3):
            time.sleep(0.05)
        yield client


def answers(client, n_workers):
    """Whether so many workers are listed, and each of them is there."""
    if len(client.ncores()) != n_workers:
        return False
    told = client.run(os.getpid, on_error="return").values()
    return len(told) == n_workers and all(isinstance(pid, int) for pid in told)


class Killer:
    """A callback that kills one worker after each of some iterations."""

    def __init__(self, client, at, pause):
        self.client, self.at, self.pause = client, at, pause

    def __call__(self, iteration):
        if iteration.n_iter not in self.at:
            return
        workers = self.client.run(os.getpid)
        os.kill(
            workers[sorted(workers)[iteration.n_iter % len(workers)]], signal.SIGKILL
        )
        time.sleep(self.pause)


# after a pause a loss is known before the next pass, else in the middle of it
@pytest.mark.parametrize(
    ("solver", "at", "pause"),
    [
        pytest.param("hals", [14], 0, marks=pytest.mark.slow),
        ("mu", [13, 20], 0.3),
        pytest.param("cd", [5, 27], 0.3, marks=pytest.mark.slow),
        pytest.param("bpp", [33], 0, marks=pytest.mark.slow),
    ],
)
def test_a_killed_worker_costs_time_not_the_result(client, solver, at, pause):
    X = data()
    expected, found = model(solver), model(solver, callback=Killer(client, at, pause))
    W = expected.fit_transform(X)
    V = found.fit_transform(da.from_array(X, chunks=(20, M)))
    assert len(client.ncores()) == 3 - len(at)  # one is enough
    assert found.n_iter_ == expected.n_iter_
    np.testing.assert_allclose(V.compute(), W, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(found.components_, expected.components_, atol=1e-10)


def test_rows_outlive_a_worker_that_is_killed_after_the_fit(client):
    X = data()
    V = model("hals").fit_transform(da.from_array(X, chunks=(20, M)))
    first = V.compute()
    os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
    time.sleep(0.3)
    np.testing.assert_array_equal(V.compute(), first)


def test_every_array_of_rows_is_on_two_workers(client):
    from nonneg.operands.dask.operand import DaskOperand

    X = DaskOperand(da.from_array(data(), chunks=(20, M)))
    W = X.to_rows_of_X(np.ones((N, K)))
    W.blocks.keep()
    for part in W.parts:
        places = [client.who_has()[key] for key in part.task.dask]
        assert len(places) == 2
        assert not set(places[0]) & set(places[1])


def test_the_loss_of_all_workers_ends_the_fit_with_a_sentence(client, monkeypatch):
    monkeypatch.setattr(replication, "WATCH", 0.5)

    def kill(iteration):
        if iteration.n_iter == 14:
            for pid in client.run(os.getpid).values():
                os.kill(pid, signal.SIGKILL)

    D = da.from_array(data(), chunks=(20, M))
    with pytest.raises(RuntimeError, match=r"Rows of the fit are lost.*Begin again"):
        model("cd", callback=kill).fit(D)


def test_blocks_of_X_that_nobody_can_make_again_end_it_with_a_sentence(client):
    X = data()
    sent = client.scatter([X[i : i + 29] for i in range(0, N, 29)])
    D = da.concatenate(
        [da.from_delayed(dask.delayed(part), (29, M), float) for part in sent]
    )
    killer = Killer(client, [14], 0.3)
    with pytest.raises(RuntimeError, match="can't be made again"):
        model("hals", callback=killer).fit(D)
