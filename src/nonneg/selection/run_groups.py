"""Fits from many random starts, in groups that share passes over X, some groups at a time."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from ..base.deadline import OutOfTime, check, no_limit
from ..base.interfaces import Operand
from ..base.parameters import Parameters
from ..fitting.model_group import ModelStart, fit_models, sketch_for, solver_class
from ..losses.beta import make_loss
from .cells import Cells
from .side_by_side import in_order
from .single_precision import copied, fits_single
from .stability import labels_of

GROUP_COLUMNS = 128
"""Most columns of W of all models that share a pass: of a sparse X a gathered row of Hᵀ for
all of them then stays in the first caches."""
WORKERS = 4
"""Most groups at a time."""
LARGE = 1e9
"""Stored entries of X times `GROUP_COLUMNS` from which a pass keeps all threads busy by itself."""


class Group(NamedTuple):
    """Some runs that have ended; the argument of a `callback`."""

    runs: int
    """Runs done so far."""
    n_runs: int
    seconds: float


def describe_group(group: Group) -> tuple[int, int, float, str]:
    """Return what a progress bar shows: runs done, of how many, seconds, and where it is."""
    text = f"run {group.runs}/{group.n_runs}"
    return group.runs, group.n_runs, group.seconds, text


class Runs(NamedTuple):
    """Results of all runs that have ended."""

    spectra: Array
    objective: NDArray[np.float64]
    labels: NDArray[Any]


def run_groups(
    X: Operand,
    parameters: Parameters,
    seeds: list[int],
    cells: Cells,
    callback: Callable[[Group], bool | None] | None,
) -> None:
    """Fit all runs that `cells` doesn't have, as long as the limits let it.

    The last of the seeds is for the sketch of X, on which the runs begin.
    """
    start, k = time.perf_counter(), parameters.n_components
    assert isinstance(k, int)
    n_runs = len(seeds) - 1
    size = max(1, GROUP_COLUMNS // k) if _share_passes(X, parameters) else 1
    firsts = range(0, n_runs, size)
    missing = [first for first in firsts if str(first) not in cells]
    with contextlib.suppress(OutOfTime), contextlib.ExitStack() as stack:
        fits = _Fits(X, parameters, seeds, size)
        results = in_order(fits, missing, fits.workers)
        stack.enter_context(contextlib.closing(results))
        for first in firsts:
            if str(first) not in cells:
                cells.add(str(first), **next(results))
            done = Group(min(first + size, n_runs), n_runs, time.perf_counter() - start)
            with no_limit():
                if callback is not None and callback(done):
                    return


def collected(cells: Cells, n_runs: int) -> Runs:
    """Return the results of the runs in `cells`, in the order of their starts."""
    parts = [cells[name] for name in sorted(cells.parts, key=int)]
    spectra, objective, labels = (
        np.concatenate([part[key] for part in parts])[:n_runs]
        for key in ("spectra", "objective", "labels")
    )
    return Runs(spectra, objective, labels)


class _Fits:
    """The fits of groups: of X in float32 where that is enough, and some at a time."""

    def __init__(
        self, X: Operand, parameters: Parameters, seeds: list[int], size: int
    ) -> None:
        self._parameters = dataclasses.replace(parameters, max_time=None, callback=None)
        k = parameters.n_components
        assert isinstance(k, int)
        self._k = k
        *self._starts, seed_of_sketch = seeds
        self._size = size
        self.workers = 1
        if _may_copy(X, parameters):
            if X.entries * GROUP_COLUMNS < LARGE:
                self.workers = min(X.n_threads, WORKERS)
            single = _in_single(X, parameters)
            X = copied(
                X, np.float32 if single else X.dtype, X.n_threads // self.workers
            )
            if solver_class(X, parameters).gathers_rows:
                _ = X.T.by_rows  # kept, for all groups
        self._X = X
        self._sketch = sketch_for(X, self._parameters, self._k, seed_of_sketch)

    def __call__(self, first: int) -> dict[str, Any]:
        """Return the results of the runs from this one on."""
        seeds = self._starts[first : first + self._size]
        group = [ModelStart(self._k, seed) for seed in seeds]
        models = fit_models(self._X, self._parameters, group, self._sketch)
        check()  # a fit that was cut short has not ended
        return {
            "spectra": np.stack([np.ascontiguousarray(m.Ht.T) for m in models]),
            "objective": [m.objective for m in models],
            "labels": np.stack([labels_of(m) for m in models]),
        }


def _share_passes(X: Operand, parameters: Parameters) -> bool:
    """Whether the runs are least squares by a solver whose models share passes over X."""
    loss = make_loss(parameters.beta_loss)
    shares = solver_class(X, parameters).shares_passes
    return shares and "quadratic" in loss.provides


def _may_copy(X: Operand, parameters: Parameters) -> bool:
    """Whether X is in memory, and may have a copy there."""
    in_memory = X.native() is not None and not X.in_parts
    return in_memory and parameters.memory_limit is None


def _in_single(X: Operand, parameters: Parameters) -> bool:
    """Whether all of the runs may be in float32: by least squares or Kullback-Leibler."""
    is_poisson = "poisson" in solver_class(X, parameters).requires
    can = is_poisson or _share_passes(X, parameters)
    return can and fits_single(X, parameters.tol)
