"""The demonstration: topics of the documentation of Python, parts of handwritten digits.

Nothing is downloaded. The documents are the documentation strings of the standard library
of the running Python, read from its source files without importing them. The digits are
part of scikit-learn.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import sysconfig
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..analysis.plotting import plot_components, plot_history
from ..analysis.report import (
    Component,
    FitSummary,
    component_shares,
    format_components,
    format_summary,
    frobenius_norm,
    list_components,
    summarize,
)
from ..estimators.nmf import NMF
from ..io.output_files import OutputFiles, replace_file
from .demo_texts import build_document_table, collect_docstrings

PICTURE = "nonneg-demo.png"
"""File that the picture is written to, unless another name is given."""

N_TOPICS = 12
N_PARTS = 16
SEED = 0

Echo = Callable[[str], None]


@dataclass(frozen=True)
class DemoFit:
    """A factorization of the demonstration.

    Attributes
    ----------
    name : str
    source : str
        Sentence that says where the data come from.
    model : NMF
    summary : FitSummary
    components : list of Component
        Components, the largest share first.
    shares : ndarray of shape (k,)
    """

    name: str
    source: str
    model: NMF
    summary: FitSummary
    components: list[Component]
    shares: NDArray[np.float64]

    def as_dict(self) -> dict[str, Any]:
        """Return the fit as values that JSON can hold."""
        return {
            "name": self.name,
            "source": self.source,
            **self.summary.as_dict(),
            "components": [vars(component) for component in self.components],
        }


def factorize_documents(callback: Any = None) -> DemoFit:
    """Find topics in the documentation of the standard library.

    Parameters
    ----------
    callback : callable, default=None
        Called after each iteration, see `NMF`.
    """
    texts, names = collect_docstrings()
    table = build_document_table(texts, names)
    modules = len({name.split(".")[0] for name in names})
    source = (
        f"{len(texts):,} documentation strings from {modules} modules of the standard "
        f"library of Python {platform.python_version()}, read from "
        f"{sysconfig.get_paths()['stdlib']}; rows are texts, columns words, values tf-idf"
    )
    model = NMF(N_TOPICS, max_iter=500, random_state=SEED, callback=callback)
    return _fit("topics", source, model, table.X, names=table.column_names)


def factorize_digits(callback: Any = None) -> DemoFit:
    """Find parts in scikit-learn's images of handwritten digits.

    Parameters
    ----------
    callback : callable, default=None
        Called after each iteration, see `NMF`.
    """
    from sklearn.datasets import load_digits

    X, digit = load_digits(return_X_y=True)
    source = (
        f"{len(X):,} handwritten digits of 8 × 8 pixels, part of scikit-learn "
        "(sklearn.datasets.load_digits); rows are images, columns pixels"
    )
    model = NMF(N_PARTS, max_iter=2000, tol=1e-3, random_state=SEED, callback=callback)
    return _fit("digits", source, model, X, digit=digit)


def _fit(
    name: str,
    source: str,
    model: NMF,
    X: Any,
    names: Sequence[str] | None = None,
    digit: NDArray[Any] | None = None,
) -> DemoFit:
    """Fit a model; describe components by features, or by the digit of each row."""
    start = time.perf_counter()
    W = model.fit_transform(X)
    seconds = time.perf_counter() - start
    model.set_params(callback=None)
    if names is not None:
        model.feature_names_in_ = np.array(names, dtype=object)
    shares = component_shares(W, model.components_)
    if digit is None:
        components = list_components(model, shares=shares)
    else:
        components = _describe_by_digit(W, digit, shares)
    norm = frobenius_norm(X)
    summary = summarize(model, n_samples=X.shape[0], norm=norm, seconds=seconds)
    return DemoFit(name, source, model, summary, components, shares)


def _describe_by_digit(
    W: NDArray[Any], digit: NDArray[Any], shares: NDArray[Any]
) -> list[Component]:
    """Describe each component by the digits whose images use it most."""
    means = np.array([W[digit == d].mean(axis=0) for d in range(10)])
    components = []
    for t, use in enumerate(means.T):
        order = np.argsort(-use, kind="stable")
        top = [(f"digit {d}", float(use[d])) for d in order if use[d] > 0]
        components.append(Component(t, float(shares[t]), top, float(use.sum())))
    return sorted(components, key=lambda component: -(component.share or 0.0))


def draw(
    topics: DemoFit,
    digits: DemoFit,
    path: str | os.PathLike[str],
    files: OutputFiles | None = None,
) -> None:
    """Draw the topics, the parts of digits and both histories into one picture (PNG).

    Parameters
    ----------
    topics, digits : DemoFit
    path : str or path-like
    files : OutputFiles, default=None
        The gate through which the picture is written; None writes it at once.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        msg = "The picture needs matplotlib: pip install 'nonneg[plot]'."
        raise ImportError(msg) from None
    figure = Figure(figsize=(12, 13), layout="constrained")
    bands: Any = figure.subfigures(3, 1, height_ratios=[7.4, 3.3, 2.9])
    above, middle, below = bands
    order = [component.component for component in topics.components]
    plot_components(
        topics.model, figure=above, n_top=8, components=order, shares=topics.shares
    )
    above.suptitle("Topics of the documentation of Python's standard library")
    plot_components(
        digits.model,
        figure=middle,
        image_shape=(8, 8),
        n_columns=8,
        components=[component.component for component in digits.components],
        shares=digits.shares,
    )
    middle.suptitle("Parts of handwritten digits")
    for ax, part in zip(below.subplots(1, 2), (topics, digits), strict=True):
        plot_history(part.model, ax)
        ax.set_title(f"Progress of the fit: {part.name}")
    with replace_file(path) if files is None else files.open(path) as file:
        figure.savefig(file, format="png", dpi=110)


def run(
    picture: str | os.PathLike[str] = PICTURE,
    echo: Echo = print,
    callback: Any = None,
    width: int = 80,
    files: OutputFiles | None = None,
) -> dict[str, Any]:
    """Run the whole demonstration: two fits, two tables, one picture.

    Parameters
    ----------
    picture : str or path-like, default="nonneg-demo.png"
    echo : callable, default=print
        Function that is called with each piece of text.
    callback : callable, default=None
        Callback of the fits, called after each iteration.
    width : int, default=80
        Number of characters of the lines of the tables.
    files : OutputFiles, default=None
        The gate through which the picture is written; None writes it at once.

    Returns
    -------
    result : dict
        The results for JSON: "parts", "seconds" and "picture" (None without matplotlib).
    """
    start = time.perf_counter()
    parts = []
    for factorize, what in (
        (factorize_documents, "top words"),
        (factorize_digits, "where it is used"),
    ):
        part = factorize(callback)
        echo(f"{_fold(part.source, width)}\n")
        echo(f"{format_summary(part.summary)}\n")
        echo(f"{format_components(part.components, width, what=what)}\n")
        parts.append(part)
    drawn: str | None = os.path.abspath(picture)
    try:
        draw(parts[0], parts[1], picture, files)
    except ImportError as error:
        drawn = None
        echo(str(error))
    seconds = time.perf_counter() - start
    if drawn:
        echo(f"Picture: {drawn}")
    return {
        "parts": [part.as_dict() for part in parts],
        "seconds": seconds,
        "picture": drawn,
    }


def _fold(text: str, width: int) -> str:
    import textwrap

    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


def main(arguments: list[str] | None = None) -> int:
    """Run the demonstration from `python -m nonneg.cli.demo`; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m nonneg.cli.demo", description=__doc__
    )
    parser.add_argument("-o", "--output", default=PICTURE, help="the picture to write")
    options = parser.parse_args(arguments)
    try:
        run(options.output)
    except OSError as error:
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
