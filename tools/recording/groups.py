"""The groups of cases: functions that yield names and what computes the results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Case = tuple[str, Callable[[], Any]]
GROUPS: list[Callable[[], Iterator[Case]]] = []


def group(cases: Callable[[], Iterator[Case]]) -> Callable[[], Iterator[Case]]:
    """Enter a function that yields cases: a name and what computes the result."""
    GROUPS.append(cases)
    return cases
