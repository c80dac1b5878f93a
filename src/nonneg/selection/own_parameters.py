"""The parameters of rank selection, consensus and bootstrap that `NMF` does not have."""

from __future__ import annotations

from ..base.declaration import BOOTSTRAP, CONSENSUS, NMFCV, RANK, Option, Parameter
from ..base.rules import BOOL, Rule, is_integer, is_real, one_of, positive_integer
from .rank_folds import METHODS as WAYS_TO_HOLD_OUT
from .rule import RULES
from .spectra import METHODS as WAYS_TO_CLUSTER
from .spectra import NEIGHBORS, THRESHOLD

WAYS_TO_RESAMPLE = ("bootstrap", "jackknife")
SELECTION = (NMFCV, RANK)
SEE = "See the docstring."

OF_CONSENSUS = (
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

OF_BOOTSTRAP = (
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

OF_SELECTION = (
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
