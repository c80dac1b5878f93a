"""Reports of a fit: one HTML file that can be sent, and a view for notebooks."""

from __future__ import annotations
