"""Plug-ins that register themselves on import; docs/extending.md shows their source."""

from __future__ import annotations
