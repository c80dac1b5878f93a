"""The parameters of a fit by mini-batches, beside those of every factorization."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from .declaration import BATCH, Parameter
from .interfaces import SolverBase
from .parameters import PARAMETERS, Parameters
from .rules import BOOL, SHARE, Rule, is_real, positive_integer

_VARIANTS: dict[str, dict[str, Any]] = {
    "n_components": {"default": "auto"},
    "solver": {"default": "mu"},
    "constraints_W": {
        "text": """
        What is known about rows of W, by objects of `nonneg.constraints`: `Bounds`,
        `Simplex`, `Orthogonal`, and in `fit`, where the rows are known, `Fixed` and
        `Target`. `transform` then solves within them. What ties rows together is refused.
        """
    },
    "constraints_H": {
        "text": """
        What is known about H, by objects of `nonneg.constraints`, one or a list of them:
        all but `Unimodal`, `Monotone` and free signs, with multiplicative steps. A penalty
        weighs in a pass over X what it weighs in `NMF`; each `partial_fit` takes its batch
        for all of X.
        """
    },
    "init": {
        "text": """
        How W and H start:

        - "random": absolute values of Gaussian entries, scaled by sqrt(mean of X / k);
        - "nndsvd": non-negative double SVD, with zeros (k ≤ min(X.shape)), which stay
          zero unless `exact_statistics`;
        - "nndsvda": "nndsvd" with its zeros filled with the mean of X;
        - "nndsvdar": "nndsvd" with its zeros filled with small random numbers;
        - "nnsvd-lrc": non-negative SVD with low-rank correction;
        - "spa": rows of X as H, by successive projections, and W beside them, for
          separable data (k ≤ min(X.shape));
        - "custom": the W and H given to `fit`, or to the first `partial_fit`;
        - None: "nndsvda" if k ≤ min(n_samples, n_features), else "random".
        """
    },
    "beta_loss": {
        "text": """
        β of the divergence: "frobenius" is 2, "kullback-leibler" 1, "itakura-saito" 0.
        For β ≤ 0 X must have no zeros.
        """
    },
    "tol": {
        "text": """
        Converged when a step has changed H by at most this share of its norm. With
        `exact_statistics` the residual of `NMF`'s solver "hals" is compared instead,
        after each pass. 0 turns it off.
        """
    },
    "max_iter": {
        "text": """
        Largest number of passes over X.
        """
    },
    "alpha_W": {
        "text": """
        Weight of the penalty on W, times n_features.
        """
    },
    "alpha_H": {
        "text": """
        Weight of the penalty on H, times the number of rows that the step is about;
        "same" takes that of `alpha_W`.
        """
    },
    "random_state": {
        "text": """
        For the random parts of the start; an int gives the same result each time.
        """
    },
    "verbose": {
        "text": """
        Above 0, print the cost of each step. "progress" shows a live bar, as in `NMF`.
        """
    },
    "max_time": {
        "text": """
        Seconds that the whole call may take, the solve for W at its end included. What runs
        at their end is cut short. Of a stream, seconds after which no step is begun.
        """
    },
    "callback": {
        "text": """
        Called after each step with an `Iteration`, which counts steps; the fit ends if
        it returns True.
        """
    },
    "checkpoint": {
        "text": """
        File that `fit` of an array is written to, as in `NMF`; `partial_fit` and a
        stream that is read once write none.
        """
    },
    "checkpoint_every": {
        "text": """
        Seconds from one checkpoint to the next; an int counts mini-batches.
        """
    },
    "resume": {
        "text": """
        Whether `fit` goes on from the checkpoint, as in `NMF`.
        """
    },
}
"""Fields of the parameters of `NMF` that differ in `MiniBatchNMF`, by name."""

_MINIBATCH_ONLY = (
    Parameter(
        "batch_size", "int", 1024, positive_integer("Pass the number of rows of a mini-batch."),
        """
        Rows of a mini-batch; the last one of a pass may have fewer.
        """,
        signatures=(BATCH,),
    ),
    Parameter(
        "max_no_improvement", "int | None", 10,
        positive_integer("Pass a number of mini-batches, or None not to stop by the cost.", none=True),
        """
        Converged after so many steps in a row without a new lowest smoothed cost; None
        turns it off. It has no effect with `exact_statistics`.
        """,
        signatures=(BATCH,),
    ),
    Parameter(
        "forget_factor", "float", 0.7,
        Rule(lambda v: is_real(v, 0.0, 1.0), SHARE,
             "1 forgets nothing, 0 all but the last mini-batch."),
        """
        What is left of a batch's weight one pass later, or with `partial_fit` one batch
        later: 1 forgets nothing, 0 all but the last batch. `exact_statistics` forgets
        nothing.
        """,
        signatures=(BATCH,),
    ),
    Parameter(
        "fresh_restarts", "bool", False, BOOL,
        """
        Solve for a batch's rows of W anew in each step, from a constant, in place of
        one update; with `exact_statistics` exactly. Slower, and W at the end is what
        `transform` returns.
        """,
        signatures=(BATCH,),
    ),
    Parameter(
        "fresh_restarts_max_iter", "int", 30,
        positive_integer("Pass the largest number of steps for W."),
        """
        Most updates of such a solve, also in `partial_fit`.
        """,
        signatures=(BATCH,),
    ),
    Parameter(
        "transform_max_iter", "int | None", None,
        positive_integer("Pass the largest number of steps for W, or None for `max_iter`.", none=True),
        """
        Most updates of W in `transform`; None takes `max_iter`.
        """,
        signatures=(BATCH,),
    ),
    Parameter(
        "exact_statistics", "bool", False, BOOL,
        """
        For the Frobenius loss: in place of fading batches keep XᵀW and WᵀW exact, by
        correcting them for what a step has changed in its rows [2]_, and solve by
        coordinate sweeps. `fit` then decreases the objective of all of X in every step
        after the first pass, and reaches that of `NMF` in fewer passes; `transform` is
        exact. In `partial_fit`, where rows come once, the sums only grow [3]_.
        """,
        signatures=(BATCH,),
    ),
)  # fmt: skip

BATCH_PARAMETERS: tuple[Parameter, ...] = (
    *(
        dataclasses.replace(
            p, variants={**p.variants, BATCH: _VARIANTS.get(p.name, {})}
        )
        for p in PARAMETERS
    ),
    *_MINIBATCH_ONLY,
)
"""The table of `MiniBatchNMF`: every parameter of a factorization, then its own."""


@dataclass(frozen=True, eq=False)
class BatchParameters(Parameters):
    """Everything that a fit by mini-batches is asked for, beside the arrays."""

    n_components: int | Literal["auto"] | None = "auto"
    solver: str | SolverBase = "mu"
    batch_size: int = 1024
    max_no_improvement: int | None = 10
    forget_factor: float = 0.7
    fresh_restarts: bool = False
    fresh_restarts_max_iter: int = 30
    transform_max_iter: int | None = None
    exact_statistics: bool = False
    owner: ClassVar[str] = BATCH
    table: ClassVar[tuple[Parameter, ...]] = BATCH_PARAMETERS
