"""The registry of losses."""

from __future__ import annotations

from ..base.interfaces import Loss
from ..base.registry import Registry

losses: Registry[Loss] = Registry("loss")
