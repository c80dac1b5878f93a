"""The live bar of `verbose="progress"`: what it shows, when, and that it always goes."""

from __future__ import annotations

import importlib.util
import io
import pickle
import sys
import time

import numpy as np
import pytest
from sklearn.base import clone

from nonneg import (
    NMF,
    NMFCV,
    MiniBatchNMF,
    bootstrap,
    consensus,
    non_negative_factorization,
    select_rank,
)
from nonneg.base import live_bar
from nonneg.base.live_bar import LiveBar
from support.cases import data

X = data(60, 20)


class Terminal(io.StringIO):
    """Standard error that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    pytest.importorskip("tqdm")
    shown = Terminal()
    monkeypatch.setattr(live_bar, "stream", lambda: shown)
    monkeypatch.setattr(live_bar, "DELAY", 0.0)
    monkeypatch.setattr(live_bar, "INTERVAL", 0.0)
    return shown


def hals(**options):
    return NMF(
        3, solver="hals", init="random", random_state=0, tol=0, max_iter=8, **options
    )


def fitted():
    return hals().fit(X)


SHORT = {"random_state": 0, "verbose": "progress"}
CALLS = {
    "NMF": (lambda: hals(verbose="progress").fit(X), "iteration 8/8"),
    "function": (
        lambda: non_negative_factorization(
            X, n_components=3, solver="cd", tol=0, max_iter=8, **SHORT
        ),
        "iteration 8/8",
    ),
    "mini-batches": (
        lambda: MiniBatchNMF(3, batch_size=20, max_iter=4, tol=0,
                             max_no_improvement=None, **SHORT).fit(X),
        "iteration 12/12",
    ),
    "stream": (
        lambda: MiniBatchNMF(3, batch_size=20, **SHORT).fit(iter([X[:30], X[30:]])),
        "step 3, 60 rows",
    ),
    "ranks": (lambda: select_rank(X, [1, 2], **SHORT), "fold 4, 2 components"),
    "NMFCV": (
        lambda: NMFCV([1, 2], max_iter=5, tol=0, solver="hals", **SHORT).fit(X),
        "iteration 5/5",
    ),
    "consensus": (lambda: consensus(X, 2, n_runs=4, **SHORT), "run 4/4"),
    "bootstrap": (
        lambda: bootstrap(fitted(), X, n_resamples=4, **SHORT), "replicate 4/4",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_the_bar_shows_the_last_step_and_leaves_nothing(name, terminal):
    call, last = CALLS[name]
    call()
    text = terminal.getvalue()
    assert last in text
    assert "100%" in text or name == "stream"
    assert text.rsplit("\r", 1)[-1].strip() == ""


def test_the_bar_has_objective_residual_and_time(terminal):
    model = hals(verbose="progress").fit(X)
    last = terminal.getvalue().split("\r")[-3]
    assert f"objective {model.history_['objective'][7]:.4e}" in last
    assert f"residual {model.history_['residual'][7]:.1e}" in last
    assert "0:00 left" in last


def test_max_time_bounds_the_bar(terminal):
    """Of a hundred thousand iterations a few are done in the time that there is."""
    model = hals(verbose="progress", max_time=0.2).set_params(max_iter=100_000)
    model.fit(X)
    last = terminal.getvalue().split("\r")[-3]
    assert int(last.split("%")[0]) > 80


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_the_bar_goes_on_errors_and_interrupts(error, terminal):
    def callback(iteration):
        if iteration.n_iter == 3:
            raise error

    with pytest.raises(error):
        hals(verbose="progress", callback=callback).fit(X)
    text = terminal.getvalue()
    assert "iteration 3/8" in text
    assert "iteration 4/8" not in text
    assert text.rsplit("\r", 1)[-1].strip() == ""


def test_short_fits_and_files_show_nothing(monkeypatch, capsys):
    pytest.importorskip("tqdm")
    hals(verbose="progress").fit(X)  # below half a second, and no terminal
    monkeypatch.setattr(live_bar, "DELAY", 0.0)
    hals(verbose="progress").fit(X)  # no terminal
    monkeypatch.setattr(live_bar, "DELAY", 1e9)
    shown = Terminal()
    monkeypatch.setattr(live_bar, "stream", lambda: shown)
    hals(verbose="progress").fit(X)  # too short
    assert shown.getvalue() == ""
    assert capsys.readouterr() == ("", "")


def test_a_notebook_gets_a_bar_without_a_terminal(monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setitem(sys.modules, "ipykernel", object())
    monkeypatch.setattr(live_bar, "stream", io.StringIO)
    assert live_bar.is_interactive()
    monkeypatch.delitem(sys.modules, "ipykernel")
    assert not live_bar.is_interactive()


def test_the_result_is_that_of_a_silent_fit(terminal):
    for solver in ("cd", "mu", "hals"):
        silent = hals().set_params(solver=solver)
        shown = clone(silent).set_params(verbose="progress")
        np.testing.assert_array_equal(silent.fit_transform(X), shown.fit_transform(X))
    assert pickle.loads(pickle.dumps(shown)).verbose == "progress"
    assert "progress" in repr(shown)


def test_partial_fit_has_no_bar(terminal):
    MiniBatchNMF(3, **SHORT).partial_fit(X)
    assert terminal.getvalue() == ""


def test_without_tqdm_a_sentence_says_so(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ImportError, match=r"needs tqdm: pip install 'nonneg\[progress\]'"
    ):
        hals(verbose="progress").fit(X)
    hals().fit(X)


def test_other_words_are_refused():
    with pytest.raises(ValueError, match=r"a str among \{'progress'\}"):
        hals(verbose="bar").fit(X)
    with pytest.raises(ValueError, match="'verbose' parameter of consensus"):
        consensus(X, 2, verbose=1)


def test_the_bar_waits_for_its_delay(terminal, monkeypatch):
    monkeypatch.setattr(live_bar, "DELAY", 0.05)
    with LiveBar() as bar:
        bar.show(0.1, "early")
        time.sleep(0.06)
        bar.show(0.2, "late")
    assert "early" not in terminal.getvalue()
    assert "late" in terminal.getvalue()
