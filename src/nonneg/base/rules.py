"""Rules for parameters: tests of a value, their words, and the refusal."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

try:  # private in scikit-learn, but the class that its users catch
    from sklearn.utils._param_validation import InvalidParameterError
except ImportError:  # pragma: no cover

    class InvalidParameterError(ValueError, TypeError):  # type: ignore[no-redef]
        """A parameter has a wrong type or value."""


@dataclass(frozen=True, eq=False, repr=False)
class Rule:
    """The values that a parameter may have, as a test and in words, and an advice."""

    is_satisfied: Callable[[Any], bool]
    """Test of a value."""
    allowed: str
    """Allowed values in the words of scikit-learn, for "must be …"."""
    advice: str
    """Sentence that says what to pass."""


def is_integer(value: Any, low: int = 1, high: float = math.inf) -> bool:
    """Whether the value is an integer, not a bool, within the closed range."""
    whole = isinstance(value, Integral) and not isinstance(value, bool | np.bool_)
    return whole and low <= value <= high


def is_real(value: Any, low: float = 0.0, high: float = math.inf) -> bool:
    """Whether the value is a finite number, not a bool, within the closed range."""
    number = isinstance(value, Real) and not isinstance(value, bool | np.bool_)
    return number and math.isfinite(value) and low <= value <= high


def is_bool(value: Any) -> bool:
    """Whether the value is a bool, Python's or NumPy's."""
    return isinstance(value, bool | np.bool_)


def show(value: Any) -> str:
    """Return the `repr` of a value on one line of at most 100 characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 100 else text[:97] + "..."


def require(name: str, value: Any, rule: Rule, owner: str = "NMF") -> None:
    """Raise InvalidParameterError, worded as scikit-learn's, if the rule is broken."""
    if not rule.is_satisfied(value):
        msg = (
            f"The {name!r} parameter of {owner} must be {rule.allowed}. "
            f"Got {show(value)} instead. {rule.advice}"
        )
        raise InvalidParameterError(msg)


BOOL = Rule(
    is_bool,
    "an instance of 'bool' or an instance of 'numpy.bool'",
    "Pass True or False.",
)

NON_NEGATIVE = "a float in the range [0.0, inf)"
POSITIVE_INTEGER = "an int in the range [1, inf)"
WEIGHT = Rule(is_real, NON_NEGATIVE, "Pass 0 for no penalty.")
SHARE = "a float in the range [0.0, 1.0]"


def is_word(value: Any, word: str) -> bool:
    """Whether the value is the str `word`; an array of words is not."""
    return isinstance(value, str) and value == word


def one_of(words: Collection[str], advice: str, none: bool = True) -> Rule:
    """Build the rule for a str among `words`, and for None if `none`."""

    def is_satisfied(value: Any) -> bool:
        if value is None:
            return none
        return isinstance(value, str) and value in words

    allowed = f"a str among {{{', '.join(map(repr, words))}}}"
    return Rule(is_satisfied, allowed + (" or None" if none else ""), advice)


def or_instance(cls: type[Any], rule: Rule) -> Rule:
    """Build the rule that allows an instance of `cls` beside what `rule` allows."""
    return dataclasses.replace(
        rule, is_satisfied=lambda v: isinstance(v, cls) or rule.is_satisfied(v)
    )


def positive_integer(advice: str, none: bool = False) -> Rule:
    """Build the rule for an integer of at least 1, and for None if `none`."""
    return Rule(
        lambda v: is_integer(v) or (none and v is None),
        POSITIVE_INTEGER + (" or None" if none else ""),
        advice,
    )
