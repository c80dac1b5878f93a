"""Threads in the core when a process forks or ends, and those that can't be started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from nonneg import NMF
from support.requirements import needs_core, needs_linux

pytestmark = [needs_core, needs_linux]

FITS = """
import os, subprocess, sys, threading, time
import numpy as np
from nonneg import NMF

X = np.random.default_rng(0).random((4000, 600))

def fit():
    while True:
        NMF(20, solver="hals", init="random", max_iter=10**6, tol=0).fit(X)

for _ in range(2):
    threading.Thread(target=fit, daemon=True).start()
time.sleep(0.5)
"""


def run(
    code: str, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code), *arguments],
        capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip


def test_a_process_ends_while_daemon_threads_fit():
    done = run(FITS + "sys.exit(3)")
    assert (done.returncode, done.stderr) == (3, "")


def test_forks_beside_long_fits_return():
    forks = """
for _ in range(10):
    child = os.fork()
    if child == 0:
        NMF(2, init="random", max_iter=2, tol=0, n_threads=2).fit(X[:50])
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    subprocess.run(["true"], preexec_fn=lambda: None, check=True)
print("forked")
"""
    done = run(FITS + forks)
    assert (done.returncode, done.stdout, done.stderr) == (0, "forked\n", "")


HANDLER = """
import os, signal, sys
import numpy as np
from nonneg import NMF, kernels

X = np.random.default_rng(0).random((4000, 600))
n_threads, ends = int(sys.argv[1]), sys.argv[2]
children = []

def handler(signum, frame):
    if children:
        return
    child = os.fork()
    if child:
        children.append(child)
    else:
        children.append(None)
        W = NMF(2, init="random", max_iter=2, tol=0, n_threads=2).fit_transform(X[:50])
        assert W.any()
        if ends == "exit":
            os._exit(0)

kernels.native._core.set_thread_work(0)
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.3)
model = NMF(40, init="random", solver="bpp", max_iter=10**6, tol=0, random_state=0,
            n_threads=n_threads, callback=lambda it: bool(children) and it.n_iter > 3)
try:
    model.fit(X)
except RuntimeError as error:
    assert children == [None] and "forked this process during a fit" in str(error)
    os._exit(0)
if children == [None]:  # between two regions, or with one thread, it goes on
    os._exit(0)
assert os.waitpid(children[0], 0)[1] == 0
print("parent fitted")
"""


@pytest.mark.parametrize("ends", ["exit", "return"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_handler_that_forks_within_a_fit(n_threads, ends):
    """The parent goes on; the child fits anew, and never waits for workers it has not."""
    done = run(HANDLER, str(n_threads), ends)
    assert (done.returncode, done.stdout, done.stderr) == (0, "parent fitted\n", "")


PROCESSES = """
import multiprocessing, sys
import numpy as np
from nonneg import NMF

def fit(seed):
    X = np.random.default_rng(seed).random((300, 40))
    return NMF(3, init="random", random_state=0, n_threads=2, max_iter=3, tol=0).fit_transform(X)

if __name__ == "__main__":
    import threading, time
    Y = np.random.default_rng(0).random((4000, 600))
    stop = []
    def long_fit():
        NMF(20, solver="hals", init="random", max_iter=10**6, tol=0,
            callback=lambda it: bool(stop)).fit(Y)
    thread = threading.Thread(target=long_fit)
    thread.start()
    time.sleep(0.3)
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        found = pool.map(fit, range(4))
    stop.append(True)
    thread.join()
    assert all(np.array_equal(found[i], fit(i)) for i in range(4))
    print("equal")
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pools_of_processes_beside_a_fit(method, tmp_path):
    script = tmp_path / "pools.py"
    script.write_text(PROCESSES)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), method],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "equal\n", "")


CALLBACKS = """
import os, sys
import numpy as np
from nonneg import NMF

X = np.random.default_rng(0).random((2000, 300))
options = dict(init="random", random_state=0, max_iter=5, tol=0, n_threads=2)

def forks(it):
    child = os.fork()
    if child == 0:
        NMF(2, **options).fit(X[:50])
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0

def fits(it):
    NMF(2, **options).fit(X[:50])

for solver in ("cd", "hals", "mu"):
    expected = NMF(5, solver=solver, **options).fit_transform(X)
    for callback in (forks, fits):
        W = NMF(5, solver=solver, callback=callback, **options).fit_transform(X)
        assert np.array_equal(W, expected)
print("equal")
"""


def test_callbacks_that_fork_and_fit():
    done = run(CALLBACKS)
    assert (done.returncode, done.stdout, done.stderr) == (0, "equal\n", "")


SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *x) {
  if (getenv("NO_MORE_THREADS")) return EAGAIN;
  int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
      dlsym(RTLD_NEXT, "pthread_create");
  return real(t, a, f, x);
}
"""


def test_a_fit_goes_on_without_threads_that_cant_be_started(tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc")
    source, shim = tmp_path / "shim.c", tmp_path / "shim.so"
    source.write_text(SHIM)
    subprocess.run(
        [compiler, "-shared", "-fPIC", str(source), "-o", str(shim), "-ldl"], check=True
    )
    code = """
    import ctypes, os
    import numpy as np
    from nonneg import NMF, kernels

    core = kernels.native._core
    core.set_thread_work(0)
    libc = ctypes.CDLL(None)
    X = np.random.default_rng(0).random((900, 300))

    def fit():
        model = NMF(5, init="random", random_state=0, max_iter=5, tol=0, n_threads=4)
        return model.fit_transform(X)

    libc.setenv(b"NO_MORE_THREADS", b"1", 1)
    W = fit()
    assert core.pool_size() == 0
    libc.unsetenv(b"NO_MORE_THREADS")
    assert np.array_equal(fit(), W)
    assert core.pool_size() == 3  # the pool is as good as new
    print("fitted")
    """
    loaded = os.environ.get("LD_PRELOAD", "")  # a sanitizer's run-time comes first
    done = run(code, LD_PRELOAD=f"{loaded} {shim}".strip())
    assert (done.returncode, done.stdout) == (0, "fitted\n"), done.stderr


def test_subnormal_numbers_are_zeros_in_the_kernels_and_nowhere_else():
    """They would cost mu in float32 ten times its speed after some hundred iterations."""
    rng = np.random.default_rng(0)
    X = rng.gamma(0.3, size=(300, 40)).astype(np.float32)
    X[:, 20:] *= 1e-3
    model = NMF(
        8, "random", "mu", beta_loss=1, max_iter=400, tol=0, random_state=0, n_threads=2
    )
    tiny = np.finfo(np.float32).tiny
    for A in (model.fit_transform(X), model.components_):
        assert not ((A > 0) & (tiny > A)).any()
    assert tiny / np.float32(2) > 0
