"""Names of a package that are imported when they are first asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any


def lazy_names(
    package: str, modules: dict[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the functions `__getattr__` and `__dir__` for a package.

    Parameters
    ----------
    package : str
        The package's `__name__`.
    modules : dict of str to str
        Each name with the module that defines it, relative to the package; a module of
        that name stands for itself.
    """
    names = vars(sys.modules[package])

    def get(name: str) -> Any:
        if name not in modules:
            msg = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(msg)
        module = importlib.import_module(modules[name], package)
        is_module = modules[name] == f".{name}"
        names[name] = module if is_module else vars(module)[name]
        return names[name]

    def listed() -> list[str]:
        return sorted({*names, *names["__all__"]})

    return get, listed
