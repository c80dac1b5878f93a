"""Choices from products that are too large to run whole."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from typing import Any


def covering(*factors: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Some of the product of these lists: each pair of values of two lists is in one.

    The same ones every time. Each next one is the first of those with most new pairs.
    """
    places = [tuple(range(len(values))) for values in factors]

    def pairs(chosen: tuple[int, ...]) -> set[Any]:
        return set(combinations(enumerate(chosen), 2))

    waiting = {chosen: pairs(chosen) for chosen in product(*places)}
    missing = set().union(*waiting.values())
    taken = []
    while missing:
        best = max(waiting, key=lambda chosen: len(waiting[chosen] & missing))
        taken.append(best)
        missing -= waiting.pop(best)
    return [
        tuple(values[i] for values, i in zip(factors, chosen, strict=True))
        for chosen in sorted(taken)
    ]
