"""Saving fitted models to one safe file and loading them again, without pickle.

The file is an .npz archive. Its first member, `header`, is JSON as bytes: the name and
version of the format, the version of nonneg, the class, the parameters, and every
fitted attribute that is a number or a text. Each attribute that is an array is a further
member; `history_` has a member `history_.NAME` for each column, and the names of the
features are JSON. Nothing in a file is ever executed. Each member carries a checksum.
"""

from __future__ import annotations

import json
import math
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ..estimators.nmf import NMF
from .writers import replace_file

FORMAT = "nonneg-model"
FORMAT_VERSION = 1
"""To be raised when older versions of nonneg would misread the file."""

MODELS = {"NMF": NMF}
"""Classes that a file may hold, by name."""

_HEADER = "header"
_NAMES = "feature_names_in_"
_HISTORY = "history_"
_ATTRIBUTE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*_", re.IGNORECASE)
_LEFT_OUT = "left_out"


class _UnusableFile(Exception):
    """Raised for a file that can't be used; its text ends a sentence about the file."""


class Contents(NamedTuple):
    """The contents of a model file."""

    header: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


def save(
    model: NMF,
    path: str | os.PathLike[str],
    *,
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Write a fitted model to one file that holds no code.

    The file takes its place in one step: a full disk or an interrupt leaves the
    previous one as it was.

    Parameters
    ----------
    model : NMF
        A fitted model; subclasses are refused, since `load` could not rebuild them.
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
        If the model is not an NMF.
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
    from .. import __version__

    name = type(model).__name__
    if MODELS.get(name) is not type(model):
        msg = f"save takes a fitted {' or '.join(MODELS)}; got {type(model).__name__}."
        raise TypeError(msg)
    check_is_fitted(model)
    fault = _find_fault(model)
    if fault is not None:
        msg = f"The model can't be saved: {fault}."
        raise ValueError(msg)
    params, left_out = _collect_params(model)
    scalars, arrays = _split_attributes(model)
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "nonneg_version": __version__,
        "class": name,
        "params": params,
        _LEFT_OUT: left_out,
        "attributes": scalars,
        "notes": dict(notes or {}),
        "members": sorted(arrays),
    }
    members = {_HEADER: _to_json("a note", header), **arrays}
    with replace_file(path) as file:
        # numbers only; `allow_pickle` would be one more array before NumPy 2.1
        untyped: Any = members
        np.savez(file, **untyped)


def load(path: str | os.PathLike[str]) -> NMF:
    """Read a model that `save` wrote.

    Parameters
    ----------
    path : str or path-like
        A file that `save` wrote.

    Returns
    -------
    model : NMF
        A model with the parameters and all fitted attributes of the saved one, but
        without `checkpoint` and `resume`. Its `transform` gives the same bits.

    Raises
    ------
    ValueError
        If the file is damaged, of a newer format or no model file at all.
    OSError
        If the file can't be opened.
    """
    header, arrays = read_contents(path)
    try:
        # a new fit must not write where a file says
        params = {**header["params"], "checkpoint": None, "resume": False}
        model = MODELS[header["class"]](**params)
        attributes = {**header["attributes"], **arrays}
        for name in attributes:
            if not _ATTRIBUTE.fullmatch(name):
                msg = f"holds an unknown entry {name!r}"
                raise _UnusableFile(msg)
        model.__dict__.update(attributes)
        fault = _find_fault(model)
        if fault is not None:
            msg = f"is damaged: {fault}"
            raise _UnusableFile(msg)
    except _UnusableFile as error:
        raise ValueError(_describe(path, str(error))) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"was written by nonneg {header.get('nonneg_version')}; this one "
        reason += f"can't use it: {error}"
        raise ValueError(_describe(path, reason)) from error
    return model


def read_contents(path: str | os.PathLike[str]) -> Contents:
    """Read the header and the arrays of a model file, without building the model.

    Returns
    -------
    contents : Contents
        The `header`, with the keys format, format_version, nonneg_version, class, params,
        left_out, attributes, notes and members, and the `arrays` by attribute.

    Raises
    ------
    ValueError
        If the file is damaged, of a newer format or no model file at all.
    OSError
        If the file can't be opened.
    """
    with Path(path).open("rb") as file:
        try:
            return _read_archive(file)
        except _UnusableFile as error:
            raise ValueError(_describe(path, str(error))) from None
        except Exception as error:
            # zipfile, zlib and NumPy raise a dozen classes of exceptions for damage
            reason = "is damaged or incomplete; it can't be read"
            raise ValueError(_describe(path, reason)) from error


def _describe(path: str | os.PathLike[str], reason: str) -> str:
    return f"The file {str(path)!r} {reason}."


def _collect_params(model: NMF) -> tuple[dict[str, Any], list[str]]:
    """Return the parameters as JSON takes them, and the names of those stored as None."""
    params: dict[str, Any] = {}
    left_out: list[str] = []
    for name, value in model.get_params(deep=False).items():
        plain = value.item() if isinstance(value, np.generic) else value
        plain = os.fspath(plain) if isinstance(plain, os.PathLike) else plain
        if plain is None or isinstance(plain, bool | int | float | str):
            params[name] = plain
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
    return params, left_out


def _split_attributes(model: NMF) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the fitted attributes that go into the header, and those that are members."""
    scalars: dict[str, Any] = {}
    arrays: dict[str, NDArray[Any]] = {}
    for name, value in vars(model).items():
        if not _ATTRIBUTE.fullmatch(name):
            continue
        if name == _NAMES:
            arrays[name] = _to_json(name, [str(feature) for feature in value])
        elif name == _HISTORY:
            arrays |= {f"{name}.{key}": np.asarray(value[key]) for key in value}
        elif isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            arrays[name] = value
        else:
            plain = value.item() if isinstance(value, np.generic) else value
            if plain is not None and not isinstance(plain, bool | int | float | str):
                msg = f"The attribute {name} of type {type(value).__name__} can't be "
                msg += "stored in a model file."
                raise ValueError(msg)
            scalars[name] = plain
    return scalars, arrays


def _to_json(what: str, value: Any) -> NDArray[np.uint8]:
    """Return the bytes of the JSON text of a value, as an array."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError) as error:
        msg = f"Can't store {what} in a model file: {error}."
        raise ValueError(msg) from None
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _from_json(array: NDArray[Any]) -> Any:
    return json.loads(array.astype(np.uint8, casting="no").tobytes())


def _read_archive(file: IO[bytes]) -> Contents:
    """Read the header and the arrays of an open file, and check that they are complete."""
    if not zipfile.is_zipfile(file):
        # an archive that is cut off still has its beginning
        file.seek(0)
        if file.read(4) == b"PK\x03\x04":
            msg = "is damaged or incomplete; it can't be read"
            raise _UnusableFile(msg)
        msg = "is not a model of nonneg"
        raise _UnusableFile(msg)
    with zipfile.ZipFile(file) as archive:
        members = {name.removesuffix(".npy"): name for name in archive.namelist()}
        if _HEADER not in members:
            msg = "is not a model of nonneg"
            raise _UnusableFile(msg)
        if archive.testzip() is not None or len(members) < len(archive.namelist()):
            msg = "is damaged; its checksums don't match"
            raise _UnusableFile(msg)
        header = _parse_header(_read_member(archive, members.pop(_HEADER)))
        if sorted(members) != header["members"]:
            msg = "is damaged; members are missing"
            raise _UnusableFile(msg)
        arrays = {key: _read_member(archive, name) for key, name in members.items()}
    return Contents(header, _assemble(arrays))


def _read_member(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(name) as member:
        array: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
    return array


def _parse_header(array: NDArray[Any]) -> dict[str, Any]:
    """Return the header; refuse a format that this version can't read."""
    header = _from_json(array)
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        msg = "is not a model of nonneg"
        raise _UnusableFile(msg)
    number = header["format_version"]
    if type(number) is not int or number < 1:
        msg = f"is damaged: its format version is {number!r}"
        raise _UnusableFile(msg)
    if number > FORMAT_VERSION:
        msg = (
            f"has format version {number}, written by nonneg "
            f"{header.get('nonneg_version')}; this one reads up to {FORMAT_VERSION}, "
            "so install a newer nonneg"
        )
        raise _UnusableFile(msg)
    if header["class"] not in MODELS:
        msg = f"holds a {header['class']!r}; known are {', '.join(MODELS)}"
        raise _UnusableFile(msg)
    for key in ("params", "attributes", "notes"):
        if not isinstance(header[key], dict):
            raise TypeError(key)
    return header


def _assemble(arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the attributes: names and history from their members, other arrays as read."""
    whole: dict[str, Any] = {}
    history: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        attribute, dot, column = name.partition(".")
        if attribute == _HISTORY and dot:
            history[column] = array
        elif name == _NAMES:
            whole[name] = np.array(_from_json(array), dtype=object)
        else:
            whole[name] = array
    if history:
        whole[_HISTORY] = history
    return whole


def _find_fault(model: NMF) -> str | None:
    """Return how the parts of a model contradict each other, or None."""
    for name in ("n_components_", "n_features_in_", "n_iter_"):
        number = vars(model)[name]
        if isinstance(number, bool) or not isinstance(number, int | np.integer):
            return f"its {name} is {number!r}"
    history = vars(model)[_HISTORY]
    if len({len(np.atleast_1d(column)) for column in history.values()}) > 1:
        return "the columns of its history are not equally long"
    H = model.components_
    shape = (model.n_components_, model.n_features_in_)
    if H.dtype not in (np.float32, np.float64) or H.shape != shape:
        return (
            f"its components have shape {H.shape} and dtype {H.dtype}, not {shape} and "
            "float32 or float64"
        )
    if not all(math.isfinite(end) and end >= 0 for end in (H.min(), H.max())):
        return "its components are not all finite and non-negative"
    names = vars(model).get(_NAMES)
    if names is not None and np.shape(names) != (H.shape[1],):
        return f"it has {H.shape[1]} features, but {np.size(names)} names"
    return None
