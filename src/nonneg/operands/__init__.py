"""Operands: X as solvers see it. A new kind of input is one file that registers itself."""

from __future__ import annotations

from . import dense, sparse  # isort: skip  (the general types first)
from . import streamed, dask  # isort: skip

__all__ = ["dask", "dense", "sparse", "streamed"]
