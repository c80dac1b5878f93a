"""Cases of `record_factors.py`, and what it writes of them."""

from __future__ import annotations
