"""Results of a fit as plain values and as text: the summary, the table of components."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..kernels.csr_format import canonical
from ..losses.beta import NAME_OF
from ..operands.registration import is_operand

LONGEST_NAME = 28
"""Most characters of the name of a feature in a table."""


@dataclass(frozen=True)
class Component:
    """A component in a report.

    Attributes
    ----------
    component : int
        The number of its row in H, from zero.
    share : float or None
        Its share of the sum of all entries of W·H; None where W is not known.
    top : list of (str, float)
        Its largest features and their weights in H, the largest first.
    total : float
        The sum of its row of H.
    """

    component: int
    share: float | None
    top: list[tuple[str, float]]
    total: float


FROBENIUS = "frobenius"
MINI_BATCH = "mini-batch"
"""Solver of models that have no `solver_`."""
SYMMETRIC = "symmetric"
"""Solver of a `SymmetricNMF`."""
STEPS = "steps"
"""Reason for the end of a model that was fitted by steps alone."""


@dataclass(frozen=True)
class FitSummary:
    """The course and result of a fit; an unknown value is None.

    Attributes
    ----------
    n_samples, n_features, n_components : int
    solver : str
    n_iter : int
        Number of iterations of the solver.
    stop_reason : str
    objective : float or None
        The penalised objective after the last iteration.
    reconstruction_err : float or None
        ‖X − WH‖_F, or sqrt(2·D) for another loss D; None where rows came once.
    relative_err : float or None
        ‖X − WH‖_F divided by ‖X‖_F; None for another loss.
    seconds : float
        The time that the fit took.
    loss : str
        The name of the loss.
    n_observed : int or None
        Number of entries of X that are observed; None if all are, or it is not known.
    """

    n_samples: int | None
    n_features: int
    n_components: int
    solver: str
    n_iter: int
    stop_reason: str
    objective: float | None
    reconstruction_err: float | None
    relative_err: float | None
    seconds: float
    loss: str = FROBENIUS
    n_observed: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as values that JSON can hold."""
        return asdict(self)


def frobenius_norm(X: Any) -> float:
    """Return ‖X‖_F of a matrix or an operand, accumulated in float64."""
    if is_operand(X):
        return math.sqrt(X.stats().sum_sq)
    if sp.issparse(X):
        # the norm of a matrix, not of entries that are stored twice
        X = canonical(X if X.format in ("csr", "csc") else X.tocsr())
        return math.sqrt(_square(X.data))
    rows = max(1, (1 << 20) // max(1, X.shape[1]))
    blocks = (X[start : start + rows] for start in range(0, X.shape[0], rows))
    return math.sqrt(sum(_square(block) for block in blocks))


def _square(block: Any) -> float:
    values = np.asarray(block, dtype=np.float64).ravel()
    if np.isnan(values).any():  # missing
        values = values[~np.isnan(values)]
    return float(values @ values)


def component_shares(W: NDArray[Any], H: NDArray[Any]) -> NDArray[np.float64]:
    """Return the share of each component in the sum of all entries of W·H.

    Parameters
    ----------
    W : ndarray of shape (n_samples, k)
    H : ndarray of shape (k, n_features)

    Returns
    -------
    shares : ndarray of shape (k,), float64
        Shares that add up to 1, or are all 0 if W·H is 0. Unlike the weights in H, they
        do not depend on the scales of W and H.
    """
    # W may be a Dask array
    sums = np.asarray(W.sum(axis=0, dtype=np.float64)) * H.sum(axis=1, dtype=np.float64)
    total = float(sums.sum())
    shares: NDArray[np.float64] = sums / total if total > 0 else np.zeros_like(sums)
    return shares


def summarize(
    model: Any,
    *,
    n_samples: int | None = None,
    norm: float | None = None,
    seconds: float | None = None,
) -> FitSummary:
    """Return a summary of the fit of a model.

    Parameters
    ----------
    model : NMF, MiniBatchNMF or SymmetricNMF
        A fitted model.
    n_samples : int, default=None
        Number of rows of the X of the fit, which only a `SymmetricNMF` keeps.
    norm : float, default=None
        ‖X‖_F of the X of the fit, for the relative error.
    seconds : float, default=None
        Time that the fit took with its start. None takes the time of the iterations.

    Returns
    -------
    summary : FitSummary
    """
    fitted = vars(model)
    history = fitted.get("history_", {"objective": [], "seconds": []})
    seen = len(history["objective"]) > 0
    objective = float(history["objective"][-1]) if seen else math.nan
    if seconds is None:
        seconds = float(history["seconds"][-1]) if seen else 0.0
    error = fitted.get("reconstruction_err_")
    loss = name_loss(fitted.get("beta_loss", FROBENIUS))
    is_symmetric = "embedding_" in fitted
    if is_symmetric:
        n_samples = len(model.embedding_)
    relative = (
        error / norm if error is not None and norm and loss == FROBENIUS else None
    )
    return FitSummary(
        n_samples=n_samples,
        n_features=int(model.components_.shape[1]),
        n_components=int(model.components_.shape[0]),
        solver=str(fitted.get("solver_", SYMMETRIC if is_symmetric else MINI_BATCH)),
        n_iter=int(fitted.get("n_iter_", fitted.get("n_steps_", 0))),
        stop_reason=str(fitted.get("stop_reason_", STEPS)),
        objective=objective if math.isfinite(objective) else None,
        reconstruction_err=None if error is None else float(error),
        relative_err=relative,
        seconds=seconds,
        loss=loss,
        n_observed=_observed_of(model, n_samples),
    )


def _observed_of(model: Any, n_samples: int | None) -> int | None:
    """Return how many entries of X were observed, or None if that were all."""
    n_observed = vars(model).get("n_observed_")
    if n_observed is None:
        return None
    whole = n_samples is not None and n_observed == n_samples * model.n_features_in_
    return None if whole else int(n_observed)


def name_loss(beta_loss: float | str) -> str:
    """Return the name of a `beta_loss`, or "beta=" and its number."""
    if isinstance(beta_loss, str):
        return beta_loss
    return NAME_OF.get(float(beta_loss), f"beta={float(beta_loss):g}")


def list_components(
    model: Any,
    *,
    shares: Sequence[float] | NDArray[Any] | None = None,
    feature_names: Sequence[str] | None = None,
    n_top: int = 10,
) -> list[Component]:
    """Return the components of a model with their largest features.

    Parameters
    ----------
    model : NMF
        A fitted model.
    shares : sequence of k float, default=None
        The share of each component, from `component_shares`.
    feature_names : sequence of n_features str, default=None
        Names of the features. None takes the names that the model was fitted with, or
        the numbers of the columns.
    n_top : int, default=10
        Most features of a component; features of weight 0 are left out.

    Returns
    -------
    components : list of Component
        Components, ordered by their shares where these are known.
    """
    names = label_features(model, feature_names)
    return rank_features(model.components_, names, shares, n_top)


def rank_features(
    H: NDArray[Any],
    names: Sequence[str],
    shares: Sequence[float] | NDArray[Any] | None,
    n_top: int,
) -> list[Component]:
    """Return the rows of H as components, by their shares where these are known."""
    components = []
    for t, weights in enumerate(H):
        # features of equal weight stay in their order
        order = np.argsort(-weights, kind="stable")[:n_top]
        top = [(names[j], float(weights[j])) for j in order if weights[j] > 0]
        share = None if shares is None else float(shares[t])
        components.append(
            Component(t, share, top, float(weights.sum(dtype=np.float64)))
        )
    if shares is not None:
        components.sort(key=lambda component: -(component.share or 0.0))
    return components


def fitted_names(model: Any) -> list[str] | None:
    """Return the names of the features that a model was fitted with, or None."""
    names = vars(model).get("feature_names_in_")
    return None if names is None else list(names)


def label_features(model: Any, feature_names: Sequence[str] | None) -> list[str]:
    """Return a name for each feature: from the caller, the model, or its number."""
    if feature_names is None:
        feature_names = fitted_names(model)
    n_features = model.components_.shape[1]
    if feature_names is None:
        return [str(j) for j in range(n_features)]
    if len(feature_names) != n_features:
        msg = (
            f"The model has {n_features} features, but {len(feature_names)} names "
            "were given; pass one for each feature."
        )
        raise ValueError(msg)
    return [str(name) for name in feature_names]


def format_components(
    components: Sequence[Component], width: int = 80, *, what: str = "top features"
) -> str:
    """Return a table of components with lines of at most `width` characters.

    Behind each feature is its share of the component, in percent. A line shows as many
    features as fit.
    """
    with_share = any(component.share is not None for component in components)
    digits = max(2, len(str(max((c.component for c in components), default=0))))
    left = f"{'#':>{digits}}" + ("   share" if with_share else "")
    title = f"{left}  {what}, each with its % of the component"
    lines = [title[:width].rstrip()]
    for component in components:
        start = f"{component.component:>{digits}}"
        if with_share:
            start += f"  {100 * (component.share or 0.0):5.1f}%"
        lines.append(f"{start}  {_format_features(component, width - len(start) - 2)}")
    return "\n".join(lines)


def _format_features(component: Component, width: int) -> str:
    """Return the features with their shares, as many as fit into `width`."""
    text = ""
    for name, weight in component.top:
        label = _printable(name)
        if len(label) > LONGEST_NAME:
            label = label[: LONGEST_NAME - 1] + "…"
        part = f"{label} {100 * weight / component.total:.1f}"
        longer = f"{text}, {part}" if text else part
        if len(longer) > width and text:
            break
        text = longer
    return text or "(zero)"


def _printable(text: str) -> str:
    """Return the text with a blank for each character that a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)


_ENDS = {
    "converged": "converged after {} in {}",
    "max_iter": "not converged within the {} allowed, {}",
    "max_time": "stopped at the time limit after {} in {}, not converged",
    "callback": "stopped by the callback after {} in {}",
    "interrupted": "interrupted after {} in {}, not converged",
    STEPS: "fitted by {} of partial_fit",
}


def format_summary(summary: FitSummary) -> str:
    """Return a summary in lines of at most 80 characters."""
    size = f"{summary.n_features:,} features"
    if summary.n_samples is not None:
        size = f"{summary.n_samples:,} × {summary.n_features:,} matrix"
    what = f"{size}, {summary.n_components} components, solver {summary.solver}"
    end = format_end(summary.stop_reason, summary.n_iter, summary.seconds)
    if summary.n_observed is not None:
        observed = f"{summary.n_observed:,} entries observed"
        if summary.n_samples is not None:
            share = summary.n_observed / (summary.n_samples * summary.n_features)
            observed += f", {100 * share:.3g} % of the matrix"
        what += f"\n{observed}"
    lines = [what, end]
    if summary.reconstruction_err is None:
        return "\n".join(lines)
    error = f"error ‖X − WH‖ = {summary.reconstruction_err:.6g}"
    if summary.loss != FROBENIUS:
        error = f"error sqrt(2·D) = {summary.reconstruction_err:.6g}, D {summary.loss}"
    if summary.relative_err is not None:
        error += f", {100 * summary.relative_err:.2f} % of ‖X‖"
    return "\n".join([*lines, error])


def format_end(stop_reason: str, n_iter: int, seconds: float) -> str:
    """Return how and when a fit ended, in words."""
    if n_iter == 0 and stop_reason == "converged":  # as a consensus is
        return "no iteration was needed"
    word = "step" if stop_reason == STEPS else "iteration"
    iterations = f"{n_iter} {word}{'' if n_iter == 1 else 's'}"
    end = _ENDS.get(stop_reason, f"{stop_reason} after {{}} in {{}}")
    return end.format(iterations, format_seconds(seconds))


def format_seconds(seconds: float) -> str:
    """Return a duration in words, rounded for reading."""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
