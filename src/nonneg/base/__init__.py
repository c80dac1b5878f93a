"""What every layer may use: interfaces, records, parameters, checks, threads."""

from __future__ import annotations
