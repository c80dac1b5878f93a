"""Matrices and models from files, and into files.

Public names: `read_matrix` and `write_matrix`, and `save` and `load`, which `nonneg` has too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..base.lazy_names import lazy_names

if TYPE_CHECKING:
    from .model_files import load, save
    from .readers import read_matrix
    from .writers import write_matrix

__all__ = ["load", "read_matrix", "save", "write_matrix"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "load": ".model_files",
        "read_matrix": ".readers",
        "save": ".model_files",
        "write_matrix": ".writers",
    },
)
