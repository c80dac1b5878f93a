"""Losses: what is minimised. A new loss is one file that registers itself here."""

from __future__ import annotations

from . import beta, frobenius

__all__ = ["beta", "frobenius"]
