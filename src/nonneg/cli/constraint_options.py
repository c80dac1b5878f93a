"""Options of `fit` that say what is known about the factors."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import scipy.sparse as sp
import typer

from ..base.validation import warn
from ..constraints import ConstraintBase, Fixed, Simplex, Smooth
from ..estimators.nmf import NMF
from ..fitting.plan_checks import AUTO
from ..io.readers import Table, read_matrix

PANEL = "What is known"

Fix = Annotated[
    Path | None,
    typer.Option(metavar="FILE", rich_help_panel=PANEL, show_default=False,
                 help="Components that are known, one a row, such as a .csv; its columns "
                      "are matched by their names. Empty cells are fitted."),
]  # fmt: skip
SumToOne = Annotated[
    list[str],
    typer.Option(metavar="W|H", rich_help_panel=PANEL, show_default="none",
                 help="Factor whose rows (W) or columns (H) sum up to 1."),
]  # fmt: skip
SmoothWeights = Annotated[
    list[str],
    typer.Option("--smooth", metavar="H=X", rich_help_panel=PANEL, show_default="none",
                 help="Weight of the differences between neighbouring rows of W (W=1.0) or "
                      "columns of H (H=1.0)."),
]  # fmt: skip


def prefer_auto(ctx: typer.Context, options: dict[str, Any]) -> None:
    """Set the solver to auto if none was asked for, as the default takes no constraints."""
    source = ctx.get_parameter_source("solver")
    if source is not None and source.name == "DEFAULT":
        options["solver"] = AUTO


def constrain(
    model: NMF,
    table: Table,
    fix: Path | None,
    sum_to_one: Sequence[str],
    smooth: Sequence[str],
) -> None:
    """Give the model the constraints that the options stand for.

    Raises
    ------
    ValueError
        If a text is none that an option takes, or known components don't fit the table.
    """
    known: dict[str, list[ConstraintBase]] = {"W": [], "H": []}
    if fix is not None:
        known["H"].append(read_known_parts(fix, table, model.n_components))
    for factor in sum_to_one:
        if factor not in known:
            msg = f"Invalid value for --sum-to-one: {factor!r} is neither W nor H."
            raise ValueError(msg)
        known[factor].append(Simplex())
    for text in smooth:
        factor, weight = parse_weight(text)
        known[factor].append(Smooth(weight))
    for factor, constraints in known.items():
        if constraints:
            model.set_params(**{f"constraints_{factor}": constraints})


def parse_weight(text: str) -> tuple[str, float]:
    """Return the factor and the weight of a text such as "H=1.0".

    Raises
    ------
    ValueError
        If it is none.
    """
    factor, _, number = text.partition("=")
    try:
        weight = float(number)
    except ValueError:
        weight = math.nan
    if factor not in ("W", "H") or not (0 <= weight < math.inf):
        msg = (
            f"Invalid value for --smooth: {text!r}; pass W=X or H=X with a weight X of at "
            "least 0, such as H=1.0."
        )
        raise ValueError(msg)
    return factor, weight


def read_known_parts(path: Path, table: Table, n_components: Any) -> Fixed:
    """Return the known components of a file, in the order of the columns of a table.

    Raises
    ------
    ValueError
        If the file has more components than the fit, or other columns than the table.
    """
    parts = read_matrix(path, empty=math.nan)
    X = np.asarray(parts.X.toarray() if sp.issparse(parts.X) else parts.X)
    if np.isnan(X).all():
        msg = f"{str(path)!r} has empty cells alone. Leave out --fix, or fill in some."
        raise ValueError(msg)
    n_features = table.X.shape[1]
    _require_parts_as_rows(path, parts, table)
    places = _places(path, parts, table)
    if isinstance(n_components, int) and len(X) > n_components:
        msg = (
            f"{str(path)!r} has {len(X)} components, one a row, more than the "
            f"{n_components} of the fit. Pass -k {len(X)} or more."
        )
        raise ValueError(msg)
    k = n_components if isinstance(n_components, int) else len(X)
    values = np.full((k, n_features), np.nan)
    values[: len(X), places] = X
    return Fixed(values)


def _require_parts_as_rows(path: Path, parts: Table, table: Table) -> None:
    """Refuse a file whose rows are the features, as its shape or its names show."""
    n_rows, n_columns = parts.X.shape
    n_features = table.X.shape[1]
    rows, columns = (
        set(names or ()) for names in (parts.row_names, parts.column_names)
    )
    names = set(table.column_names or ())
    by_names = len(rows & names) > len(columns & names)
    by_shape = n_rows == n_features != n_columns and not columns & names
    if by_names or by_shape:
        msg = (
            f"{str(path)!r} has a row for each feature; --fix takes a row for each "
            "component, and a column for each feature. Transpose the file."
        )
        raise ValueError(msg)


def _places(path: Path, parts: Table, table: Table) -> Any:
    """Return the columns of the table that those of the parts belong to."""
    n_features = table.X.shape[1]
    if parts.column_names is None or table.column_names is None:
        if parts.X.shape[1] != n_features:
            msg = (
                f"{str(path)!r} has {parts.X.shape[1]} columns, but the matrix has "
                f"{n_features}, and without names on both sides they are matched by their "
                "order. Pass a file with as many, or one with names."
            )
            raise ValueError(msg)
        if parts.column_names is not None:
            text = (
                f"the columns of the matrix have no names, so that those of {path} are "
                "taken in their order; --features FILE names them."
            )
            warn(text, UserWarning)
        return np.arange(n_features)
    for names, where in (
        (parts.column_names, str(path)),
        (table.column_names, "the matrix"),
    ):
        twice = _first_repeated(names, parts.column_names)
        if twice is not None:
            msg = f"Two columns of {where} are named {twice!r}. Name them apart."
            raise ValueError(msg)
    place = {name: j for j, name in enumerate(table.column_names)}
    missing = [name for name in parts.column_names if name not in place]
    if missing:
        n = len(parts.column_names)
        msg = (
            f"{len(missing)} of the {n} columns of {str(path)!r} are none of the matrix by "
            f"their names, such as {missing[0]!r}; the matrix has {table.column_names[0]!r} "
            "and others. Rename them, or leave them out."
        )
        raise ValueError(msg)
    return np.array([place[name] for name in parts.column_names])


def _first_repeated(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    """Return the first of the wanted names that stands twice among the names, or None."""
    counts = Counter(names)
    return next((name for name in wanted if counts[name] > 1), None)
