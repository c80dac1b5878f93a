"""Fits that their callback ends by an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Stop(Exception):
    """Ends a fit at once."""


def ending(n_iter: int, error: type[BaseException] = Stop) -> Callable[[Any], None]:
    """Return a callback that raises `error` in the iteration of this number."""

    def callback(iteration: Any) -> None:
        if iteration.n_iter == n_iter:
            raise error

    return callback
