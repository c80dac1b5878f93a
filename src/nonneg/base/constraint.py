"""The base of constraints on a factor, and the records that they hand to solvers."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

import numpy as np
import scipy.sparse as sp

from .arrays import Array
from .registry import Registry
from .rules import is_real


class Factor(NamedTuple):
    """The factor that a constraint is for, in rows: a row of W, or a column of H, is a row."""

    name: str
    """"W" or "H"."""
    n_rows: int
    """n_samples for W, n_features for H."""
    k: int
    """Number of components."""
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, k)."""
        return self.n_rows, self.k

    @property
    def shape_of_user(self) -> tuple[int, int]:
        """Shape of W, or of H as `components_` has it."""
        return self.shape if self.name == "W" else (self.k, self.n_rows)

    def in_rows(self, values: Any, owner: str) -> Array:
        """Return an array of the shape of W or of `components_` in rows, in float64.

        Raises
        ------
        ValueError
            If it has another shape.
        """
        values = np.asarray(values, dtype=np.float64)
        if values.shape != self.shape_of_user:
            msg = (
                f"{owner} has an array of shape {values.shape}, but {self.name} has shape "
                f"{self.shape_of_user}. Pass an array of the shape of {self.name}."
            )
            raise ValueError(msg)
        return np.ascontiguousarray(values if self.name == "W" else values.T)


class RowSum(NamedTuple):
    """The sum that each row of a factor has, or has at most."""

    total: float
    at_most: bool = False


class Majoriser(NamedTuple):
    """A quadratic ½ a Q aᵀ − rhs·a of the rows a of a factor, up to a constant.

    It is above the penalty that it stands for, and touches it at the rows that it was made at.
    """

    Q: Any = None
    """(k, k), added to the Gram matrix of a half-step; None for 0."""
    rhs: Any = None
    """(n_rows, k) or (k,), added to the right-hand sides; None for 0."""


class ConstraintBase:
    """Base of constraints and penalties on one factor, which are frozen dataclasses.

    A factor A is seen in rows, (n_rows, k): W, or H transposed. A constraint says one or more
    of these: bounds of the entries, the sum of each row, a penalty with its majoriser, or
    the nearest column of a set. Class attributes declare what it can do.
    """

    name: ClassVar[str] = ""
    """Name in the registry, which `register_constraint` sets."""
    convex: ClassVar[bool] = True
    """Whether the set, or the penalty with its majoriser, is convex."""
    definite: ClassVar[bool] = True
    """Whether the majoriser's Q is positive semi-definite."""
    shrinks: ClassVar[bool] = False
    """Whether the penalty falls as the whole factor becomes smaller."""
    separable: ClassVar[bool] = False
    """Whether rows are constrained one by one, each by its row of `row_arrays`; with `of_gram`,
    what rows on the workers of a cluster can obey."""
    of_gram: ClassVar[bool] = False
    """Whether the penalty and its majoriser depend on AᵀA alone."""
    row_arrays: ClassVar[tuple[str, ...]] = ()
    """Fields that may be arrays with a row for each row of the factor, once prepared."""

    @property
    def row_wise(self) -> bool:
        """Whether each row of the factor is constrained for itself, whatever their number."""
        return False

    @property
    def exact(self) -> bool:
        """Whether the majoriser is the penalty itself, wherever it is made."""
        return True

    @property
    def is_void(self) -> bool:
        """Whether it says nothing, as a penalty of weight 0."""
        return bool(vars(self).get("weight", 1.0) == 0)

    # ---- what it says about a factor

    def prepared(self, factor: Factor) -> Self:  # noqa: ARG002
        """Check the constraint for a factor; return it with its arrays in rows.

        Raises
        ------
        ValueError
            If it is none for this factor.
        """
        return self

    def bounds(self) -> tuple[Any, Any]:
        """Return lower and upper bounds of the entries, (n_rows, k) or (k,); None for none.

        A lower bound takes the place of 0.
        """
        return None, None

    def expected(self) -> Any:
        """Return the values that entries have, or about, (n_rows, k), NaN for none; or None.

        A start puts its components where they are most like these.
        """
        return None

    def row_sum(self) -> RowSum | None:
        """Return the sum of each row, if it is constrained."""
        return None

    def majoriser(self, A: Array, gram: Array) -> Majoriser | None:  # noqa: ARG002
        """Return the majoriser of the penalty at A (n_rows, k), where gram is AᵀA."""
        return None

    def value(self, A: Array, gram: Array) -> float:  # noqa: ARG002
        """Return the penalty at A (n_rows, k), where gram is AᵀA."""
        return 0.0

    def constrained_columns(self, k: int) -> Any:  # noqa: ARG002
        """Return the components whose columns are constrained as a whole; None for none."""
        return None

    def nearest_column(self, column: Array) -> Array:
        """Return the column (n_rows,) of the set, at least 0, that is nearest to `column`."""
        return column

    def n_components(self, factor_name: str) -> int | None:  # noqa: ARG002
        """Return the number of components that the constraint tells, or None."""
        return None

    # ---- the scale of the factor

    def keeps_from_shrinking(self, k: int) -> bool:  # noqa: ARG002
        """Whether no component of the factor can become arbitrarily small for nothing."""
        return False

    def keeps_from_growing(self, k: int) -> bool:  # noqa: ARG002
        """Whether no component of the factor can become arbitrarily large for nothing."""
        return False

    @property
    def any_sign(self) -> bool:
        """Whether entries of the factor may be negative."""
        return False

    # ---- manners of a parameter

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002
        """Return what the constraint was made with, by name."""
        record: Any = self  # a dataclass, as all constraints are
        return {
            field.name: vars(self)[field.name] for field in dataclasses.fields(record)
        }

    def set_params(self, **params: Any) -> Self:
        """Refuse: constraints are frozen.

        Raises
        ------
        AttributeError
            Always, unless nothing is to be set.
        """
        if not params:
            return self
        msg = (
            f"{type(self).__name__} is frozen; got {', '.join(params)} to set. Pass a new "
            f"{type(self).__name__}(...), also as a value of a parameter grid."
        )
        raise AttributeError(msg)

    def fingerprint(self) -> str:
        """Return a text that is another one for other parameters."""
        parts = []
        for name, value in self.get_params().items():
            if value is None or isinstance(value, bool | int | float | str):
                parts.append(f"{name}={value!r}")
                continue
            if sp.issparse(value):
                value = value.tocsr()
                arrays = [value.data, value.indices, value.indptr]
            else:
                arrays = [np.asarray(value)]
            digest = hashlib.sha256()
            for array in arrays:
                digest.update(np.ascontiguousarray(array).data)
            parts.append(f"{name}={np.shape(value)} {digest.hexdigest()[:16]}")
        kind = type(self)
        return f"{kind.__module__}.{kind.__qualname__}({', '.join(parts)})"


C = TypeVar("C", bound=type[ConstraintBase])

constraint_kinds: Registry[ConstraintBase] = Registry("constraint", ConstraintBase)
"""Classes of constraints by name, by which model files find them."""


def register_constraint(name: str) -> Callable[[C], C]:
    """Return a class decorator that enters a constraint under a name.

    Parameters
    ----------
    name : str
        Name by which `save` and `load` know the class.
    """

    def enter(cls: C) -> C:
        constraint_kinds.register(name)(cls)
        cls.name = name
        return cls

    return enter


def require_weight(owner: str, name: str, value: Any) -> None:
    """Raise ValueError unless a weight is a finite number of at least 0."""
    if not is_real(value):
        msg = (
            f"{owner} takes a finite {name} of at least 0; got {value!r}. Pass 0 for no "
            "penalty."
        )
        raise ValueError(msg)


def as_constraints(stated: Any) -> tuple[ConstraintBase, ...]:
    """Return what `constraints_W` or `constraints_H` holds as a tuple."""
    if stated is None:
        return ()
    return (stated,) if isinstance(stated, ConstraintBase) else tuple(stated)


def takes_any_sign(parameters: Any) -> bool:
    """Whether a factor may be negative, and with least squares X too, by the parameters."""
    values = vars(parameters)
    if values.get("constraints_W") is None and values.get("constraints_H") is None:
        return False
    if values.get("beta_loss", "frobenius") not in ("frobenius", 2):
        return False
    stated = (values.get(f"constraints_{factor}") for factor in ("W", "H"))
    return any(
        constraint.any_sign
        for constraints in stated
        if is_constraints(constraints)
        for constraint in as_constraints(constraints)
    )


def is_constraints(value: Any) -> bool:
    """Whether a value is a constraint, a list or tuple of them, or None."""
    if value is None or isinstance(value, ConstraintBase):
        return True
    return isinstance(value, list | tuple) and all(
        isinstance(item, ConstraintBase) for item in value
    )
