"""The table of the parameters that scikit-learn's NMF has or had: what each is."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np

from .declaration import (
    EVERYWHERE,
    FUNCTION,
    NMF,
    Names,
    Option,
    Parameter,
    by_word,
    number,
)
from .interfaces import LossBase, SolverBase
from .rules import (
    BOOL,
    NON_NEGATIVE,
    POSITIVE_INTEGER,
    SHARE,
    WEIGHT,
    Rule,
    is_bool,
    is_integer,
    is_real,
    is_word,
    one_of,
    or_instance,
    positive_integer,
)

REGULARIZATIONS = ("both", "components", "transformation")
SPARSENESSES = ("data", "components")
START, PENALTY = "Start and end of the fit", "Penalties"
SPARSER = "Sparseness (solver pg)"


def loss_rule(names: Collection[str]) -> Rule:
    """Rule for a loss: one of these names, or a number."""
    return Rule(
        lambda v: v in names if isinstance(v, str) else is_real(v, -math.inf),
        f"a str among {{{', '.join(map(repr, names))}}} or an instance of 'float'",
        "Pass 1 or 'kullback-leibler' for counts, 2 or 'frobenius' for least squares.",
    )


def _is_seed(value: Any) -> bool:
    is_state = value is None or isinstance(value, np.random.RandomState)
    return is_state or is_integer(value, 0, 2**32 - 1)


def _loss_of(text: str, flag: str, names: Names) -> float | str:
    return text if text in names.losses else number(text, flag, *names.losses)


INHERITED: tuple[Parameter, ...] = (
    Parameter(
        "n_components", 'int | Literal["auto"] | None', None,
        Rule(
            lambda v: v is None or is_word(v, "auto") or is_integer(v),
            f"{POSITIVE_INTEGER}, None or a str among {{'auto'}}",
            "Pass the number of components; None keeps all features, 'auto' takes it "
            "from a given H.",
        ),
        """
        Number of components k. None keeps all features; "auto" takes the number of
        rows of a given H, else it keeps all features.
        """,
        signatures=EVERYWHERE,
        option=Option("Number of components.", int, "K", flags=("-k", "--components"),
                      least=1, default=None, shown=False),
    ),
    Parameter(
        "solver", "str | SolverBase", "cd",
        lambda names: or_instance(
            SolverBase, one_of(names.solvers, "Pass one of these names.", none=False)
        ),
        """
        How the factors move:

        - "cd": cyclic coordinate descent [1]_, with scikit-learn's iterates;
        - "hals": the fast one: coordinate descent in adaptive sweeps, extrapolated [3]_;
        - "bpp": "hals" with exact solves by block principal pivoting [4]_, for
          components that are nearly dependent;
        - "pg": projected gradient [2]_;
        - "mu": multiplicative updates for every `beta_loss` [5]_, scikit-learn's iterates;
        - "sn": the fast one for the Kullback-Leibler divergence: damped scalar Newton
          steps, extrapolated [6]_;
        - "irls": for 0 ≤ β ≤ 2 and an X in memory, best a dense one: reweighted
          least squares, extrapolated [9]_;
        - "auto": the fast one for this loss; `solver_` of `NMF` says which;
        - an instance of a solver, with options of its own.
        """,
        kind='{"cd", "hals", "bpp", "pg", "mu", "sn", "irls", "auto"} or SolverBase',
        signatures=(NMF, FUNCTION),
        option=Option("Solver: {solvers}.", metavar="NAME"),
    ),
    Parameter(
        "beta_loss", "float | str | LossBase", "frobenius",
        lambda names: or_instance(LossBase, loss_rule(names.losses)),
        """
        The β-divergence that is minimised: 2 or "frobenius" (½‖X − WH‖²_F), 1 or
        "kullback-leibler" (for counts), 0 or "itakura-saito" (for power spectra; X must
        have no zeros), or any other number. Other than 2 need the solvers "mu", "sn",
        "irls" or "auto". An instance of another loss is minimised by the solvers that can.
        """,
        signatures=EVERYWHERE,
        option=Option("Loss: {losses}, or any beta.", metavar="LOSS", convert=_loss_of),
    ),
    Parameter(
        "init", "str | None", None,
        lambda names: one_of(names.inits, "None chooses by the shape of X."),
        """
        How W and H start:

        - "random": absolute values of Gaussian entries, scaled by sqrt(mean of X / k);
        - "nndsvd": non-negative double SVD, with zeros (k ≤ min(X.shape));
        - "nndsvda": "nndsvd" with its zeros filled with the mean of X;
        - "nndsvdar": "nndsvd" with its zeros filled with small random numbers;
        - "nnsvd-lrc": non-negative SVD with low-rank correction;
        - "spa": rows of X as H, by successive projections, and W beside them, for
          separable data (k ≤ min(X.shape));
        - "custom": W and H as given;
        - None: "nndsvd" if k < n_features and k ≤ n_samples, else "random"; for "mu",
          "sn" and "irls" "nndsvda" if k ≤ min(X.shape), else "random".
        """,
        signatures=EVERYWHERE,
        option=Option("random, nndsvd, nndsvda, nndsvdar, nnsvd-lrc or spa.", metavar="NAME", panel=START,
                      shown="nndsvd (mu, sn: nndsvda) where it can be, else random"),
        variants={FUNCTION: {"default": "random"}},
    ),
    Parameter(
        "update_H", "bool", True, BOOL,
        """
        False keeps H as it is given and solves for W alone, from zero.
        """,
        signatures=(FUNCTION,),
    ),
    Parameter(
        "random_state", "Any", None,
        Rule(
            _is_seed,
            "an int in the range [0, 4294967295], an instance of "
            "'numpy.random.mtrand.RandomState' or None",
            "Pass an int for the same result each time.",
        ),
        """
        For the random parts of the start and for `shuffle`; an int gives the same
        result each time.
        """,
        kind="int, RandomState instance or None", signatures=EVERYWHERE,
        option=Option("Seed of all random numbers.", int, "N", START, ("--seed",), default=0),
    ),
    Parameter(
        "alpha", "float", 0.0, WEIGHT,
        """
        Weight of the penalty on the factors that `regularization` names, unscaled.
        """,
        signatures=(NMF, FUNCTION),
        option=Option("Weight of the penalty, unscaled.", float, "X", PENALTY),
    ),
    Parameter(
        "regularization", "str | None", "both",
        one_of(REGULARIZATIONS, "'components' penalises H, 'transformation' W, None neither."),
        """
        What `alpha` penalises: both factors, H or W. With None `alpha` has no effect.
        """,
        kind='{"both", "components", "transformation"} or None', signatures=(NMF, FUNCTION),
        option=Option("What alpha penalises: both, components (H), transformation (W) or none.",
                      metavar="NAME", panel=PENALTY, convert=by_word({"none": None})),
        variants={FUNCTION: {"default": None}},
    ),
    Parameter(
        "alpha_W", "float", 0.0, WEIGHT,
        """
        Weight of the penalty on W, times n_features. Can't be combined with `alpha`.
        """,
        signatures=EVERYWHERE,
        option=Option("Weight on W, times n_features.", float, "X", PENALTY),
    ),
    Parameter(
        "alpha_H", 'float | Literal["same"]', "same",
        Rule(
            lambda v: is_word(v, "same") or is_real(v),
            f"{NON_NEGATIVE} or a str among {{'same'}}",
            "'same' takes the value of `alpha_W`; 0 is no penalty.",
        ),
        """
        Weight of the penalty on H, times n_samples; "same" takes that of `alpha_W`.
        """,
        signatures=EVERYWHERE,
        option=Option(
            "Weight on H, times n_samples, or same.", metavar="X", panel=PENALTY,
            convert=lambda v, flag, _: v if v == "same" else number(v, flag, "same"),
        ),
    ),
    Parameter(
        "l1_ratio", "float", 0.0,
        Rule(lambda v: is_real(v, 0.0, 1.0), SHARE, "0 makes the penalty L2, 1 makes it L1."),
        """
        Share of L1 in the penalties: 0 is L2, 1 is L1, between is a mix.
        """,
        signatures=EVERYWHERE,
        option=Option("Share of L1 in the penalties, 0 to 1.", float, "X", PENALTY),
    ),
    Parameter(
        "tol", "float", 1e-4,
        Rule(is_real, NON_NEGATIVE, "Pass 0 to do all `max_iter` iterations."),
        """
        When the solver stops: for "cd" and "pg" at this share of the violation of the
        optimality conditions that the first iteration finds; for "mu" when ten
        iterations decrease sqrt(2·loss) by less than this share of its start; for
        "hals" and "bpp" at this scale-free size of the projected gradient, for "sn"
        when Σ|gradient|·entry is this share of the sum of X, for "irls" of Σ(W·H)^β, see
        the Notes of `NMF`.
        0 means that `max_iter` iterations are done, without a warning.
        """,
        signatures=EVERYWHERE, resumable=True,
        option=Option("Tolerance of the stopping rule.", float, "X", START),
    ),
    Parameter(
        "max_iter", "int", 200, positive_integer("Pass the largest number of iterations."),
        """
        Largest number of iterations.
        """,
        signatures=EVERYWHERE, resumable=True,
        option=Option("Largest number of iterations.", int, "N", START, least=1),
    ),
    Parameter(
        "verbose", 'int | Literal["progress"]', 0,
        Rule(
            lambda v: is_word(v, "progress") or is_bool(v) or is_integer(v, 0),
            f"an int in the range [0, inf), a str among {{'progress'}}, {BOOL.allowed}",
            "Pass 0 for silence, 'progress' for a bar.",
        ),
        """
        Above 0, print the stopping measure of each iteration. "progress" shows a live bar
        with objective, residual and time left, in a terminal or notebook, for a fit of more
        than half a second.
        """,
        signatures=EVERYWHERE, resumable=True,
    ),
    Parameter(
        "shuffle", "bool", False, BOOL,
        """
        Whether "cd" visits the components in random order.
        """,
        signatures=(NMF, FUNCTION),
        option=Option("Visit components in random order (cd).", bool, panel=START),
    ),
    Parameter(
        "sparseness", "str | None", None,
        one_of(SPARSENESSES, "'data' makes W sparse, 'components' H, None neither."),
        """
        Which factor "pg" makes sparse: W, H, or neither.
        """,
        kind='{"data", "components"} or None', signatures=(NMF, FUNCTION),
        option=Option("Factor to make sparse: data or components.", metavar="NAME", panel=SPARSER),
    ),
    Parameter(
        "beta", "float", 1, Rule(is_real, NON_NEGATIVE, "A larger value makes it sparser."),
        """
        Degree of that sparseness; larger is sparser.
        """,
        signatures=(NMF, FUNCTION),
        option=Option("Degree of sparseness.", float, "X", SPARSER),
    ),
    Parameter(
        "eta", "float", 0.1,
        Rule(is_real, NON_NEGATIVE, "A smaller value allows a larger error."),
        """
        Degree of correctness to keep with `sparseness`; smaller allows a larger error.
        """,
        signatures=(NMF, FUNCTION),
        option=Option("Degree of correctness.", float, "X", SPARSER),
    ),
    Parameter(
        "nls_max_iter", "int", 2000,
        positive_integer("Pass the largest number of iterations of a subproblem."),
        """
        Largest number of iterations of a subproblem of "pg".
        """,
        signatures=(NMF, FUNCTION),
        option=Option("Iterations of a subproblem of pg.", int, "N", SPARSER, least=1),
    ),
)  # fmt: skip
"""Entries in the order in which they are checked and shown on the command line."""
