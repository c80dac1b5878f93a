"""NMF and MiniBatchNMF: parameters and fitted attributes, nothing numerical."""

from __future__ import annotations
