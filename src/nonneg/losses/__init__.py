"""Losses: what is minimised. A new loss is one file that registers itself here."""

from __future__ import annotations

from ..protocols import Loss
from ..registry import Registry

losses: Registry[Loss] = Registry("loss")

from . import beta, frobenius
from .beta import make_loss

__all__ = ["beta", "frobenius", "losses", "make_loss"]
