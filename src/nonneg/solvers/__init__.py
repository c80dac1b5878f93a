"""Solvers: how the factors move. Importing this package registers those that users name."""

from __future__ import annotations

from . import cd, hals, mu, pg, sn

__all__ = ["cd", "hals", "mu", "pg", "sn"]
