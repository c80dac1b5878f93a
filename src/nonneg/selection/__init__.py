"""Selection of the number of components, consensus of many starts, uncertainty."""

from __future__ import annotations
