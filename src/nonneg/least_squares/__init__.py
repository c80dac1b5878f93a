"""Non-negative least squares with one known factor."""

from __future__ import annotations
