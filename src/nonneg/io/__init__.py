"""Matrices and models from files, and into files."""

from __future__ import annotations
