"""Options of `fit` that say what is known about the factors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import scipy.sparse as sp
import typer

from ..constraints import ConstraintBase, Fixed, Simplex, Smooth
from ..estimators.nmf import NMF
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
    n_features = table.X.shape[1]
    if isinstance(n_components, int) and len(X) > n_components:
        msg = (
            f"{str(path)!r} has {len(X)} components, more than the {n_components} of the "
            f"fit. Pass -k {len(X)} or more."
        )
        raise ValueError(msg)
    k = n_components if isinstance(n_components, int) else len(X)
    values = np.full((k, n_features), np.nan)
    values[: len(X), _places(path, parts, table)] = X
    return Fixed(values)


def _places(path: Path, parts: Table, table: Table) -> Any:
    """Return the columns of the table that those of the parts belong to."""
    n_features = table.X.shape[1]
    if parts.column_names is None or table.column_names is None:
        if parts.X.shape[1] == n_features:
            return np.arange(n_features)
        msg = (
            f"{str(path)!r} has {parts.X.shape[1]} columns, but the matrix has "
            f"{n_features}, and their names are not known. Pass a file with as many."
        )
        raise ValueError(msg)
    place = {name: j for j, name in enumerate(table.column_names)}
    missing = [name for name in parts.column_names if name not in place]
    if missing:
        msg = (
            f"{len(missing)} columns of {str(path)!r} are none of the matrix, such as "
            f"{missing[0]!r}."
        )
        raise ValueError(msg)
    if len({*parts.column_names}) < len(parts.column_names):
        msg = f"Two columns of {str(path)!r} have the same name."
        raise ValueError(msg)
    return np.array([place[name] for name in parts.column_names])
