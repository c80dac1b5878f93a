"""Solvers made of other solvers: restarts, warm-up by blocks, a compressed start."""

from __future__ import annotations
