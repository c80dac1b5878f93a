"""Threads in the core when a process forks or ends, and those that can't be started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap

import numpy as np

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


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
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
    done = run(code, LD_PRELOAD=str(shim))
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
