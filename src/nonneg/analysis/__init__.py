"""What can be said about a fit: topics, tables of components, pictures."""

from __future__ import annotations
