"""The iterations of several models, each done alone, as those of all of them together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...base.interfaces import Progress
from ...base.records import Stretch

Floats = NDArray[np.float64]


class ModelStretch(NamedTuple):
    """Iterations of one model."""

    best: float
    """The smallest objective so far, after them."""
    shown: Floats
    """The smallest objective so far after each, NaN where an iteration does not tell its own."""
    done: Stretch

    @classmethod
    def of(cls, done: Stretch, best: float) -> ModelStretch:
        """Return the record of a stretch of a model, whose best objective was this before."""
        told = np.array(done.objective, dtype=np.float64)
        told[~np.isfinite(told)] = np.nan
        so_far = np.fmin.accumulate(np.append(best, told))[1:]
        return cls(float(so_far[-1]), np.where(np.isnan(told), np.nan, so_far), done)

    def last(self) -> Progress:
        """Return the last of the iterations."""
        done, told = self.done, self.done.objective[-1]
        return Progress(
            objective=np.array([told]) if np.isfinite(told) else None,
            residual=np.array([done.residual[-1]]),
            decrease=None,
            converged=np.array([done.has_converged]),
            sweeps=done.sweeps[-1] if done.sweeps else 1.0,
        )


def single(progress: Progress) -> Stretch:
    """Return one iteration of one model as a stretch."""
    told = progress.objective
    return Stretch(
        [np.nan if told is None else float(told[0])],
        [float(progress.residual.max())],
        progress.has_converged,
        [float(progress.sweeps)],
    )


def one_after_another(parts: list[Stretch]) -> Stretch:
    """Return consecutive stretches of one model as one."""
    if len(parts) == 1:
        return parts[0]
    return Stretch(
        [value for part in parts for value in part.objective],
        [value for part in parts for value in part.residual],
        parts[-1].has_converged,
        [n for part in parts for n in part.sweeps or [1.0] * len(part.residual)],
    )


def joined(
    moved: dict[int, ModelStretch], resting: dict[int, Progress], best: Floats
) -> Stretch:
    """Return the iterations of models side by side; one that has ended stays where it is.

    Parameters
    ----------
    moved : dict of int to ModelStretch
        The iterations of the models that had not converged, which may be of different numbers.
    resting : dict of int to Progress
        The last iterations of the others.
    best : ndarray of shape (n_models,)
        The smallest objective of each.
    """
    n_iter = max(len(model.shown) for model in moved.values())
    objectives = np.empty((n_iter, len(best)))
    residual, sweeps = np.zeros(n_iter), np.zeros((2, n_iter))
    for r, last in resting.items():
        objectives[:, r] = np.nan if last.objective is None else best[r]
        residual = np.maximum(residual, last.residual.max())
    for r, model in moved.items():
        n = len(model.shown)
        objectives[:n, r], objectives[n:, r] = model.shown, model.shown[-1]
        of_model = np.array(model.done.residual)
        residual[:n] = np.maximum(residual[:n], of_model)
        residual[n:] = np.maximum(residual[n:], of_model[-1])
        sweeps[:, :n] += np.array(model.done.sweeps or [1.0] * n), np.ones(n)
    return Stretch(
        np.fmin.reduce(objectives, axis=1).tolist(),
        residual.tolist(),
        all(m.done.has_converged for m in moved.values()),
        (sweeps[0] / sweeps[1]).tolist(),
        list(objectives) if len(best) > 1 else None,
    )
