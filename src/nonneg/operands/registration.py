"""The operand for an X: `as_operand` is the only place that asks for the type of X."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..base.interfaces import Operand

Accepts = Callable[[Any], bool]
_kinds: list[tuple[Accepts, Callable[..., Operand]]] = []
_checked: set[Any] = set()
Transform = Callable[[Any, Any, Any], Any]
_transforms: dict[Any, Transform] = {}


def register_operand(
    accepts: Accepts, *, checked: bool = False, transform: Transform | None = None
) -> Callable[[Any], Any]:
    """Decorate the operand for inputs X for which `accepts(X)` is true.

    The class, or function, is called as `cls(X, n_threads=...)`. Later entries are asked
    first, so that a plug-in can take over a special case of a general type. `checked`
    says that X and its entries are checked before the operand is made.
    `transform(model, X, H)` returns the W of such an X as an array that is computed later.
    """

    def enter(cls: Any) -> Any:
        _kinds.insert(0, (accepts, cls))
        if checked:
            _checked.add(cls)
        if transform is not None:
            _transforms[cls] = transform
        return cls

    return enter


def unregister_operand(cls: Any) -> None:
    """Remove a class; tests of plug-ins clean up with it."""
    _kinds[:] = [entry for entry in _kinds if entry[1] is not cls]


def is_operand(X: Any) -> bool:
    """Whether X is an operand already."""
    return isinstance(X, Operand)


def as_operand(X: Any, n_threads: int = 1) -> Operand:
    """Return the operand for X; an operand is returned as it is."""
    if is_operand(X):
        operand: Operand = X
        return operand
    for accepts, cls in _kinds:
        if accepts(X):
            return cls(X, n_threads=n_threads)
    msg = (
        f"X of type {type(X).__name__} is not supported; pass a NumPy array or a "
        "SciPy sparse matrix."
    )
    raise TypeError(msg)


def lazy_transform(X: Any) -> Transform | None:
    """Return what transforms such an X later, or None where W is computed at once."""
    if is_operand(X):
        return None
    return next((_transforms.get(cls) for accepts, cls in _kinds if accepts(X)), None)


def has_own_operand(X: Any) -> bool:
    """Whether X is an operand or becomes a plug-in's, which then checks it itself."""
    if is_operand(X):
        return True
    return any(accepts(X) for accepts, cls in _kinds if cls not in _checked)
