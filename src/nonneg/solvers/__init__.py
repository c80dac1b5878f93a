"""Solvers: how the factors move. A new solver is one file that registers itself here."""

from __future__ import annotations

from . import cd, hals, mu, pg, sn

__all__ = ["cd", "hals", "mu", "pg", "sn"]
