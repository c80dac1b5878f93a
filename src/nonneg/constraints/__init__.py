"""Constraints and penalties on W and H: what is known about the factors."""

from __future__ import annotations

from ..base.constraint import (
    ConstraintBase,
    Factor,
    Majoriser,
    RowSum,
    constraint_kinds,
    register_constraint,
)
from .fixed import Bounds, Fixed
from .shapes import Monotone, Unimodal
from .simplex import Simplex
from .smooth import Graph, Smooth
from .target import Target
from .volume import Group, MinVolume, Orthogonal

__all__ = [
    "Bounds",
    "ConstraintBase",
    "Factor",
    "Fixed",
    "Graph",
    "Group",
    "Majoriser",
    "MinVolume",
    "Monotone",
    "Orthogonal",
    "RowSum",
    "Simplex",
    "Smooth",
    "Target",
    "Unimodal",
    "constraint_kinds",
    "register_constraint",
]
