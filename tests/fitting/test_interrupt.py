"""Ctrl-C: a fit ends at once, what was found so far is kept, and nothing is left held."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from nonneg import NMF, non_negative_factorization
from nonneg.base.interfaces import SolverBase
from nonneg.base.records import FactorizationResult
from nonneg.solvers.registry import solvers
from support import oracles
from support.cases import MAIN_STORAGES, STORAGES, data
from support.tolerances import assert_close

SOLVERS = list(solvers)


def loss_for(solver):
    """A loss that the solver minimises."""
    poisson = "poisson" in solvers[solver].requires
    return {"beta_loss": "kullback-leibler" if poisson else "frobenius"}


def interrupt_after(n_iter):
    """A callback that does what Ctrl-C does, after so many iterations."""

    def callback(iteration):
        if iteration.n_iter == n_iter:
            raise KeyboardInterrupt

    return callback


def blas_threads():
    return [
        library["num_threads"]
        for library in threadpool_info()
        if library["user_api"] == "blas"
    ]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_an_interrupted_fit_keeps_what_it_found(storage, solver):
    X = STORAGES[storage](data())
    dense = data()
    model = NMF(
        4, "random", solver, random_state=0, callback=interrupt_after(3),
        **loss_for(solver),
    )  # fmt: skip
    before = blas_threads()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert blas_threads() == before
    assert model.stop_reason_ == "interrupted"
    assert model.n_iter_ == 3
    assert model.n_components_ == 4
    assert len(model.history_["residual"]) == 3
    expected = NMF(
        4,
        "random",
        solver,
        random_state=0,
        callback=lambda it: it.n_iter == 3,
        **loss_for(solver),
    ).fit(X)
    if solvers[solver].polish is not SolverBase.polish:  # the last solve is skipped
        best = np.min(expected.history_["objective"][:3])
        cancelled = np.sum(dense)  # a divergence of counts is a difference of sums
        error = 0.5 * model.reconstruction_err_**2
        assert_close(error, best, np.float64, dense.size, cancelled=cancelled)
    else:
        np.testing.assert_array_equal(model.components_, expected.components_)
        assert model.reconstruction_err_ == expected.reconstruction_err_
    # and the model is as good as any other
    assert model.set_params(callback=None, tol=1e-2).transform(X).shape == (23, 4)
    W = model.fit_transform(X)
    assert model.stop_reason_ == "converged"
    loss = oracles.LOSSES[model.beta_loss](dense, W, model.components_.T)
    error = np.sqrt(2 * loss)
    assert_close(
        model.reconstruction_err_, error, np.float64, dense.size,
        cancelled=np.sum(dense) / error,
    )  # fmt: skip


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_function_hands_the_result_over_with_the_exception(solver):
    with pytest.raises(KeyboardInterrupt) as caught:
        non_negative_factorization(
            data(),
            n_components=4,
            solver=solver,
            **loss_for(solver),
            random_state=0,
            callback=interrupt_after(2),
        )
    result = caught.value.result
    assert isinstance(result, FactorizationResult)
    assert result.n_iter == 2
    assert result.stop_reason == "interrupted"
    assert result.W.shape == (23, 4)
    assert result.H.shape == (4, 17)
    assert result.solver == solver
    assert np.isfinite(result.W).all()
    assert np.isfinite(result.H).all()


@pytest.mark.parametrize("solver", SOLVERS)
def test_an_interrupted_transform_leaves_the_model_alone(solver, monkeypatch):
    model = NMF(4, "random", solver, random_state=0, tol=1e-2, **loss_for(solver))
    model.fit(data())
    components = model.components_

    iterate = solvers[solver].iterate

    def interrupted(*args):
        iterate(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(solvers[solver], "iterate", interrupted)
    monkeypatch.setattr(solvers[solver], "advance", lambda *_: None)
    model.set_params(tol=1e-9)
    with pytest.raises(KeyboardInterrupt) as caught:
        model.transform(data())
    assert caught.value.result.W.shape == (23, 4)
    assert model.stop_reason_ == "converged"
    assert model.components_ is components


def test_an_exception_of_the_callback_goes_through():
    def callback(iteration):
        raise ZeroDivisionError

    before = blas_threads()
    model = NMF(4, callback=callback)
    with pytest.raises(ZeroDivisionError):
        model.fit(data())
    assert blas_threads() == before
    assert not hasattr(model, "components_")


def test_interrupts_do_not_warn_of_convergence():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = NMF(4, max_iter=1, callback=interrupt_after(1))
        with pytest.raises(KeyboardInterrupt):
            model.fit(data())


CHILD = """
import signal, sys, time
import numpy as np, scipy.sparse as sp
import nonneg

signal.signal(signal.SIGINT, signal.default_int_handler)
storage, solver, beta_loss = sys.argv[1:]
rng = np.random.default_rng(0)
if storage == "dense":
    X, k = rng.random((10_000, 1_000)), 40
else:
    columns = rng.integers(0, 20_000, (60_000, 20), dtype=np.int32).ravel()
    starts = np.arange(0, columns.size + 1, 20, dtype=np.int32)
    X = sp.csr_array((rng.random(columns.size), columns, starts), (60_000, 20_000))
    X.sum_duplicates()
    X, k = X.asformat(storage), 30
model = nonneg.NMF(k, init="random", solver=solver, tol=0, max_iter=10**6,
                   beta_loss=beta_loss,
                   random_state=0, nls_max_iter=20)

def say(iteration):
    if iteration.n_iter == 1:
        print("fitting", flush=True)

model.set_params(callback=say)
try:
    model.fit(X)
except KeyboardInterrupt:
    print(time.monotonic(), model.stop_reason_, model.n_iter_, flush=True)
    print(np.isfinite(model.components_).all(), np.isfinite(model.reconstruction_err_))
    sys.exit(0)
sys.exit(3)
"""


@pytest.mark.parametrize(
    ("storage", "solver"),
    [
        *(("dense", solver) for solver in SOLVERS),
        ("csr", "sn"),
        ("csc", "hals"),
    ],
)
def test_a_signal_ends_a_long_fit(storage, solver):
    """A real SIGINT, at an arbitrary moment of a fit of seconds an iteration."""
    child = subprocess.Popen(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            CHILD,
            storage,
            solver,
            loss_for(solver)["beta_loss"],
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "NONNEG_NUM_THREADS": "2"},
    )
    try:
        assert child.stdout.readline().strip() == "fitting"
        time.sleep(0.3)
        sent = time.monotonic()
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=60)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 0, out
    ended, reason, n_iter = out.split("\n")[0].split()
    assert reason == "interrupted"
    assert int(n_iter) >= 1
    assert out.split("\n")[1] == "True True"
    # a tenth of a second on an idle machine; the rest is room for a busy one
    assert float(ended) - sent < 5


WRITER = """
import faulthandler, io, os, signal, sys, time
import numpy as np
from nonneg import NMF

faulthandler.dump_traceback_later(60, exit=True)
signal.signal(signal.SIGINT, signal.default_int_handler)
path, moment = sys.argv[1:]
X = np.random.default_rng(0).random((60, 30))
module, name = {"half": (np, "savez"), "sync": (os, "fsync"), "link": (os, "link")}[moment]
whole, calls = getattr(module, name), []

def pause():
    print("writing", flush=True)
    time.sleep(50)

def held_up(*arguments, **members):
    calls.append(0)
    # a checkpoint syncs its file and its folder; the first has none before it to link to
    if len(calls) < {"half": 3, "sync": 5, "link": 2}[moment]:
        return whole(*arguments, **members)
    if moment == "half":
        file, content = arguments[0], io.BytesIO()
        whole(content, **members)
        file.write(content.getvalue()[: content.tell() // 2])
        file.flush()
    else:
        whole(*arguments)
    pause()

setattr(module, name, held_up)
model = NMF(4, "random", "hals", tol=0, max_iter=9, random_state=0, checkpoint=path,
            checkpoint_every=1)
try:
    model.fit(X)
except KeyboardInterrupt:
    print(model.stop_reason_, model.n_iter_, flush=True)
    sys.exit(0)
sys.exit(3)
"""


@pytest.mark.parametrize("moment", ["half", "sync", "link"])
def test_a_signal_while_a_checkpoint_is_written_leaves_the_one_before(moment, tmp_path):
    """The third is being written: half of it, all of it, or the second is to be kept."""

    def contents():
        return {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", WRITER, str(tmp_path / "fit"), moment],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert child.stdout.readline().strip() == "writing"
        before = contents()
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=30)
    finally:
        child.kill()
        child.wait()
    partial = {"fit.partial"} | (
        {"fit.previous.partial"} if moment == "link" else set()
    )
    assert before.keys() == {"fit", "fit.previous"} | partial
    assert child.returncode == 0, out
    assert out.split() == ["interrupted", "3"]
    assert contents() == {name: before[name] for name in ("fit", "fit.previous")}
