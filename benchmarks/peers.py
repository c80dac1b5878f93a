"""Other libraries at the start line, where they are installed."""

from __future__ import annotations

from contestants import Contestant

PACKAGES: tuple[str, ...] = ()


def installed() -> list[Contestant]:
    return []
