"""The table of the parameters of rank selection, consensus and bootstrap, and their check."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..base.declaration import (
    BOOTSTRAP,
    CONSENSUS,
    NMFCV,
    RANK,
    Parameter,
    parameters_of,
)
from ..base.live_bar import PROGRESS
from ..base.parameters import PARAMETERS, Parameters
from ..base.rules import (
    Rule,
    is_integer,
    is_word,
    one_of,
    require,
)
from ..fitting.preparation import validated
from .own_parameters import (
    OF_BOOTSTRAP,
    OF_CONSENSUS,
    OF_SELECTION,
    SEE,
    SELECTION,
    WAYS_TO_RESAMPLE,
)

MANY_FITS = (NMFCV, RANK, CONSENSUS)
EVERY_OWNER = (NMFCV, RANK, CONSENSUS, BOOTSTRAP)
OF_FITS = {
    "solver", "beta_loss", "alpha_W", "alpha_H", "l1_ratio", "tol", "max_iter",
    "random_state", "n_threads", "max_time", "memory_limit",
}  # fmt: skip
"""Names of the parameters that the fits of a selection or a consensus get as they are."""
SHOWS = Rule(
    lambda v: is_word(v, PROGRESS) or (is_integer(v, 0, 0) or v is False),
    "0 or a str among {'progress'}",
    "Pass 0 for silence.",
)


def _of_nmf(like: str, signatures: tuple[str, ...], **changes: Any) -> Parameter:
    """Return a parameter that is `like` one of `NMF`, as these owners have it."""
    declared = next(p for p in PARAMETERS if p.name == like)
    return dataclasses.replace(
        declared, signatures=signatures, **{"variants": {}, **changes}
    )


_OF_ALL = (
    Parameter(
        "method", "str", "bootstrap", one_of(WAYS_TO_RESAMPLE, SEE, False),
        """
        "bootstrap" draws as many groups as there are, and takes quantiles over the
        replicates. "jackknife" leaves one group out at a time, or a random share of the
        groups where there are more than `n_resamples`, and takes normal intervals.
        """,
        kind='{"bootstrap", "jackknife"}', signatures=(BOOTSTRAP,),
    ),
    _of_nmf(
        "solver", MANY_FITS, default="auto", kind="str or SolverBase", text="""
        Solver of all fits, a name or an instance, as of `NMF`. With "speckled", "hals" and
        "auto" share passes for the Frobenius norm; other solvers and losses fit model by
        model, as do gaps and weights.
        """,
        variants={CONSENSUS: {"text": """
        Solver of the runs, as of `NMF`. "cd", "hals" and "bpp" read X once for several runs.
        """}},
    ),
    _of_nmf(
        "init", (NMFCV,), text="""
        Start of the last fit, as of `NMF`. The fits on folds start at random.
        """,
    ),
    _of_nmf(
        "beta_loss", MANY_FITS, text="""
        Loss of all fits, as of `NMF`: a name, β, or an instance.
        """,
    ),
    _of_nmf("alpha_W", MANY_FITS, text="""
        Weight of the penalty on W, times n_features.
        """),
    _of_nmf("alpha_H", MANY_FITS),
    _of_nmf("l1_ratio", MANY_FITS),
    _of_nmf(
        "tol", EVERY_OWNER, text="""
        When a fit stops, as of `NMF`.
        """,
        variants={
            NMFCV: {"text": """
        When the last fit stops, as of `NMF`.
        """},
            RANK: {"default": 1e-3, "text": """
        When a fit stops, as of `NMF`; the default stops earlier, since errors on held-out
        data settle long before the factors do.
        """},
            # defaults by D-GROUP-SKETCH and D-BOOTSTRAP-TOL
            CONSENSUS: {"default": 5e-4, "text": """
        When a fit stops, as of `NMF`; the default stops earlier, where most components of
        "hals" are within a cosine of 0.999 of their limits.
        """},
            BOOTSTRAP: {"default": 5e-4, "text": """
        When the refit of a replicate stops, as of `NMF`. One that stops early stays near
        the model, and the intervals are too narrow: by 0 to 4 % at the default, by up to 2 %
        at 1e-4 and 7 % at 1e-3.
        """},
        },
    ),
    _of_nmf(
        "max_iter", EVERY_OWNER, text="""
        Largest number of iterations of a fit.
        """,
        variants={NMFCV: {"text": """
        Largest number of iterations of the last fit.
        """}, RANK: {"default": 60}},
    ),
    _of_nmf("tol", (NMFCV,), name="cv_tol", default=1e-3, text="""
        When the fits on folds stop.
        """),
    _of_nmf("max_iter", (NMFCV,), name="cv_max_iter", default=60, text="""
        Largest number of iterations of the fits on folds.
        """),
    _of_nmf("missing_values", SELECTION, annotation="Any", text="""
        Entries of X that are missing, as of `NMF`; with "speckled" alone.
        """),
    Parameter(
        "weights", "Any", None, None,
        """
        Weight of each entry in the fits; with "speckled" alone. Each observed entry that is
        held out counts once in its error, whatever its weight.
        """,
        kind="{array-like, sparse matrix} of shape (n_samples, n_features) or None",
        signatures=(RANK,),
    ),
    Parameter(
        "sample_weight", "Any", None, None,
        """
        Weight of each row in the fits; with "speckled" alone.
        """,
        kind="array-like of shape (n_samples,) or None", signatures=(RANK,),
    ),
    _of_nmf(
        "random_state", EVERY_OWNER, text="""
        For what is held out and for the starts, which have streams of their own. An
        instance is not advanced.
        """,
        variants={
            NMFCV: {"text": """
        For what is held out and for all starts.
        """},
            CONSENSUS: {"text": """
        For the seeds of the starts; an int gives the same result each time. An instance is
        not advanced.
        """},
            BOOTSTRAP: {"text": """
        For the draws. An instance is not advanced.
        """},
        },
    ),
    _of_nmf(
        "verbose", EVERY_OWNER, annotation='Literal[0, "progress"]', kind='{0, "progress"}', rule=SHOWS, text="""
        "progress" shows a live bar with the time left, in a terminal or notebook.
        """,
    ),
    _of_nmf("n_threads", EVERY_OWNER, text="""
        Threads to use, as of `NMF`. The result doesn't depend on it.
        """),
    _of_nmf(
        "max_time", EVERY_OWNER, text="""
        Seconds for the fits. Those that are under way by then are given up; the result is by
        those that have ended. If there is none, a TimeoutError.
        """,
        variants={NMFCV: {"text": """
        Seconds for the selection, by the fits that have ended by then; the last fit is
        beyond them. If none has, a TimeoutError.
        """}},
    ),
    _of_nmf(
        "memory_limit", MANY_FITS, text="""
        Memory that the selection may take; it holds two copies of X beside X. Where these
        don't fit, "speckled" folds that share passes read an X in a store in windows.
        """,
        variants={
            NMFCV: {"text": """
        Memory of the selection, and of the last fit.
        """},
            CONSENSUS: {"text": """
        Memory of each group of runs, as of `NMF`.
        """},
        },
    ),
    _of_nmf(
        "callback", EVERY_OWNER, annotation="Callable[[Cell], bool | None] | None", text="""
        Called after each fold and rank with a record (fold, rank, error, done, n_cells,
        seconds); if it returns True, the pick is made from what is there.
        """,
        variants={
            CONSENSUS: {"annotation": "Callable[[Group], bool | None] | None", "text": """
        Called after each group of runs with a record (runs, n_runs, seconds); if it returns
        True, the consensus is of the runs so far.
        """},
            BOOTSTRAP: {"annotation": "Callable[[Resample], bool | None] | None", "text": """
        Called after each replicate with a record (done, n_resamples, seconds); if it returns
        True, the result is of the replicates so far.
        """},
        },
    ),
    _of_nmf("checkpoint", MANY_FITS, text="""
        File that the finished fits are kept in.
        """),
    _of_nmf("resume", MANY_FITS, text="""
        Whether to take the finished fits of the checkpoint, if it is there.
        """),
)  # fmt: skip

SELECTION_PARAMETERS: tuple[Parameter, ...] = (
    *OF_CONSENSUS, *OF_BOOTSTRAP, *OF_SELECTION, *_OF_ALL
)  # fmt: skip
"""Entries in the order of the signatures; those that `NMF` has take from its table what they
don't say. After a change tools/write_parameters.py writes the signatures and docstrings."""


def checked(owner: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that are parameters of `owner`, whose rules they obey.

    Raises
    ------
    InvalidParameterError
        For the first that doesn't. Names of solvers and losses are left to `fit_parameters`.
    """
    declared = parameters_of(owner, SELECTION_PARAMETERS)
    for p in declared:
        if isinstance(p.rule, Rule):
            require(p.name, arguments[p.name], p.rule, owner)
    return {p.name: arguments[p.name] for p in declared}


def fit_parameters(n_components: int, values: Mapping[str, Any]) -> Parameters:
    """Return the parameters of fits from random starts, checked.

    Parameters
    ----------
    n_components : int
    values : mapping of str to object
        Parameters of the selection or consensus, of which the fits get `OF_FITS`.
    """
    of_fits = {name: value for name, value in values.items() if name in OF_FITS}
    return validated(Parameters(n_components=n_components, init="random", **of_fits))
