"""Results of a joint fit as plain values and as text: the data sets and their components."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .report import Component, format_components, format_end, rank_features


@dataclass(frozen=True)
class DataSet:
    """A data set of a joint fit.

    Attributes
    ----------
    n_samples, n_features : int
    weight : float
        Its weight in the objective.
    error : float
        ‖Xᵢ − Wᵢ(H + Vᵢ)‖_F, or ‖Xᵢ − (W + Vᵢ)Hᵢ‖_F.
    specific : float
        ‖WᵢVᵢ‖_F, or ‖VᵢHᵢ‖_F: how much of it is not shared.
    """

    n_samples: int
    n_features: int
    weight: float
    error: float
    specific: float


@dataclass(frozen=True)
class JointSummary:
    """The course and result of a joint fit; the objective is None where no fit went on."""

    shared: str
    n_components: int
    n_iter: int
    stop_reason: str
    objective: float | None
    reconstruction_err: float
    seconds: float
    datasets: list[DataSet]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as values that JSON can hold."""
        return asdict(self)


def summarize_joint(model: Any) -> JointSummary:
    """Return a summary of a fitted `JointNMF`."""
    by_rows = model.shared == "H"
    apart = model.embeddings_ if by_rows else model.components_
    datasets = []
    for i, (A, V) in enumerate(zip(apart, model.specific_, strict=True)):
        left, right = (A, V) if by_rows else (V, A)
        datasets.append(
            DataSet(
                n_samples=len(left),
                n_features=right.shape[1],
                weight=float(model.dataset_weights_[i]),
                error=float(model.reconstruction_errs_[i]),
                specific=_norm_of_product(left, right),
            )
        )
    objective, seconds = model.history_["objective"], model.history_["seconds"]
    return JointSummary(
        shared=model.shared,
        n_components=int(model.n_components_),
        n_iter=int(model.n_iter_),
        stop_reason=str(model.stop_reason_),
        objective=float(objective[-1]) if len(objective) else None,
        reconstruction_err=float(model.reconstruction_err_),
        seconds=float(seconds[-1]) if len(seconds) else 0.0,
        datasets=datasets,
    )


def _norm_of_product(A: NDArray[Any], B: NDArray[Any]) -> float:
    """Return ‖A·B‖_F without the product."""
    A, B = A.astype(np.float64), B.astype(np.float64)
    return float(np.sqrt(max(0.0, np.sum((A.T @ A) * (B @ B.T)))))


def list_joint_components(model: Any, n_top: int = 10) -> list[list[Component]]:
    """Return the components with their largest features: once, or for each view."""
    H_of = [model.components_] if model.shared == "H" else model.components_
    names = ([str(j) for j in range(H.shape[1])] for H in H_of)
    return [rank_features(H, n, None, n_top) for H, n in zip(H_of, names, strict=True)]


def format_joint(
    summary: JointSummary, components: list[list[Component]], width: int = 80
) -> str:
    """Return summary and components in lines of at most `width` characters."""
    by_rows = summary.shared == "H"
    error = "‖Xᵢ − Wᵢ(H + Vᵢ)‖" if by_rows else "‖Xᵢ − (W + Vᵢ)Hᵢ‖"
    specific = "‖WᵢVᵢ‖" if by_rows else "‖VᵢHᵢ‖"
    n = len(summary.datasets)
    datasets = f"{n} data set{'' if n == 1 else 's'} with shared {summary.shared}"
    lines = [
        f"{datasets}, {summary.n_components} components",
        format_end(summary.stop_reason, summary.n_iter, summary.seconds),
        "",
        f" i   samples  features  {error:>18}  {specific:>12}",
    ]
    lines += [
        f"{i:>2}  {one.n_samples:>8,}  {one.n_features:>8,}  {one.error:>18.6g}  "
        f"{one.specific:>12.6g}"
        for i, one in enumerate(summary.datasets)
    ]
    for i, table in enumerate(components):
        what = "top features" if by_rows else f"top features of data set {i}"
        lines += ["", format_components(table, width, what=what)]
    return "\n".join(lines)
