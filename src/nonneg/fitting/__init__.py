"""Fits: their plan, the loop that runs it, and checkpoints of it."""

from __future__ import annotations
