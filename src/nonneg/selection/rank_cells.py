"""The fits behind a rank selection: each fold's ranks and starts together, kept as they end."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

import numpy as np

from ..base.deadline import check as check_time
from ..base.deadline import in_time, no_limit
from ..base.interfaces import Operand
from ..base.parameters import Parameters
from ..fitting.model_group import FittedModel, ModelStart, fit_models, sketch_for
from .cells import Cells
from .folds import Folds
from .matching import unit_rows
from .stability import cluster_runs, dispersion, labels_of, silhouettes

COLUMNS = 192
"""Most columns of W of all models that share a pass."""


FAILURES = (ArithmeticError, MemoryError, ValueError, np.linalg.LinAlgError)
"""Errors of fits that leave the other fits alone."""


class Cell(NamedTuple):
    """A rank of a fold that has ended; the argument of a `callback`."""

    fold: int
    """Number of the fold; −1 for the starts on all of X that `stability` asks for."""
    rank: int
    error: float
    """Mean held-out loss per entry; NaN where the fits failed, and for stability."""
    done: int
    n_cells: int
    seconds: float


def describe_cell(cell: Cell) -> tuple[int, int, float, str]:
    """Return what a progress bar shows: cells done, of how many, seconds, and where it is."""
    where = "stability" if cell.fold < 0 else f"fold {cell.fold + 1}"
    return cell.done, cell.n_cells, cell.seconds, f"{where}, {cell.rank} components"


class Limit(NamedTuple):
    """When to end, beside the end of time, and whom to tell."""

    callback: Callable[[Cell], bool | None] | None
    start: float
    folds: int
    """Folds that are used."""

    def ends(self, cell: Cell) -> bool:
        """Tell of a finished cell; return whether to end."""
        with no_limit():
            return self.callback is not None and bool(self.callback(cell))

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.start


def cell_name(fold: int, rank: int) -> str:
    """Return the name of a cell of cross-validation."""
    return f"fold {fold}, rank {rank}"


def stability_name(rank: int, n_starts: int) -> str:
    """Return the name of so many starts of a rank on all of X."""
    return f"stability, rank {rank}, {n_starts} starts"


def null_name(fold: int) -> str:
    """Return the name of the constant model of a fold."""
    return f"fold {fold}, constant"


def fit_cells(
    cut: Folds,
    parameters: Parameters,
    ranks: list[int],
    seeds: list[int],
    cells: Cells,
    limit: Limit,
) -> bool:
    """Fit every rank of every fold that `cells` doesn't have; return whether a limit ended it.

    A group of ranks whose fits fail is fitted rank by rank; a rank that fails is NaN, with
    its message.
    """
    n_cells, done = limit.folds * len(ranks), 0
    for fold in range(limit.folds):
        missing = [k for k in ranks if cell_name(fold, k) not in cells]
        done += len(ranks) - len(missing)
        if not missing:
            continue
        if null_name(fold) not in cells:
            null = in_time(lambda: cut.null(fold))  # noqa: B023
            if null is None:
                return True
            cells.add(null_name(fold), losses=null)
        for group in _groups(missing, len(seeds)):
            before = time.perf_counter()
            fitted = in_time(
                lambda: _fit_group(cut, fold, parameters, group, seeds)  # noqa: B023
            )
            if fitted is None:
                return True
            seconds = (time.perf_counter() - before) / sum(group)
            for k, (train, error, message) in fitted.items():
                done += 1
                cells.add(
                    cell_name(fold, k), losses=(train, error), seconds=seconds * k,
                    message=message,
                )  # fmt: skip
                if limit.ends(Cell(fold, k, error, done, n_cells, limit.seconds)):
                    return True
    return False


def _groups(ranks: list[int], n_init: int) -> Iterator[list[int]]:
    """Cut the ranks into groups that share passes."""
    group: list[int] = []
    for k in ranks:
        if group and (sum(group) + k) * n_init > COLUMNS:
            yield group
            group = []
        group.append(k)
    yield group


Fitted = dict[int, tuple[float, float, str]]


def _fit_group(
    cut: Folds, fold: int, parameters: Parameters, ranks: list[int], seeds: list[int]
) -> Fitted:
    """Return train error, held-out error and message of each rank."""
    try:
        return _fit_together(cut, fold, parameters, ranks, seeds)
    except FAILURES as error:
        if len(ranks) > 1:
            fitted: Fitted = {}
            for k in ranks:
                fitted |= _fit_group(cut, fold, parameters, [k], seeds)
            return fitted
        return {ranks[0]: (np.nan, np.nan, " ".join(str(error).split()))}


def _fit_together(
    cut: Folds, fold: int, parameters: Parameters, ranks: list[int], seeds: list[int]
) -> Fitted:
    starts = [ModelStart(k, seed) for k in ranks for seed in seeds]
    each = dataclasses.replace(parameters, max_time=None, callback=None)
    models = cut.fit(fold, each, starts)
    fitted: Fitted = {}
    for number, k in enumerate(ranks):
        of_rank = models[number * len(seeds) : (number + 1) * len(seeds)]
        # by the training error: to pick by the held-out error would be to fit to it
        best = min(of_rank, key=_objective)
        losses = cut.losses(fold, best)
        fitted[k] = (losses.train, losses.held_out, "")
    return fitted


def _objective(model: FittedModel) -> float:
    return model.objective


def _fit_starts(
    fit: Callable[[list[ModelStart]], list[FittedModel]], starts: list[ModelStart]
) -> list[FittedModel]:
    """Fit starts of one rank, as many side by side as share passes and have room."""
    models: list[FittedModel] = []
    size = max(1, COLUMNS // starts[0].k)
    for first in range(0, len(starts), size):
        group = starts[first : first + size]
        try:
            models += fit(group)
        except FAILURES:
            if len(group) == 1:
                raise
            for start in group:
                models += fit([start])
    return models


FitWhole: TypeAlias = Callable[[Parameters, list[ModelStart]], list[FittedModel]]


def fit_stability(
    X: Operand,
    parameters: Parameters,
    ranks: list[int],
    seeds: list[int],
    cells: Cells,
    limit: Limit,
    fit_whole: FitWhole | None = None,
) -> None:
    """Fit each rank from several starts on all of X, and measure how alike they are.

    The last of the seeds is for the sketch of X, on which the fits begin. Where X has gaps or
    weights, `fit_whole` fits some models to what is observed.
    """
    each = dataclasses.replace(parameters, max_time=None, callback=None)
    *starts, seed_of_sketch = seeds
    for number, k in enumerate(ranks):
        name = stability_name(k, len(starts))
        if name not in cells:
            sketch = None if fit_whole else sketch_for(X, each, k, seed_of_sketch)

            def fit(
                group: list[ModelStart], sketch: Operand | None = sketch
            ) -> list[FittedModel]:
                if fit_whole:
                    return fit_whole(each, group)
                return fit_models(X, each, group, sketch)

            try:
                models = _fit_starts(fit, [ModelStart(k, seed) for seed in starts])
                check_time()
                cells.add(name, measures=_measures(models, k))
            except FAILURES as error:
                cells.add(
                    name,
                    measures=(np.nan, np.nan),
                    message=" ".join(str(error).split()),
                )
        cell = Cell(-1, k, np.nan, number + 1, len(ranks), limit.seconds)
        if limit.ends(cell):
            return


def _measures(models: list[FittedModel], k: int) -> tuple[float, float]:
    """Return the smallest mean silhouette of a component, and the dispersion."""
    units = np.stack([unit_rows(model.Ht.T) for model in models])
    cluster = cluster_runs(units).labels.ravel()
    values = silhouettes(units.reshape(-1, units.shape[2]), cluster)
    means = np.bincount(cluster, values, minlength=k) / len(models)
    labels = np.stack([labels_of(model) for model in models])
    return float(means.min()), dispersion(labels, k)
