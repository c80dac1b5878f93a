"""Files of an unfinished fit, from which it goes on."""

from __future__ import annotations
