"""X in a store, larger than memory perhaps: passes read it window by window."""

from __future__ import annotations

from . import operand

__all__ = ["operand"]
