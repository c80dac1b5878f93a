"""Validates the docstrings of every public name by numpydoc: parameters, order, sections."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

from numpydoc.validate import validate

import nonneg

CHECKS = {
    "GL06",  # unknown section
    "GL07",  # sections in the wrong order
    "GL08",  # no docstring
    "PR01",  # parameters not documented
    "PR02",  # documented, but no parameter
    "PR03",  # parameters in another order than the signature's
    "PR04",  # no type
    "PR07",  # no description
    "PR10",  # no space before the colon
    "RT01",  # no Returns section
    "SS02",  # summary begins with a small letter
    "SS03",  # summary ends without a period
}
UNDESCRIBED = {"X", "W", "H", "y", "random_state", "n_threads"}
"""Arguments of which the type says all, or that the class describes."""


def public_names() -> Iterator[str]:
    """Dotted names of what the package exports, with the methods of its classes."""
    for name in nonneg.__all__:
        yield f"nonneg.{name}"
        value = getattr(nonneg, name)
        if inspect.isclass(value):
            own = [m for m in vars(value) if not m.startswith("_")]
            yield from (f"nonneg.{name}.{method}" for method in own)


def main() -> int:
    """Print what is wrong, one line each; the exit code says whether anything is."""
    wrong = [
        f"{name}: {code} {message}"
        for name in public_names()
        for code, message in validate(name)["errors"]
        if code in CHECKS
        and not (code == "PR07" and message.split('"')[1] in UNDESCRIBED)
    ]
    print("\n".join(wrong) or "Docstrings are complete.")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
