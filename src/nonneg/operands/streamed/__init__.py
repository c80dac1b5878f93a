"""The operand of an X in a store, larger than memory perhaps: read window by window."""

from __future__ import annotations

from . import operand

__all__ = ["operand"]
