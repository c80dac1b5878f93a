"""Constraints of a model as plain values and arrays of a model file, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..base.constraint import ConstraintBase, is_constraints
from ..constraints import constraint_kinds
from .model_archive import CONSTRAINTS

PARAMETERS = ("constraints_W", "constraints_H")
SPARSE = ("data", "indices", "indptr", "shape")
"""Arrays that a sparse matrix is stored as."""

Arrays = dict[str, NDArray[Any]]


def split_constraints(parameter: str, value: Any) -> tuple[Any, Arrays]:
    """Return a parameter with constraints as JSON takes it, and its arrays by member.

    Raises
    ------
    ValueError
        If a constraint is not registered, or holds what no file can.
    """
    assert is_constraints(value)
    single = isinstance(value, ConstraintBase)
    described: list[dict[str, Any]] = []
    arrays: Arrays = {}
    for i, constraint in enumerate([value] if single else value):
        if constraint_kinds_name(constraint) is None:
            msg = (
                f"The constraint {type(constraint).__name__} can't be stored in a model "
                "file: it is not registered. Decorate it with register_constraint."
            )
            raise ValueError(msg)
        plain, names = {}, []
        for name, content in constraint.get_params().items():
            content = content.item() if isinstance(content, np.generic) else content
            if content is None or isinstance(content, bool | int | float | str):
                plain[name] = content
                continue
            front = f"{CONSTRAINTS}{parameter}/{i}/{name}"
            arrays |= _as_members(front, content)
            names.append(name)
        described.append({"name": constraint.name, "values": plain, "arrays": names})
    return {"single": single, "constraints": described}, arrays


def constraint_kinds_name(constraint: ConstraintBase) -> str | None:
    """Return the name of a constraint in the registry, or None."""
    name = constraint.name
    known = name in constraint_kinds and constraint_kinds[name] is type(constraint)
    return name if known else None


def _as_members(front: str, content: Any) -> Arrays:
    if sp.issparse(content):
        matrix = content.tocsr()
        parts = (matrix.data, matrix.indices, matrix.indptr, np.array(matrix.shape))
        return {f"{front}.{end}": a for end, a in zip(SPARSE, parts, strict=True)}
    array = np.asarray(content)
    if array.dtype.kind not in "biuf":
        msg = (
            f"A constraint holds a {type(content).__name__}, which can't be stored in a "
            "model file; numbers, texts and arrays of numbers can."
        )
        raise ValueError(msg)
    return {front: array}


def build_constraints(parameter: str, described: Any, arrays: Mapping[str, Any]) -> Any:
    """Return the value of a parameter that `split_constraints` has taken apart.

    Raises
    ------
    ValueError
        If a constraint is not registered.
    """
    constraints = []
    for i, one in enumerate(described["constraints"]):
        name = one["name"]
        if name not in constraint_kinds:
            msg = f"it holds a constraint {name!r}, which is not registered"
            raise ValueError(msg)
        values = dict(one["values"])
        for key in one["arrays"]:
            values[key] = _from_members(f"{CONSTRAINTS}{parameter}/{i}/{key}", arrays)
        constraints.append(constraint_kinds[name](**values))
    return constraints[0] if described["single"] else constraints


def _from_members(front: str, arrays: Mapping[str, Any]) -> Any:
    if front in arrays:
        return arrays[front]
    data, indices, indptr, shape = (arrays[f"{front}.{end}"] for end in SPARSE)
    return sp.csr_matrix((data, indices, indptr), shape=tuple(shape.tolist()))
