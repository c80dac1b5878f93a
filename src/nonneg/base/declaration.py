"""The record of a parameter: its name, type, default, rule, sentence and option."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .rules import Rule

NMF = "NMF"
FUNCTION = "non_negative_factorization"
BATCH = "MiniBatchNMF"
EVERYWHERE = (NMF, FUNCTION, BATCH)
NMFCV, RANK, CONSENSUS, BOOTSTRAP = "NMFCV", "select_rank", "consensus", "bootstrap"


class Names(NamedTuple):
    """Registered names, which some parameters may be."""

    solvers: Sequence[str]
    inits: Sequence[str]
    losses: Sequence[str]


@dataclass(frozen=True, eq=False, repr=False)
class Option:
    """An option of the command line for a parameter.

    Parameters
    ----------
    help : str
        Sentence of the help; "{solvers}" and "{losses}" become the registered names.
    reads : type, default=str
        Type that the text is read as.
    metavar : str or None, default=None
        Word for the value; a switch has none.
    panel : str or None, default=None
        Heading of the help under which the option stands.
    flags : tuple of str, default=()
        Names of the option, where they are not "--" and the name of the parameter.
    least : int or None, default=None
        Smallest number that is read.
    default : object, default=...
        Text or number for an option that is not given, where it is not the default of
        the parameter; None if the option must be given.
    shown : bool or str or None, default=None
        Default as the help shows it, where that is not its text.
    convert : callable or None, default=None
        Called as convert(value, flag, names): the parameter for the value that was read.
    """

    help: str
    reads: type = str
    metavar: str | None = None
    panel: str | None = None
    flags: tuple[str, ...] = ()
    least: int | None = None
    default: Any = ...
    shown: bool | str | None = None
    convert: Callable[[Any, str, Names], Any] | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Parameter:
    """A parameter, with all that signatures, docstrings, checks and options need.

    Parameters
    ----------
    name : str
    annotation : str
        Type in the signatures.
    default : object
    rule : Rule or callable or None
        Rule for the values; a callable makes the rule from the registered names. None
        where the value is checked elsewhere.
    text : str
        Description, as it stands in the docstrings.
    kind : str, default=""
        Type in the docstrings, where it does not follow from the annotation.
    signatures : tuple of str, default=("NMF",)
        Owners of the signatures that have it.
    resumable : bool, default=False
        Whether it may differ between the fit that wrote a checkpoint and the fit that
        resumes it: it does not change what an iteration does.
    option : Option or None, default=None
        Its option on the command line.
    variants : dict, default={}
        Fields of this record that differ, by owner of the signature.
    """

    name: str
    annotation: str
    default: Any
    rule: Rule | Callable[[Names], Rule] | None
    text: str
    kind: str = ""
    signatures: tuple[str, ...] = (NMF,)
    resumable: bool = False
    option: Option | None = None
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def for_owner(self, owner: str) -> Parameter:
        """Return the parameter as it is in the signature of `owner`."""
        return dataclasses.replace(self, **self.variants.get(owner, {}))

    def rule_for(self, names: Names) -> Rule | None:
        """Return the rule, where `names` are registered."""
        if self.rule is None or isinstance(self.rule, Rule):
            return self.rule
        return self.rule(names)


class Order(NamedTuple):
    """Order of a signature: `leading` first, then the other names as in the table."""

    leading: tuple[str, ...]
    n_positional: int
    """Number of leading names that may be passed by position."""


ORDERS = {
    NMF: Order(
        ("n_components", "init", "solver", "tol", "max_iter", "random_state", "alpha",
         "l1_ratio", "verbose", "shuffle", "nls_max_iter", "sparseness", "beta", "eta"),
        14,
    ),
    FUNCTION: Order(
        ("n_components", "init", "update_H", "solver", "tol", "max_iter", "alpha",
         "l1_ratio", "regularization", "random_state", "verbose", "shuffle",
         "nls_max_iter", "sparseness", "beta", "eta"),
        16,
    ),
    BATCH: Order(
        ("n_components", "init", "batch_size", "beta_loss", "tol", "max_no_improvement",
         "max_iter", "alpha_W", "alpha_H", "l1_ratio", "forget_factor", "fresh_restarts",
         "fresh_restarts_max_iter", "transform_max_iter", "random_state", "verbose"),
        1,
    ),
    NMFCV: Order(("ranks",), 1),
    RANK: Order((), 0),
    CONSENSUS: Order((), 0),
    BOOTSTRAP: Order((), 0),
}  # fmt: skip
"""Orders by owner. The leading names have the order of scikit-learn 0.18 in `NMF` and the
function, that of 1.x in `MiniBatchNMF`; it never changes."""


def parameters_of(owner: str, table: Sequence[Parameter]) -> list[Parameter]:
    """Return the parameters of a signature, in its order and as they are in it."""
    leading = ORDERS[owner].leading
    by_name = {p.name: p.for_owner(owner) for p in table if owner in p.signatures}
    rest = [name for name in by_name if name not in leading]
    return [by_name[name] for name in (*leading, *rest)]


def number(text: str, flag: str, *words: str) -> float:
    """Return the number that `text`, the text of an option, stands for.

    Raises
    ------
    ValueError
        If `text` is no number. The message names `words`, which the option also takes.
    """
    try:
        return float(text)
    except ValueError:
        allowed = " or ".join(map(repr, words))
        msg = f"Invalid value for {flag}: {text!r} is neither a number nor {allowed}."
        raise ValueError(msg) from None


def by_word(words: Mapping[str, Any]) -> Callable[[str, str, Names], Any]:
    """Return the conversion of words that stand for values, which keeps other texts."""
    return lambda text, *_: words.get(text, text)
