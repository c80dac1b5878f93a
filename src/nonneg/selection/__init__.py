"""Which k, how stable, how sure: components of several fits compared."""

from __future__ import annotations
