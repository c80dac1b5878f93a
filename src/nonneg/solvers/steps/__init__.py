"""Building blocks of an iteration that several solvers share."""

from __future__ import annotations
