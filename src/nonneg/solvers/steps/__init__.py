"""Parts of iterations that several solvers are made of."""

from __future__ import annotations
