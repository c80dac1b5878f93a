"""`report` and `show`: a fit as one HTML file, and its components in a notebook."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..analysis import report as tables
from ..io.output_files import replace_file
from . import facts
from .charts import import_matplotlib
from .residuals import Residuals, measure_residuals
from .sources import find_W, make_view, names_of, open_rows, read_model

TITLE = "Non-negative matrix factorization"
"""Title of a report that is given none."""


@dataclass(frozen=True, repr=False)
class Report:
    """A page of HTML that holds all it needs; a notebook shows it in a frame.

    Attributes
    ----------
    html : str
        The page.
    text : str
        The components as a table of text.
    """

    html: str
    text: str = field(default="")
    height: int = 640

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file, in one step."""
        with replace_file(path) as file:
            file.write(self.html.encode())

    def _repr_html_(self) -> str:
        """Return a frame with the page, apart from the styles of the notebook."""
        return (
            f'<iframe title="nonneg: report of a fit" srcdoc="{html.escape(self.html)}" '
            f'style="width:100%;height:{self.height}px;border:0"></iframe>'
        )

    def __repr__(self) -> str:
        return self.text


def report(
    model: Any,
    X: Any = None,
    *,
    W: Any = None,
    feature_names: Sequence[str] | None = None,
    row_names: Sequence[str] | None = None,
    image_shape: tuple[int, int] | None = None,
    axis: Any = None,
    rank: Any = None,
    n_top: int = 12,
    title: str = TITLE,
    data: str = "",
    notes: Mapping[str, Any] | None = None,
) -> Report:
    """Return a report of a fit as one self-contained HTML page.

    Parameters
    ----------
    model : NMF, MiniBatchNMF, SymmetricNMF, NMFCV or Consensus
        A fitted model; an `NMFCV` brings its rank selection along, the result of
        `nonneg.consensus` its W and its measures of stability.
    X : {array-like, sparse matrix, AnnData, Dask array, store} of shape \
            (n_samples, n_features), default=None
        The data, for W and the residuals. Without X and W the report has the components
        and the course of the fit.
    W : array-like of shape (n_samples, k), default=None
        W of the fit; None takes `model.transform(X)`.
    feature_names : sequence of n_features str, default=None
        None takes those of the model, of X, or the numbers of the columns.
    row_names : sequence of n_samples str, default=None
        None takes those of a DataFrame or AnnData, or the numbers of the rows.
    image_shape : (int, int), default=None
        Height and width of the images that the rows of X are; components are then shown
        as images.
    axis : array-like of shape (n_features,), default=None
        Places of the features on an ordered axis, such as wavelengths or times; components
        are then shown as lines. True takes the order of the columns.
    rank : RankSelection, dict, str or path-like, default=None
        A rank selection, its `as_dict`, or the JSON file that it was saved to.
    n_top : int, default=12
        Features and rows that are listed for each component.
    title : str, default="Non-negative matrix factorization"
        Heading of the page.
    data : str, default=""
        Where the data come from, for the foot of the page.
    notes : mapping, default=None
        Notes of a model file, whose "consensus" and "shares" are shown.

    Returns
    -------
    report : Report
        `save(path)` writes it; a notebook shows it.

    Raises
    ------
    ImportError
        If jinja2 or matplotlib is not installed.
    NotFittedError
        If the model is not fitted.
    TypeError
        If the model is a `JointNMF`.
    ValueError
        If names, images, axis or W do not fit the model.

    Notes
    -----
    X is read once for the residuals, and as often as `transform` reads it. W, of the rows
    that `transform` gives, is in memory. The page is written with all values escaped, and
    its policy allows it no access to a network.

    Examples
    --------
    >>> import numpy as np
    >>> import nonneg
    >>> X = np.random.default_rng(0).random((30, 8))
    >>> model = nonneg.NMF(2, random_state=0, max_iter=1000).fit(X)
    >>> page = nonneg.report(model, X)
    >>> page.html[:15]
    '<!DOCTYPE html>'
    """
    source = read_model(model, W, rank, dict(notes or {}))
    columns, rows = names_of(X, feature_names, row_names)
    W = find_W(source, X)
    view = make_view(source.model, columns, rows, W, n_top, image_shape, axis)
    residuals = None
    if X is not None and W is not None:
        missing = vars(source.model).get("missing_values")
        operand = open_rows(X, missing)
        if operand.shape[0] != len(W):
            msg = (
                f"X has {operand.shape[0]} rows, but W has {len(W)}; they must be those "
                "of the same samples."
            )
            raise ValueError(msg)
        residuals = measure_residuals(operand, W, source.model.components_, missing)
    listed = facts.list_components(source.model, W, view, source.consensus)
    context = {
        "title": title,
        "summary": _summarize(source.model, W, residuals),
        "components": listed,
        "has_shares": W is not None,
        "has_curves": axis is not None,
        "rows": None
        if W is None
        else facts.describe_rows(W, source.model.components_, view, listed),
        "residuals": None
        if residuals is None
        else facts.describe_residuals(residuals, view),
        "loss": facts.name_loss(source.model),
        "history": facts.describe_history(source.model),
        "ranks": facts.describe_ranks(source.ranks),
        "consensus": _rows_of_consensus(source.consensus),
        "about": {**facts.describe_model(source.model), "data": data},
    }
    context["parts"] = [
        (name, label) for name, label in PARTS.items() if context[PART_OF[name]]
    ]
    return Report(_render("report.html", context), _as_text(listed), 800)


PARTS = {
    "components": "Components",
    "rows": "Rows",
    "fit": "Fit",
    "convergence": "Convergence",
    "rank": "Rank",
    "consensus": "Consensus",
    "about": "About",
}
"""Parts of a report with the labels of their tabs."""
PART_OF = {
    **{name: name for name in PARTS},
    "fit": "residuals",
    "convergence": "history",
    "rank": "ranks",
}
"""Names of their values in the template."""


def show(
    model: Any,
    X: Any = None,
    *,
    W: Any = None,
    feature_names: Sequence[str] | None = None,
    row_names: Sequence[str] | None = None,
    image_shape: tuple[int, int] | None = None,
    axis: Any = None,
    n_top: int = 12,
) -> Report:
    """Return the components of a model for a notebook: the first part of `report`.

    Parameters
    ----------
    model : NMF, MiniBatchNMF, SymmetricNMF, NMFCV or Consensus
        A fitted model.
    X : {array-like, sparse matrix, AnnData, Dask array, store} of shape \
            (n_samples, n_features), default=None
        Data, for the shares of the components and their top rows.
    W : array-like of shape (n_samples, k), default=None
        W of the fit; None takes `model.transform(X)`.
    feature_names, row_names, image_shape, axis, n_top : object
        As `report` takes them.

    Returns
    -------
    view : Report
        The last expression of a cell shows it. Elsewhere it prints a table.

    Raises
    ------
    ImportError
        If jinja2 or matplotlib is not installed.
    NotFittedError
        If the model is not fitted.
    TypeError
        If the model is a `JointNMF`.
    ValueError
        If names, images, axis or W do not fit the model.

    Examples
    --------
    >>> import numpy as np
    >>> import nonneg
    >>> X = np.array([[4.0, 1.0, 0.0], [8.0, 2.0, 0.0], [0.0, 0.0, 2.0]])
    >>> model = nonneg.NMF(2, solver="auto", random_state=0).fit(X)
    >>> print(nonneg.show(model, X, feature_names=["a", "b", "c"]))
     #   share  top features, each with its % of the component
     0   88.2%  a 80.0, b 20.0
     1   11.8%  c 100.0
    """
    source = read_model(model, W, None, {})
    columns, rows = names_of(X, feature_names, row_names)
    W = find_W(source, X)
    view = make_view(source.model, columns, rows, W, n_top, image_shape, axis)
    listed = facts.list_components(source.model, W, view, source.consensus)
    context = {
        "title": f"Components of {type(source.model).__name__}",
        "components": listed,
        "has_shares": W is not None,
        "has_curves": axis is not None,
    }
    return Report(_render("view.html", context), _as_text(listed))


def _summarize(
    model: Any, W: NDArray[Any] | None, residuals: Residuals | None
) -> list[tuple[str, str]]:
    summary = tables.summarize(model, n_samples=None if W is None else len(W))
    size = f"{summary.n_features:,} features"
    if W is not None:
        size = f"{len(W):,} × {summary.n_features:,}"
    shown = [
        ("matrix", size),
        ("components", str(summary.n_components)),
        ("solver", summary.solver),
        ("loss", summary.loss),
        ("iterations", f"{summary.n_iter:,}"),
        ("end", summary.stop_reason),
    ]
    if summary.seconds:
        shown.append(("time", tables.format_seconds(summary.seconds)))
    if summary.reconstruction_err is not None:
        shown.append(("error of the fit", f"{summary.reconstruction_err:.5g}"))
    if residuals is not None:
        shown.append(("of ‖X‖", f"{100 * residuals.relative:.2f} %"))
    return shown


def _rows_of_consensus(consensus: dict[str, Any] | None) -> dict[str, Any] | None:
    if consensus is None:
        return None
    columns = consensus["silhouette"], consensus["share_of_runs"]
    rows = [[t, *values] for t, values in enumerate(zip(*columns, strict=True))]
    return {**consensus, "rows": rows}


def _as_text(listed: Sequence[dict[str, Any]]) -> str:
    components = [
        tables.Component(
            one["number"], one["share"],
            [(f["name"], f["weight"]) for f in one["top"]], one["total"],
        )
        for one in listed
    ]  # fmt: skip
    return tables.format_components(components)


def _render(name: str, context: dict[str, Any]) -> str:
    """Fill a template; every value is escaped unless it is a chart of our own."""
    import_matplotlib()
    try:
        import jinja2
    except ImportError:
        msg = "A report needs matplotlib and jinja2: pip install 'nonneg[report]'."
        raise ImportError(msg) from None
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text: str = environment.get_template(name).render(context)
    return text
