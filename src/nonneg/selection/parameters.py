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
    Option,
    Parameter,
    parameters_of,
)
from ..base.parameters import PARAMETERS, Parameters
from ..base.rules import (
    BOOL,
    Rule,
    is_integer,
    is_real,
    one_of,
    positive_integer,
    require,
)
from ..fitting.preparation import validated
from .rank_folds import METHODS as WAYS_TO_HOLD_OUT
from .rule import RULES
from .spectra import METHODS as WAYS_TO_CLUSTER
from .spectra import NEIGHBORS, THRESHOLD

WAYS_TO_RESAMPLE = ("bootstrap", "jackknife")
SELECTION = (NMFCV, RANK)
MANY_FITS = (NMFCV, RANK, CONSENSUS)
EVERY_OWNER = (NMFCV, RANK, CONSENSUS, BOOTSTRAP)
OF_FITS = {
    "solver", "beta_loss", "alpha_W", "alpha_H", "l1_ratio", "tol", "max_iter",
    "random_state", "n_threads", "max_time", "memory_limit",
}  # fmt: skip
"""Names of the parameters that the fits of a selection or a consensus get as they are."""
SEE = "See the docstring."


def _of_nmf(like: str, signatures: tuple[str, ...], **changes: Any) -> Parameter:
    """Return a parameter that is `like` one of `NMF`, as these owners have it."""
    declared = next(p for p in PARAMETERS if p.name == like)
    return dataclasses.replace(
        declared, signatures=signatures, **{"variants": {}, **changes}
    )


_OF_CONSENSUS = (
    Parameter(
        "n_runs", "int", 100, positive_integer("Pass 100, say."),
        """
        Number of random starts.
        """,
        signatures=(CONSENSUS,),
        option=Option("Random starts.", int, "N", flags=("--runs",), least=1),
    ),
    Parameter(
        "density_threshold", "float", 0.5, THRESHOLD,
        """
        Components are dropped whose mean Euclidean distance to their nearest neighbours,
        all at norm 1, is this or more; 2 drops none.
        """,
        signatures=(CONSENSUS,),
        option=Option("Drop components whose mean distance to the nearest ones is this or "
                      "more; 2 drops none.", float, "X"),
    ),
    Parameter(
        "neighbors", "float", 0.3, NEIGHBORS,
        """
        Number of the nearest neighbours, as a share of n_runs.
        """,
        signatures=(CONSENSUS,),
        option=Option("Nearest ones, as a share of the runs.", float, "X"),
    ),
    Parameter(
        "method", "str", "matching", one_of(WAYS_TO_CLUSTER, SEE, False),
        """
        How to cluster: "matching" puts one component of each run into each cluster;
        "kmeans" is that of [1]_, see `nonneg.selection.spectra_consensus`.
        """,
        kind='{"matching", "kmeans"}', signatures=(CONSENSUS,),
        option=Option("How to cluster: matching or kmeans.", metavar="NAME"),
    ),
    Parameter(
        "refit_H", "bool", False, BOOL,
        """
        Whether H is then solved for once more beside W, as in [1]_, and W beside that H.
        """,
        signatures=(CONSENSUS,),
        option=Option("Solve for H once more beside W.", bool, flags=("--refit-h",)),
    ),
)  # fmt: skip

_OF_BOOTSTRAP = (
    Parameter(
        "n_resamples", "int", 100,
        Rule(lambda v: is_integer(v, 2), "an int in the range [2, inf)", "Pass 100, say."),
        """
        Number of replicates; of "jackknife" at most.
        """,
        signatures=(BOOTSTRAP,),
    ),
    Parameter(
        "groups", "Any", None, None,
        """
        Groups of rows that are drawn, or left out, together: patients, plates, texts of
        one author. None takes each row for itself.
        """,
        kind="array-like of shape (n_samples,) or None", signatures=(BOOTSTRAP,),
    ),
    Parameter(
        "confidence_level", "float", 0.95,
        Rule(lambda v: is_real(v, 0.0, 1.0) and 0 < v < 1, "a float in the range (0.0, 1.0)",
             "Pass 0.95, say."),
        """
        Probability of the intervals.
        """,
        signatures=(BOOTSTRAP,),
    ),
)  # fmt: skip

_OF_SELECTION = (
    Parameter(
        "ranks", "Iterable[int] | None", None, None,
        """
        Numbers of components to try; None tries 1 to 10, and no more than X has rows or
        columns.
        """,
        kind="iterable of int or None", signatures=(NMFCV,),
    ),
    Parameter(
        "method", "str", "auto", one_of(("auto", *WAYS_TO_HOLD_OUT), SEE, False),
        """
        What is held out:

        - "speckled": single entries, of each row and each column the same share [1]_ [2]_;
        - "thinning": a random part of each count [3]_, for counts that are Poisson
          distributed; counts that vary more make it pick too many components;
        - "bcv": blocks of rows × columns, which share neither with the rest [2]_;
        - "auto": "thinning" for integers and the Kullback-Leibler divergence, else
          "speckled".
        """,
        kind='{"auto", "speckled", "thinning", "bcv"}', signatures=SELECTION,
        option=Option(f"What is held out: auto, {', '.join(WAYS_TO_HOLD_OUT)}.",
                      metavar="NAME"),
        variants={NMFCV: {"text": """
        What is held out: single entries, parts of counts or blocks, as for `select_rank`.
        """}},
    ),
    Parameter(
        "folds", "int", 4, None,
        """
        Number of folds that are used, 2 or more with rule="one_se".
        """,
        signatures=SELECTION,
        option=Option("Folds that are used.", int, "N", least=1),
    ),
    Parameter(
        "n_folds", "int", 8,
        Rule(lambda v: is_integer(v, 2), "an int in the range [2, inf)", "Pass 8, say."),
        """
        Number of folds that X is cut into: each holds out 1/n_folds of it. With "bcv" X is
        cut into h × h blocks, h = ⌈sqrt(n_folds)⌉.
        """,
        signatures=SELECTION,
        option=Option("Folds that the data are cut into.", int, "N", least=2),
    ),
    Parameter(
        "n_init", "int", 1, positive_integer("Pass the number of starts."),
        """
        Random starts for each fold and rank. The best one by its training error counts.
        """,
        signatures=SELECTION,
        option=Option("Starts for each fold and rank.", int, "N", least=1),
        variants={NMFCV: {"text": """
        Number of starts, for each fold and rank and for the last fit.
        """}},
    ),
    Parameter(
        "rule", "str", "one_se", one_of(RULES, SEE, False),
        """
        "best" picks the rank with the smallest mean error, "one_se" the least rank whose
        error differs from it by at most one standard error of the difference, fold by fold.
        """,
        kind='{"one_se", "best"}', signatures=SELECTION,
        option=Option(f"Rule of the pick: {', '.join(RULES)}.", metavar="NAME"),
    ),
    Parameter(
        "stability", "int", 0,
        Rule(lambda v: is_integer(v, 0) and v != 1, "0 or an int in the range [2, inf)",
             "Pass 0 for no measures of stability, or 20, say."),
        """
        Number of random starts on all of X for each rank, by which the table gets the
        columns `silhouette_min` and `dispersion`; 0: none. They don't change the pick.
        """,
        signatures=SELECTION,
        option=Option("Starts to measure stability by; 0: none.", int, "N", least=0),
    ),
)  # fmt: skip

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
            BOOTSTRAP: {"default": 3e-4, "text": """
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
    _of_nmf("n_threads", EVERY_OWNER, text="""
        Threads to use, as of `NMF`. The result doesn't depend on it.
        """),
    _of_nmf(
        "max_time", EVERY_OWNER, text="""
        Seconds after which no further fits are begun; the result is by those that are there.
        """,
        variants={NMFCV: {"text": """
        Seconds for the selection, after which no further fits are begun.
        """}},
    ),
    _of_nmf(
        "memory_limit", MANY_FITS, text="""
        Memory that the selection may take; it holds two copies of X beside X.
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
        Called after each group of replicates with a record (done, n_resamples, seconds); if
        it returns True, the result is of the replicates so far.
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
    *_OF_CONSENSUS, *_OF_BOOTSTRAP, *_OF_SELECTION, *_OF_ALL
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
