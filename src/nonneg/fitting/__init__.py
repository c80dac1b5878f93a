"""One fit: what is decided, the loop, and what is kept of it."""

from __future__ import annotations
