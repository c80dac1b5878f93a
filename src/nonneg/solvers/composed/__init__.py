"""Solvers made of other solvers: many starts, warm-up by batches, a compressed start."""

from __future__ import annotations
