"""The recorded reference data: cases and error entries as objects with fresh inputs."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import scipy.sparse as sp

from support.paths import ROOT

FOLDER = ROOT / "tests" / "data" / "golden"
FORMATS = {
    "csr": sp.csr_matrix,
    "csc": sp.csc_matrix,
    "coo": sp.coo_matrix,
    "lil": sp.lil_matrix,
}


@cache
def _json(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


class Case:
    """One recorded call with its results; inputs are built anew at each access."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.id: str = entry["id"]
        self.tolerances: dict[str, dict[str, Any]] = entry["tolerances"]
        with np.load(FOLDER / entry["file"], allow_pickle=False) as stored:
            self._arrays = dict(stored)
        params = self._json("params")
        self.api: str = params["api"]
        self.dtype: str = params["X_dtype"]
        self._kwargs: dict[str, Any] = params["kwargs"]
        self._formats = {"X": params["X_format"], "X2": params.get("X2_format")}

    def __str__(self) -> str:
        return self.id

    def _json(self, name: str) -> Any:
        return json.loads(str(self._arrays[name]))

    @property
    def kwargs(self) -> dict[str, Any]:
        """Arguments, with a fresh random stream where there is one."""
        return {name: _revived(value) for name, value in self._kwargs.items()}

    def __getitem__(self, name: str) -> Any:
        """An argument as it was recorded."""
        return self._kwargs.get(name)

    def matrix(self, name: str = "X") -> Any:
        """X or X2 in the format in which it was passed; float32 as float64."""
        if name in self._arrays:
            X = self._arrays[name].copy(order="K")
        elif f"{name}_data" in self._arrays:
            parts = (self._arrays[f"{name}_{p}"] for p in ("data", "indices", "indptr"))
            by_columns = self._formats[name] == "csc"
            cls = sp.csc_matrix if by_columns else sp.csr_matrix
            X = cls(tuple(parts), shape=tuple(self._arrays[f"{name}_shape"]), copy=True)
        else:
            return None
        if X.dtype == np.float32:
            X = X.astype(np.float64)
        storage = self._formats[name]
        if storage == "list":
            return X.tolist()
        return X if storage == "dense" else FORMATS[storage](X)

    def input(self, name: str) -> Any:
        """W0, H0, W_arg or H_arg, or None."""
        array = self._arrays.get(name)
        return None if array is None else array.copy(order="K")

    def has(self, output: str) -> bool:
        """Whether this result was recorded."""
        return f"out_{output}" in self._arrays

    def recorded(self, output: str) -> Any:
        """Result by its name without "out_"."""
        return self._arrays[f"out_{output}"]

    def warnings(self, stage: str) -> list[tuple[str, str]]:
        """(category, message) in the order raised."""
        return [tuple(entry) for entry in self._json("warnings").get(stage, [])]

    def stdout(self, stage: str) -> str:
        """Return what was printed."""
        printed = self._json("stdout") if "stdout" in self._arrays else {}
        return printed.get(stage, "")

    def assert_close(self, output: str, actual: Any) -> None:
        """Compare a result with the recorded one to this case's own tolerance."""
        expected = np.asarray(self.recorded(output))
        actual = np.asarray(actual)
        assert actual.shape == expected.shape
        tolerance = self.tolerances[f"out_{output}"]
        if "atol" in tolerance:
            bound = tolerance["atol"]
        else:
            bound = tolerance["rtol_of_max"] * np.abs(expected).max()
        assert np.abs(actual - expected).max() <= bound, output

    def assert_count(self, output: str, actual: int) -> None:
        """Compare an iteration count: exactly, or with the range seen.

        Counts of other BLAS kernels than those recorded go beyond the range by its width.
        """
        tolerance = self.tolerances[f"out_{output}"]
        if tolerance["exact"]:
            assert actual == int(self.recorded(output)), output
        else:
            low, high = tolerance["seen"]
            width = high - low
            assert low - width <= actual <= high + width, output


class Entry:
    """One recorded refusal, or odd input that was accepted."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.id: str = entry["id"]
        self.api: str = entry["api"]
        self.kwargs: dict[str, Any] = entry["kwargs"]
        self.fits: bool = entry.get("fit", True)
        self._entry = entry
        outcome = entry["outcome"]
        self.exception: str | None = outcome["exception"]
        self.stage: str | None = outcome["stage"]
        self.by_library: bool = outcome.get("message_origin") == "library"
        self.result: dict[str, Any] = outcome.get("result") or {}

    def __str__(self) -> str:
        return self.id

    def input(self, name: str) -> Any:
        """X, X2, V, W or H, or None."""
        return _revived_input(self._entry.get(name))

    @property
    def fit_kwargs(self) -> dict[str, Any]:
        """Arguments of fit_transform beside X."""
        given = self._entry.get("fit_kwargs") or {}
        return {name: _revived_input(value) for name, value in given.items()}


def _revived(value: Any) -> Any:
    """An argument from its JSON form."""
    if not isinstance(value, dict):
        return value
    ((kind, number),) = value.items()
    if kind == "RandomState":
        return np.random.RandomState(number)
    if kind == "global_seed":
        np.random.seed(number)
        return None
    assert kind == "np.int64"
    return np.int64(number)


def _revived_input(given: dict[str, Any] | None) -> Any:
    if given is None:
        return None
    values = given["values"]
    if given["format"] == "list":
        return values
    array = np.array(values, dtype=given["dtype"], order=given["order"])
    if "shape" in given:
        array = array.reshape(given["shape"])
    return array if given["format"] == "dense" else FORMATS[given["format"]](array)


CASES = [Case(entry) for entry in _json("index.json")["cases"]]
ENTRIES = [Entry(entry) for entry in _json("errors.json")]
SIGNATURES: dict[str, list[list[Any]]] = _json("signatures.json")
