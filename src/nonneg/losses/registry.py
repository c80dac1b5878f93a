"""The registry of losses."""

from __future__ import annotations

from ..base.interfaces import LossBase
from ..base.registry import Registry

losses: Registry[LossBase] = Registry("loss", LossBase)
