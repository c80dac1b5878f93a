"""The operand of a Dask array: its blocks of rows stay on the workers, and so does W."""

from __future__ import annotations

from . import operand

__all__ = ["operand"]
