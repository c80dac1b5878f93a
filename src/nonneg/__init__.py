"""Non-negative matrix factorization: X ≈ W·H with W, H ≥ 0."""

from __future__ import annotations
