"""Model files of the commands: which kinds of models a command can use."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias, TypeVar

from ..estimators.minibatch_nmf import MiniBatchNMF
from ..estimators.nmf import NMF
from ..estimators.symmetric_nmf import SymmetricNMF
from ..io.model_files import Model, load

FactorModel: TypeAlias = NMF | MiniBatchNMF
MatrixModel: TypeAlias = NMF | MiniBatchNMF | SymmetricNMF

Kind = TypeVar("Kind", bound=Model)


def load_factor_model(path: Path, command: str) -> FactorModel:
    """Load a model X ≈ W·H.

    Raises
    ------
    ValueError
        If the file holds another model, or none.
    """
    model = load(path)
    if isinstance(model, NMF | MiniBatchNMF):
        return model
    raise ValueError(_describe_kind(path, model, command))


def load_matrix_model(path: Path, command: str) -> MatrixModel:
    """Load a model that transforms one matrix.

    Raises
    ------
    ValueError
        If the file holds a model of several data sets, or none.
    """
    model = load(path)
    if isinstance(model, NMF | MiniBatchNMF | SymmetricNMF):
        return model
    raise ValueError(_describe_kind(path, model, command))


def _describe_kind(path: Path, model: Model, command: str) -> str:
    return (
        f"{str(path)!r} holds a {type(model).__name__}, which nonneg {command} can't use. "
        "Load it in Python by nonneg.load; nonneg info shows what it holds."
    )
