"""Speed of gathering and scattering rows in memory, by a few lines of C (rows.c)."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from harness.inputs import CACHE

AT_MOST = 4_000_000
"""Entries whose rows are gathered; more would only take longer."""


def _library() -> Any:
    """The compiled rows.c."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        msg = "the floor of a sparse pass needs a C compiler (cc); install one."
        raise SystemExit(msg)
    source, target = Path(__file__).with_name("rows.c"), CACHE / "rows.so"
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        CACHE.mkdir(parents=True, exist_ok=True)
        flags = ["-O3", "-march=native", "-shared", "-fPIC"]
        subprocess.run([compiler, *flags, str(source), "-o", str(target)], check=True)
    return ctypes.CDLL(str(target))


def _address(array: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def row_work(
    X: Any, k: int, threads: int
) -> tuple[int, Callable[[int], None], Callable[[int], None]]:
    """Entries a thread works on, and its gathering and scattering of their rows.

    The rows are those that X names, in its order, of a table (n_features, k); each
    thread has its own share of X and scatters into its own table.
    """
    library, suffix = _library(), X.dtype.name
    indices = np.ascontiguousarray(X.indices[: AT_MOST * threads], dtype=np.int32)
    n = indices.size // threads
    shares = [
        np.ascontiguousarray(indices[i * n : (i + 1) * n]) for i in range(threads)
    ]
    table = np.zeros((X.shape[1], k), dtype=X.dtype)
    tables = [np.zeros_like(table) for _ in range(threads)]
    # far enough apart to share no line of cache
    small = [np.zeros(k + 64, dtype=X.dtype) for _ in range(threads)]

    def call(name: str, rows: Any, where: Any, vector: Any) -> None:
        function = getattr(library, f"{name}_{suffix}")
        size = ctypes.c_long(n)
        function(_address(where), _address(rows), size, k, _address(vector))

    def gather(i: int) -> None:
        call("gather", shares[i], table, small[i])

    def scatter(i: int) -> None:
        call("scatter", shares[i], tables[i], small[i])

    return n, gather, scatter
