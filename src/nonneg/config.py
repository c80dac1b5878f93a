"""`show_config`, which reports versions, instruction set, threads and BLAS."""

from __future__ import annotations

import json
import platform
from typing import Any, Literal

import numpy as np
import scipy
import sklearn
from threadpoolctl import threadpool_info

from . import kernels
from .base.threads import resolve_n_threads


def show_config(mode: Literal["stdout", "dicts"] = "stdout") -> dict[str, Any] | None:
    """Show version, instruction set, threads, dependencies and BLAS libraries.

    Parameters
    ----------
    mode : {"stdout", "dicts"}, default="stdout"
        Print, or return a dictionary.

    Returns
    -------
    config : dict or None
        With `mode="dicts"`, a dictionary with the keys "nonneg" (version), "SIMD"
        (instruction sets in use and available; "reference" stands for NumPy in place of
        the compiled core), "Threads" (default number), "Versions" and "BLAS" (a list of
        libraries). With `mode="stdout"` None.

    Raises
    ------
    ValueError
        If `mode` is neither "stdout" nor "dicts".

    Examples
    --------
    >>> import nonneg
    >>> sorted(nonneg.show_config(mode="dicts"))
    ['BLAS', 'SIMD', 'Threads', 'Versions', 'nonneg']
    """
    if mode not in ("stdout", "dicts"):
        msg = f"`mode` must be 'stdout' or 'dicts'; got {mode!r}."
        raise ValueError(msg)
    config = _collect()
    if mode == "dicts":
        return config
    print(json.dumps(config, indent=2))  # noqa: T201
    return None


def _collect() -> dict[str, Any]:
    from . import __version__

    return {
        "nonneg": {"version": __version__},
        "SIMD": {"in use": _name_simd(), "available": _list_simd()},
        "Threads": {"default": resolve_n_threads(None)},
        "Versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "scikit-learn": sklearn.__version__,
        },
        "BLAS": [
            {
                key: library.get(key)
                for key in ("internal_api", "version", "num_threads", "architecture")
            }
            for library in threadpool_info()
            if library.get("user_api") == "blas"
        ],
    }


def _name_simd() -> str:
    return "reference" if kernels.native is None else str(kernels.native.simd_name())


def _list_simd() -> list[str]:
    compiled = [] if kernels.native is None else kernels.native.simd_available()
    return [*compiled, "reference"]
