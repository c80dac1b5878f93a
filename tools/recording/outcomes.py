"""Outcomes of a case as a recording holds them: hashes of arrays, numbers, errors."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator

import nonneg
from recording.data import scratch


def parts(value: Any, name: str = "") -> dict[str, str]:
    """Every array, number and text of a result, by its name: a hash, or what it is."""
    if isinstance(value, da.Array):
        value = value.compute()
    if isinstance(value, BaseEstimator):
        value = {
            name: attribute
            for name, attribute in vars(value).items()
            if name.endswith("_") and not name.startswith("_")
        }
        # times are not the same twice
        history = value.get("history_", {})
        value["history_"] = {n: a for n, a in history.items() if n != "seconds"}
    elif sp.issparse(value):
        value = {n: getattr(value, n) for n in ("data", "indices", "indptr", "shape")}
    elif dataclasses.is_dataclass(value):
        value = vars(value)
    elif hasattr(value, "_asdict"):
        value = value._asdict()
    elif isinstance(value, list | tuple):
        value = dict(enumerate(value))
    if isinstance(value, dict):
        found = [parts(v, f"{name}.{n}".strip(".")) for n, v in value.items()]
        return {n: text for one in found for n, text in one.items()}
    return {name: _hash(value) if isinstance(value, np.ndarray) else repr(value)}


def _hash(A: Any) -> str:
    if A.dtype == object:
        return repr(A.tolist())
    digest = hashlib.sha256(np.ascontiguousarray(A).tobytes()).hexdigest()
    order = "C" if A.flags.c_contiguous else "F" if A.flags.f_contiguous else "neither"
    return f"sha256 {digest} {A.dtype.str} {list(A.shape)} {order}"


def _plain(text: str) -> str:
    """A message without what differs from run to run."""
    text = re.sub(re.escape(scratch().name) + r"/\w+", "FOLDER", text)
    text = text.replace(str(Path(__file__).with_name("refusals.py")), "TOOL")
    return re.sub(r"0x[0-9a-f]+", "0x", re.sub(r"\b[0-9a-f]{16,}\b", "HEX", text))


def outcome(compute: Callable[[], Any]) -> dict[str, str]:
    """Return the results of a case by name, or its error, and its warnings."""
    np.random.seed(0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = parts(compute())
        except Exception as error:  # noqa: BLE001  (what a case records)
            found = {"error": _plain(f"{type(error).__name__}: {error}")}
    told = {_plain(f"{w.category.__name__}: {w.message}") for w in caught
            if w.category is not ResourceWarning}  # fmt: skip
    return {**found, **({"warnings": "; ".join(sorted(told))} if told else {})}


def environment() -> dict[str, str]:
    """Describe what the results may depend on: versions, instruction set, BLAS."""
    config = nonneg.show_config(mode="dicts")
    assert config is not None
    kinds = sorted(f"{b['internal_api']} {b['version']} {b['architecture']}"
                   for b in config["BLAS"])  # fmt: skip
    return {
        "package": str(Path(nonneg.__file__).parent),
        "version": config["nonneg"]["version"],
        "instruction set": config["SIMD"]["in use"],
        **{name: config["Versions"][name] for name in ("python", "numpy", "scipy")},
        "scikit-learn": config["Versions"]["scikit-learn"],
        "BLAS": ", ".join(kinds),
    }
