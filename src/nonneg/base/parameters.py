"""The parameters of a factorization: what each may be, in code and in words."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np

from .interfaces import LossBase, SolverBase
from .memory_size import is_limit
from .validation import BOOL, Rule, is_bool, is_integer, is_real, require

REGULARIZATIONS = ("both", "components", "transformation")
SPARSENESSES = ("data", "components")


def _is_seed(value: Any) -> bool:
    is_state = value is None or isinstance(value, np.random.RandomState)
    return is_state or is_integer(value, 0, 2**32 - 1)


def _one_of(options: Collection[str], advice: str, none: bool = True) -> Rule:
    def satisfied(value: Any) -> bool:
        if value is None:
            return none
        return isinstance(value, str) and value in options

    allowed = f"a str among {{{', '.join(map(repr, options))}}}"
    return Rule(satisfied, allowed + (" or None" if none else ""), advice)


def _is_text(value: Any, text: str) -> bool:
    return isinstance(value, str) and value == text


def _or_instance(cls: type[Any], rule: Rule) -> Rule:
    """Let an object of one's own through beside what the rule allows."""
    return dataclasses.replace(
        rule, satisfied=lambda v: isinstance(v, cls) or rule.satisfied(v)
    )


_NON_NEGATIVE = "a float in the range [0.0, inf)"
_POSITIVE_INTEGER = "an int in the range [1, inf)"
_WEIGHT = Rule(is_real, _NON_NEGATIVE, "Pass 0 for no penalty.")

_FIRST = {
    "n_components": Rule(
        lambda v: v is None or _is_text(v, "auto") or is_integer(v),
        f"{_POSITIVE_INTEGER}, None or a str among {{'auto'}}",
        "Pass the number of components; None keeps all features, 'auto' takes it "
        "from a given H.",
    ),
    "max_iter": Rule(
        is_integer, _POSITIVE_INTEGER, "Pass the largest number of iterations."
    ),
    "tol": Rule(is_real, _NON_NEGATIVE, "Pass 0 to do all `max_iter` iterations."),
}
_SECOND = {
    "random_state": Rule(
        _is_seed,
        "an int in the range [0, 4294967295], an instance of "
        "'numpy.random.mtrand.RandomState' or None",
        "Pass an int for the same result each time.",
    ),
    "alpha": _WEIGHT,
    "l1_ratio": Rule(
        lambda v: is_real(v, 0.0, 1.0),
        "a float in the range [0.0, 1.0]",
        "0 makes the penalty L2, 1 makes it L1.",
    ),
    "regularization": _one_of(
        REGULARIZATIONS,
        "'components' penalises H, 'transformation' W, None neither.",
    ),
    "alpha_W": _WEIGHT,
    "alpha_H": Rule(
        lambda v: _is_text(v, "same") or is_real(v),
        f"{_NON_NEGATIVE} or a str among {{'same'}}",
        "'same' takes the value of `alpha_W`; 0 is no penalty.",
    ),
    "verbose": Rule(
        lambda v: is_bool(v) or is_integer(v, 0),
        f"an int in the range [0, inf), {BOOL.allowed}",
        "Pass 0 for silence.",
    ),
    "shuffle": BOOL,
    "nls_max_iter": Rule(
        is_integer,
        _POSITIVE_INTEGER,
        "Pass the largest number of iterations of a subproblem.",
    ),
    "beta": Rule(is_real, _NON_NEGATIVE, "A larger value makes it sparser."),
    "eta": Rule(is_real, _NON_NEGATIVE, "A smaller value allows a larger error."),
    "accelerate": BOOL,
    "n_init": Rule(
        is_integer, _POSITIVE_INTEGER, "Pass the number of starts, 1 for a single one."
    ),
    "max_time": Rule(
        lambda v: v is None or (is_real(v) and v > 0),
        "a float in the range (0.0, inf) or None",
        "Pass seconds, or None for no limit.",
    ),
    "compress": Rule(
        lambda v: is_bool(v) or _is_text(v, "auto"),
        f"{BOOL.allowed} or a str among {{'auto'}}",
        "'auto' compresses dense data where that was measured to be faster.",
    ),
    "blocks": Rule(
        lambda v: v is None or is_integer(v),
        "an int in the range [1, inf) or None",
        "Pass the number of blocks of rows after each of which H moves, or None.",
    ),
    "memory_limit": Rule(
        lambda v: v is None or is_limit(v),
        "an int in the range [1, inf), a str such as '2GB' or None",
        "Pass bytes, a size, or None for no limit.",
    ),
    "checkpoint": Rule(
        lambda v: v is None or isinstance(v, str | os.PathLike),
        "a str, a path-like object or None",
        "Pass the name of a file, or None for no checkpoints.",
    ),
    "checkpoint_every": Rule(
        lambda v: is_integer(v) or (is_real(v) and v > 0),
        "a float in the range (0.0, inf) or an int in the range [1, inf)",
        "A float means seconds, an int iterations.",
    ),
    "resume": BOOL,
    "callback": Rule(
        lambda v: v is None or callable(v),
        "a callable or None",
        "It is called with an `Iteration` and may return True to stop.",
    ),
}


def loss_rule(names: Collection[str]) -> Rule:
    """What a loss may be given as: one of these names, or a number."""
    return Rule(
        lambda v: v in names if isinstance(v, str) else is_real(v, -math.inf),
        f"a str among {{{', '.join(map(repr, names))}}} or an instance of 'float'",
        "Pass 1 or 'kullback-leibler' for counts, 2 or 'frobenius' for least squares.",
    )


def _rules(
    solvers: Collection[str], inits: Collection[str], losses: Collection[str]
) -> dict[str, Rule]:
    """Rules by parameter, in the order in which they are applied."""
    return {
        "sparseness": _one_of(
            SPARSENESSES, "'data' makes W sparse, 'components' H, None neither."
        ),
        "solver": _or_instance(
            SolverBase, _one_of(solvers, "Pass one of these names.", none=False)
        ),
        **_FIRST,
        "init": _one_of(inits, "None chooses by the shape of X."),
        "beta_loss": _or_instance(LossBase, loss_rule(losses)),
        **_SECOND,
    }


@dataclass(frozen=True, eq=False)
class Parameters:
    """Everything that a factorization is asked for, beside the arrays."""

    n_components: int | Literal["auto"] | None = None
    init: str | None = None
    solver: str | SolverBase = "cd"
    tol: float = 1e-4
    max_iter: int = 200
    random_state: Any = None
    alpha: float = 0.0
    l1_ratio: float = 0.0
    verbose: int = 0
    shuffle: bool = False
    nls_max_iter: int = 2000
    sparseness: str | None = None
    beta: float = 1.0
    eta: float = 0.1
    beta_loss: float | str | LossBase = "frobenius"
    regularization: str | None = "both"
    alpha_W: float = 0.0
    alpha_H: float | Literal["same"] = "same"
    n_init: int = 1
    max_time: float | None = None
    callback: Callable[[Any], bool | None] | None = None
    n_threads: int | None = None
    compress: bool | Literal["auto"] = False
    blocks: int | None = None
    memory_limit: int | str | None = None
    checkpoint: str | os.PathLike[str] | None = None
    checkpoint_every: float = 60.0
    resume: bool = False
    accelerate: bool = False
    owner: ClassVar[str] = "NMF"
    """Whose parameters they are, in messages."""

    @classmethod
    def rules(
        cls,
        solvers: Collection[str],
        inits: Collection[str],
        losses: Collection[str],
    ) -> dict[str, Rule]:
        """Rules by parameter, in the order in which they are applied."""
        return _rules(solvers, inits, losses)

    def validated(
        self,
        solvers: Collection[str],
        inits: Collection[str],
        losses: Collection[str],
    ) -> Self:
        """Check every parameter; return them as plain Python numbers.

        Raises
        ------
        InvalidParameterError
            For the first parameter that is not what it may be.
        ValueError
            If the penalties of both conventions are given at once.
        """
        for name, rule in self.rules(solvers, inits, losses).items():
            require(name, getattr(self, name), rule, self.owner)
        if self.alpha != 0 and (self.alpha_W != 0 or self.alpha_H not in ("same", 0)):
            msg = (
                f"`alpha`={self.alpha:g} can't be combined with `alpha_W`="
                f"{self.alpha_W!r} and `alpha_H`={self.alpha_H!r}: these are two ways "
                "to write the penalty. Pass `alpha` with `regularization` (unscaled), "
                "or `alpha_W` and `alpha_H` (scaled by n_features and n_samples)."
            )
            raise ValueError(msg)
        plain = {
            field.name: _plain(getattr(self, field.name))
            for field in dataclasses.fields(self)
        }
        return type(self)(**plain)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
