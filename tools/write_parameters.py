"""Writes what follows from the tables of parameters: fields, signatures and docstrings.

Usage: write_parameters.py. A file whose text is right already is left alone.
"""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nonneg.base.declaration import (
    BATCH,
    BOOTSTRAP,
    CONSENSUS,
    FUNCTION,
    NMF,
    NMFCV,
    ORDERS,
    RANK,
    Parameter,
    parameters_of,
)
from nonneg.base.minibatch_parameters import BATCH_PARAMETERS
from nonneg.base.parameters import PARAMETERS
from nonneg.selection.parameters import SELECTION_PARAMETERS

SOURCE = Path(__file__).resolve().parents[1] / "src" / "nonneg"


def default_text(value: Any) -> str:
    """A default as it stands in the source and in the docstrings."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and 0 < value <= 1e-3:
        mantissa, exponent = f"{value:e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return repr(value)


def kind_of(parameter: Parameter) -> str:
    """Type in the docstring: that of the annotation in words."""
    if parameter.kind:
        return parameter.kind
    words = [re.sub(r"^Literal\[(.*)\]$", r"\1", part)
             for part in parameter.annotation.split(" | ")]  # fmt: skip
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def fields(parameters: Iterable[Parameter]) -> str:
    """Fields of a dataclass."""
    return "".join(
        f"    {p.name}: {p.annotation} = {default_text(p.default)}\n"
        for p in parameters
    )


def arguments(owner: str, table: Sequence[Parameter], indent: str) -> str:
    """Arguments of a signature, the keyword-only ones after a star."""
    n_positional = ORDERS[owner].n_positional
    lines = [
        f"{indent}{p.name}: {p.annotation} = {default_text(p.default)},\n"
        for p in parameters_of(owner, table)
    ]
    return "".join([*lines[:n_positional], f"{indent}*,\n", *lines[n_positional:]])


def attributes(parameters: Iterable[Parameter]) -> str:
    """Assignments of an `__init__`."""
    return "".join(f"        self.{p.name} = {p.name}\n" for p in parameters)


def descriptions(parameters: Iterable[Parameter], cited: bool = True) -> str:
    """Entries of the section Parameters of a docstring, that has References if `cited`."""
    entries = []
    for p in parameters:
        text = textwrap.indent(inspect.cleandoc(p.text), " " * 8)
        text = text if cited else re.sub(r" \[\d+\]_", "", text)
        head = f"    {p.name} : {kind_of(p)}, default={default_text(p.default)}"
        entries.append(f"{head}\n{text}\n")
    return "".join(entries)


def replaced(source: str, before: str, after: str, text: str) -> str:
    """Source with this text in place of what is between the two patterns.

    Raises
    ------
    ValueError
        If there is not exactly one such place.
    """
    pattern = re.compile(f"({before})(.*?)({after})", re.DOTALL)
    result, n_places = pattern.subn(lambda match: match[1] + text + match[3], source)
    if n_places != 1:
        msg = (
            f"{n_places} places begin with {before!r} and end with {after!r}, not one."
        )
        raise ValueError(msg)
    return result


def in_class(source: str, owner: str, table: Sequence[Parameter]) -> str:
    """Source of an estimator with the docstring and `__init__` of the table."""
    own = parameters_of(owner, table)
    sections = r"\n    Attributes\n    -----"
    source = replaced(
        source, r"\n    Parameters\n    -+\n", sections, descriptions(own)
    )
    source = replaced(
        source,
        r"    def __init__\(\n        self,\n",
        r"    \) -> None:\n",
        arguments(owner, table, " " * 8),
    )
    start = r"    \) -> None:\n(?=        self\.)"
    return replaced(source, start, r"\n    def ", attributes(own))


def in_function(source: str, table: Sequence[Parameter]) -> str:
    """Source of the function with the docstring and signature of the table."""
    own = parameters_of(FUNCTION, table)
    first = own[0].name
    source = replaced(
        source,
        rf"\n(?=    {first} : )",
        r"    sample_weight : ",
        descriptions(own, cited=False),
    )
    return replaced(
        source,
        rf"\n(?=    {first}: )",
        r"    sample_weight: ",
        arguments(FUNCTION, table, " " * 4),
    )


def in_keywords(source: str, owner: str, table: Sequence[Parameter]) -> str:
    """Source of a function of which the table has all arguments that go by keyword."""
    own = parameters_of(owner, table)
    first = own[0].name
    source = replaced(
        source, rf"\n(?=    {first} : )", r"\n    Returns\n    -----", descriptions(own)
    )
    return replaced(
        source,
        rf"\ndef {owner}\(\n[^*]*(?=    \*,\n)",
        r"\) -> ",
        arguments(owner, table, " " * 4),
    )


def in_record(source: str, parameters: Iterable[Parameter]) -> str:
    """Source of a dataclass of parameters with these fields, its only public ones."""
    start = r'"""\n\n(?=    n_components: )'
    return replaced(source, start, r"    owner: ", fields(parameters))


def written(
    table: Sequence[Parameter] = PARAMETERS,
    minibatch: Sequence[Parameter] = BATCH_PARAMETERS,
    selection: Sequence[Parameter] = SELECTION_PARAMETERS,
) -> dict[Path, str]:
    """The files that follow from these tables, as they should be."""
    inherited = {p.name: p for p in table}
    batch = [
        own
        for own in (p.for_owner(BATCH) for p in minibatch)
        if own.name not in inherited or own.default != inherited[own.name].default
    ]
    changes = {
        "base/parameters.py": lambda text: in_record(text, parameters_of(NMF, table)),
        "base/minibatch_parameters.py": lambda text: in_record(text, batch),
        "estimators/nmf.py": lambda text: in_class(text, NMF, table),
        "estimators/minibatch_nmf.py": lambda text: in_class(text, BATCH, minibatch),
        "estimators/functional.py": lambda text: in_function(text, table),
        "selection/estimator.py": lambda text: in_class(text, NMFCV, selection),
        "selection/rank.py": lambda text: in_keywords(text, RANK, selection),
        "selection/many_starts.py": lambda text: in_keywords(
            text, CONSENSUS, selection
        ),
        "selection/uncertainty.py": lambda text: in_keywords(
            text, BOOTSTRAP, selection
        ),
    }
    paths = {SOURCE / name: change for name, change in changes.items()}
    return {path: change(path.read_text("utf-8")) for path, change in paths.items()}


def main() -> None:
    """Write the files that are not as they should be."""
    for path, text in written().items():
        if path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"wrote {path.relative_to(SOURCE.parents[1])}")


if __name__ == "__main__":
    main()
