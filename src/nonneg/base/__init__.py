"""Interfaces, records, parameters, checks and threads, which every layer may use."""

from __future__ import annotations
