"""Saving fitted models to one safe file and loading them again, without pickle."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ..estimators.joint_nmf import JointNMF
from ..estimators.minibatch_nmf import MiniBatchNMF
from ..estimators.nmf import NMF
from ..estimators.symmetric_nmf import SymmetricNMF
from ..fitting.checkpoints.state_tree import from_table, to_table
from ..stores.read_errors import describe_reason
from .model_archive import (
    FORMAT,
    FORMAT_VERSION,
    HISTORY,
    NAMES,
    STATE,
    Contents,
    UnusableFile,
    describe,
    is_numbers,
    is_plain,
    read_contents,
    split_history,
    split_list,
    to_json,
    write_contents,
)
from .model_checks import find_fault
from .model_constraints import PARAMETERS, build_constraints, split_constraints
from .output_files import replace_file

__all__ = ["FORMAT_VERSION", "Model", "load", "read_contents", "save", "write_model"]

Model: TypeAlias = NMF | MiniBatchNMF | SymmetricNMF | JointNMF
MODELS: dict[str, type[Model]] = {
    "NMF": NMF,
    "MiniBatchNMF": MiniBatchNMF,
    "SymmetricNMF": SymmetricNMF,
    "JointNMF": JointNMF,
}
"""Classes that a file may hold, by name."""

_ATTRIBUTE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*_", re.IGNORECASE)
_LEFT_OUT = "left_out"
WEIGHTS = "dataset_weights"
"""The parameter that may be a list of numbers, which it is after loading."""


def save(
    model: Model,
    path: str | os.PathLike[str],
    *,
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Write a fitted model to one file that holds no code.

    The file takes its place in one step: a full disk or an interrupt leaves the
    previous one as it was.

    Parameters
    ----------
    model : NMF, MiniBatchNMF, SymmetricNMF or JointNMF
        A fitted model; subclasses are refused, since `load` could not rebuild them. Of a
        `MiniBatchNMF` the state is kept, so that `partial_fit` goes on from it to the bit.
    path : str or path-like
        The file to write. Its suffix is usually .nonneg; any other will do.
    notes : mapping, default=None
        Notes to keep in the file, such as where the data came from: values that JSON
        can hold. `read_contents` returns them.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError
        If the model is none of these, such as an estimator of scikit-learn.
    ValueError
        If a parameter, an attribute or a note can't be stored, or if the attributes
        contradict each other. Two parameters are
        stored as None instead: a `callback`, which is code, and a `random_state`
        that is a generator, not a seed. The header lists them under "left_out".
    OSError
        If the file can't be written.

    See Also
    --------
    load : Read the model back.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from nonneg import NMF, load, save
    >>> X = np.array([[1.0, 1.0], [2.0, 1.0], [3.0, 1.2], [4.0, 1.0]])
    >>> model = NMF(1, init="random", random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(model, f"{folder}/model.nonneg")
    ...     again = load(f"{folder}/model.nonneg")
    >>> np.array_equal(model.transform(X), again.transform(X))
    True
    """
    with replace_file(path) as file:
        write_model(file, model, notes)


def write_model(
    file: IO[bytes],
    model: Model,
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Write a fitted model to an open file, as `save` does."""
    from .. import __version__

    name = type(model).__name__
    if MODELS.get(name) is not type(model):
        raise TypeError(_describe_other(model))
    check_is_fitted(model)
    fault = find_fault(model)
    if fault is not None:
        msg = f"The model can't be saved: {fault}."
        raise ValueError(msg)
    params, left_out, constraints, members = _collect_params(model)
    scalars, arrays = _split_attributes(model)
    arrays |= members
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "nonneg_version": __version__,
        "class": name,
        "params": params,
        _LEFT_OUT: left_out,
        "constraints": constraints,
        "attributes": scalars,
        "notes": dict(notes or {}),
        "members": sorted(arrays),
    }
    write_contents(file, header, arrays)


def _describe_other(model: Any) -> str:
    """Return the sentence about what `save` does not take, and what to do with it."""
    kind = type(model)
    *others, last = MODELS
    msg = f"save takes a fitted {', '.join(others)} or {last} of nonneg"
    if isinstance(model, type):
        return (
            f"{msg}; got the class {model.__name__}. Pass an instance that was fitted."
        )
    msg += f"; got a {kind.__name__} of {kind.__module__}."
    if kind.__module__.startswith("sklearn."):
        return (
            f"{msg} Fit nonneg.{kind.__name__ if kind.__name__ in MODELS else 'NMF'} with "
            "its parameters, or keep it by joblib.dump."
        )
    if isinstance(model, Model):
        return f"{msg} Keep a subclass by joblib.dump, which can rebuild it."
    return f"{msg} Pass a model of nonneg."


def load(path: str | os.PathLike[str]) -> Model:
    """Read a model that `save` wrote.

    Parameters
    ----------
    path : str or path-like
        A file that `save` wrote.

    Returns
    -------
    model : NMF, MiniBatchNMF, SymmetricNMF or JointNMF
        A model with the parameters and all fitted attributes of the saved one, but
        without `checkpoint` and `resume`. Its `transform` gives the same bits, and so does
        the next `partial_fit`.

    Raises
    ------
    ValueError
        If the file is damaged, of a newer format or no model file at all.
    OSError
        If the file can't be opened.
    """
    contents = read_contents(path)
    header = contents.header
    try:
        return _build(contents)
    except UnusableFile as error:
        raise ValueError(describe(path, str(error))) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"was written by nonneg {header.get('nonneg_version')}; this one "
        reason += f"can't use it: {error}"
        raise ValueError(describe(path, reason)) from error


def _build(contents: Contents) -> Model:
    """Return the model of a file, whose parts have been found to agree."""
    header = contents.header
    params = dict(header["params"])
    if "checkpoint" in params:  # a new fit must not write where a file says
        params |= {"checkpoint": None, "resume": False}
    for name, described in header.get("constraints", {}).items():
        params[name] = build_constraints(name, described, contents.constraints)
    model: Model = MODELS[header["class"]](**params)
    attributes = {**header["attributes"], **contents.arrays}
    for name in attributes:
        if not _ATTRIBUTE.fullmatch(name):
            msg = f"holds an unknown entry {name!r}"
            raise UnusableFile(msg)
    model.__dict__.update(attributes)
    try:
        if contents.state:
            model.__dict__.update(_state=from_table(contents.state))
        fault = find_fault(model)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        fault = f"its state can't be used, {describe_reason(error)}"
    if fault is not None:
        msg = f"is damaged: {fault}"
        raise UnusableFile(msg)
    return model


def _collect_params(
    model: Model,
) -> tuple[dict[str, Any], list[str], dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the parameters as JSON takes them, and the names of those left out.

    Constraints are stored as None in their place; they and their arrays come third and last.
    """
    params: dict[str, Any] = {}
    left_out: list[str] = []
    constraints: dict[str, Any] = {}
    members: dict[str, NDArray[Any]] = {}
    for name, value in model.get_params(deep=False).items():
        plain = value.item() if isinstance(value, np.generic) else value
        plain = os.fspath(plain) if isinstance(plain, os.PathLike) else plain
        plain = plain.tolist() if isinstance(plain, np.ndarray) else plain
        plain = list(plain) if isinstance(plain, tuple) else plain
        if is_plain(plain) or (name == WEIGHTS and is_numbers(plain)):
            params[name] = plain
        elif name in PARAMETERS:
            params[name] = None
            constraints[name], arrays = split_constraints(name, value)
            members |= arrays
        elif name in ("callback", "random_state"):
            params[name] = None
            left_out.append(name)
        else:
            msg = (
                f"The parameter {name} of type {type(value).__name__} can't be stored "
                "in a model file; numbers, texts, True, False and None can. Set "
                "another value before saving."
            )
            raise ValueError(msg)
    return params, left_out, constraints, members


def _split_attributes(
    model: Model,
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the fitted attributes that go into the header, and those that are members."""
    scalars: dict[str, Any] = {}
    arrays: dict[str, NDArray[Any]] = {}
    for name, value in vars(model).items():
        if not _ATTRIBUTE.fullmatch(name):
            continue
        if name == NAMES:
            arrays[name] = to_json(name, [str(feature) for feature in value])
        elif name == HISTORY:
            arrays |= split_history(value)
        elif _is_numeric(value):
            arrays[name] = value
        elif isinstance(value, list) and all(map(_is_numeric, value)):
            arrays |= split_list(name, value)
        else:
            plain = value.item() if isinstance(value, np.generic) else value
            if not is_plain(plain):
                msg = f"The attribute {name} of type {type(value).__name__} can't be "
                msg += "stored in a model file. Delete it before saving."
                raise ValueError(msg)
            scalars[name] = plain
    state = vars(model).get("_state")
    if state is not None:
        table = to_table(state)
        arrays |= {f"{STATE}{key}": array for key, array in table.items()}
    return scalars, arrays


def _is_numeric(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "biuf"
