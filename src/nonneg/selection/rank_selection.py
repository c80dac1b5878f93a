"""The result of a rank selection: the pick, its reason and status, and the table behind it."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..io.output_files import replace_file
from .cells import Cells
from .rank_cells import cell_name, null_name, stability_name
from .rule import Vector, mean_of_known, pick_rank, summarize_errors


@dataclass(frozen=True, eq=False, repr=False)
class RankSelection:
    """The number of components that cross-validation picks, and why.

    Attributes
    ----------
    n_components : int
        The pick.
    reason : str
        A sentence that says why.
    status : {"inside", "at the upper end", "at the lower end", "flat"}
        Where the pick lies: inside the range of ranks; at an end, beyond which better ones
        may be; or the errors of all ranks are alike.
    table : dict of str to ndarray
        A column for each of these, with an entry for each rank:

        - "rank";
        - "error": mean loss per held-out entry, over the folds, of which each counts as
          twice the constant model's at most;
        - "se": its standard error;
        - "paired_se": standard error of the mean difference from the best rank;
        - "train": mean loss per entry that was fitted to;
        - "gain": decrease of the error from the rank before (from the constant model, for
          the first), in percent of the error of the constant model;
        - "silhouette_min", "dispersion": if `stability` asked for them;
        - "seconds": time of all folds.
    errors : ndarray of shape (n_folds, n_ranks)
        Mean held-out loss of each fold and rank; NaN where a fit failed or is missing.
    null_errors : ndarray of shape (n_folds,)
        Mean held-out loss of the constant that fits best.
    messages : dict of str to str
        What went wrong, by fold and rank.
    method : str
        "speckled", "thinning" or "bcv".
    method_reason : str
    loss : str
        Name of the loss, "frobenius" for ½(x − y)².
    """

    n_components: int
    reason: str
    status: str
    table: dict[str, NDArray[Any]]
    errors: Vector
    null_errors: Vector
    messages: dict[str, str] = field(default_factory=dict)
    method: str = ""
    method_reason: str = ""
    loss: str = ""

    def __str__(self) -> str:
        lines = [f"{self.n_components} components ({self.status}): {self.reason}", ""]
        columns = [name for name in self.table if name != "seconds"]
        rows = [columns]
        for number in range(len(self.table["rank"])):
            rows.append([_shown(name, self.table[name][number]) for name in columns])
        widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
        for row in rows:
            mark = "*" if row[0] == str(self.n_components) else " "
            cells = (text.rjust(width) for text, width in zip(row, widths, strict=True))
            lines.append(f"{mark} " + "  ".join(cells))
        return "\n".join(lines)

    __repr__ = __str__

    def to_frame(self) -> Any:
        """Return the table as a pandas DataFrame, indexed by rank.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        import pandas as pd

        return pd.DataFrame(self.table).set_index("rank")

    def plot(self, ax: Any = None) -> Any:
        """Draw the errors over the ranks, with the pick.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw into; None makes a figure by `matplotlib.pyplot`.

        Returns
        -------
        ax : matplotlib Axes
        """
        from .pictures import plot_rank_selection

        return plot_rank_selection(self, ax)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as numbers and texts, ready for JSON; NaN becomes None."""
        return {
            "n_components": self.n_components,
            "reason": self.reason,
            "status": self.status,
            "method": self.method,
            "method_reason": self.method_reason,
            "loss": self.loss,
            "table": {name: _plain(column) for name, column in self.table.items()},
            "errors": [_plain(row) for row in self.errors],
            "null_errors": _plain(self.null_errors),
            "messages": self.messages,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RankSelection:
        """Return the selection that `as_dict` has turned into numbers and texts."""
        values = dict(values)
        table = {name: _array(column) for name, column in values["table"].items()}
        table["rank"] = table["rank"].astype(int)
        values["table"] = table
        values["errors"] = np.array([_array(row) for row in values["errors"]])
        values["null_errors"] = _array(values["null_errors"])
        return cls(**values)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the selection as JSON, in one step."""
        with replace_file(path) as file:
            file.write(self.to_json().encode())

    def to_json(self) -> str:
        """Return the selection as JSON, which `from_dict` reads after `json.loads`."""
        return json.dumps(self.as_dict(), indent=1)


WORSE = (
    " The mean of X predicts what is held out better: there is no such structure, or a few "
    "huge entries decide alone. Then pass log(1 + X), a penalty, or, for counts, "
    "method='thinning' with beta_loss='kullback-leibler'."
)
"""Sentences about a pick that is worse than a constant."""


WORST = 2.0
"""An error counts as so many times that of a constant at most."""
EXPLODED = (
    " {count} of {total} fits have an error of more than twice that of the mean of X, and "
    "count as twice: some huge entries explode where they are held out. log(1 + X) or a "
    "penalty holds them down."
)
"""Sentences about a selection of which some errors are far beyond that of a constant."""


def selection_of(
    cells: Cells,
    ranks: list[int],
    n_folds: int,
    rule: str,
    method: str,
    method_reason: str,
    loss: str,
    stability: int,
) -> RankSelection:
    """Return the selection by the cells that are there.

    Raises
    ------
    ValueError
        If no cell has an error.
    """
    train, errors, seconds = (np.full((n_folds, len(ranks)), np.nan) for _ in range(3))
    null, messages = np.full(n_folds, np.nan), {}
    for fold in range(n_folds):
        if null_name(fold) in cells:
            null[fold] = cells[null_name(fold)]["losses"][1]
        for number, k in enumerate(ranks):
            name = cell_name(fold, k)
            if name not in cells:
                messages[name] = (
                    "not fitted: the time was over, or the callback ended it"
                )
                continue
            cell = cells[name]
            train[fold, number], errors[fold, number] = cell["losses"]
            seconds[fold, number] = cell["seconds"]
            if str(cell["message"]):
                messages[name] = str(cell["message"])
    if np.isnan(errors).all():
        name, message = next(iter(messages.items()), ("", "no fold is used"))
        msg = f"No fit of any rank has ended. {name}: {message}"
        raise ValueError(msg)
    # else a few rows, of which huge entries are held out, would decide alone
    most = WORST * null[:, None]
    exploded = errors > most
    counted = np.where(exploded, most, errors)
    pick = pick_rank(ranks, counted, rule)
    reason = pick.reason
    if messages:
        reason += f" {len(messages)} of {errors.size} fits are missing."
    table = _table(cells, ranks, train, counted, seconds, null, stability)
    if table["error"][ranks.index(pick.rank)] > mean_of_known(null):
        reason += WORSE
    elif exploded.any():
        reason += EXPLODED.format(count=int(exploded.sum()), total=errors.size)
    for name in (stability_name(k, stability) for k in ranks):
        if name in cells and "message" in cells[name]:
            messages[name] = str(cells[name]["message"])
    return RankSelection(
        pick.rank, reason, pick.status, table, errors, null, messages, method,
        method_reason, loss,
    )  # fmt: skip


def _table(
    cells: Cells,
    ranks: list[int],
    train: Vector,
    errors: Vector,
    seconds: Vector,
    null: Vector,
    stability: int,
) -> dict[str, NDArray[Any]]:
    summary = summarize_errors(errors)
    constant = float(mean_of_known(null))
    before = np.concatenate([[constant], summary.mean[:-1]])
    # the constant model of an X of one value has no error
    gain = 100 * (before - summary.mean) / (constant or np.nan)
    table: dict[str, NDArray[Any]] = {
        "rank": np.array(ranks),
        "error": summary.mean,
        "se": summary.se,
        "paired_se": summary.paired_se,
        "train": mean_of_known(train),
        "gain": gain,
    }
    names = [stability_name(k, stability) for k in ranks]
    if any(name in cells for name in names):
        measures = np.full((len(ranks), 2), np.nan)
        for number, name in enumerate(names):
            if name in cells:
                measures[number] = cells[name]["measures"]
        table["silhouette_min"], table["dispersion"] = measures.T
    table["seconds"] = np.nansum(seconds, axis=0)
    return table


def _shown(name: str, value: Any) -> str:
    if name == "rank":
        return str(int(value))
    if not np.isfinite(value):
        return "–"
    if name in ("gain", "silhouette_min", "dispersion"):
        return f"{value:.2f}"
    return f"{value:.4g}"


def _plain(column: NDArray[Any]) -> list[Any]:
    return [None if math.isnan(value) else value for value in column.tolist()]


def _array(values: list[Any]) -> Vector:
    return np.array([np.nan if value is None else value for value in values])
