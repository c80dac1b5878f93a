"""Documents of the demonstration: the documentation strings of Python source files."""

from __future__ import annotations

import ast
import os
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..io.readers import Table

LEFT_OUT = frozenset(
    [
        "test",
        "tests",
        "idlelib",
        "lib2to3",
        "site-packages",
        "dist-packages",
        "ensurepip",
        "turtledemo",
        "pydoc_data",
        "__pycache__",
    ]
)
"""Folders of the standard library whose strings do not document it."""

COMMON_WORDS = [
    "return",
    "returns",
    "returned",
    "returning",
    "true",
    "false",
    "self",
    "none",
    "args",
    "arg",
    "kwargs",
    "argument",
    "arguments",
    "default",
    "defaults",
    "used",
    "use",
    "uses",
    "using",
    "given",
    "specified",
    "set",
    "method",
    "function",
    "called",
    "calls",
    "call",
    "object",
    "objects",
    "class",
    "instance",
    "value",
    "values",
    "optional",
    "parameter",
    "parameters",
    "raises",
    "raise",
    "raised",
    "example",
    "note",
    "does",
    "doesn",
    "don",
    "isn",
    "like",
    "new",
    "python",
    "contains",
    "following",
    "just",
    "way",
    "case",
    "possible",
]
"""Words that are common in any documentation of code."""


def collect_docstrings(
    folder: str | os.PathLike[str] | None = None, min_characters: int = 200
) -> tuple[list[str], list[str]]:
    """Collect the documentation strings of the Python source files in a folder.

    The files are parsed, never run. Lines of examples (>>> and ...) are removed. Only the
    first of equal texts is kept.

    Parameters
    ----------
    folder : str or path-like, default=None
        The folder; None takes the standard library of the running Python.
    min_characters : int, default=200
        Smallest length of a text.

    Returns
    -------
    texts : list of str
        Texts in the order of the names of the files, then of their lines.
    names : list of str
        Dotted names of their modules, classes or functions.

    Raises
    ------
    FileNotFoundError
        If no text is left.
    """
    root = Path(folder or sysconfig.get_paths()["stdlib"])
    name_of_text: dict[str, str] = {}
    for path in _find_source_files(root):
        module = ".".join(path.relative_to(root).with_suffix("").parts)
        for name, text in _read_docstrings(path, module.removesuffix(".__init__")):
            if len(text) >= min_characters:
                name_of_text.setdefault(text, name)
    if not name_of_text:
        msg = f"No Python source files with documentation strings in {str(root)!r}."
        raise FileNotFoundError(msg)
    return list(name_of_text), list(name_of_text.values())


def _find_source_files(root: Path) -> Iterator[Path]:
    """Yield the Python files below a folder, in an order that the disk does not decide."""
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = sorted(set(subfolders) - LEFT_OUT)
        yield from (
            Path(folder, name) for name in sorted(files) if name.endswith(".py")
        )


def _read_docstrings(path: Path, module: str) -> Iterator[tuple[str, str]]:
    """Yield names and documentation strings of a file, in the order of its lines."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes in strings
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    waiting: list[tuple[Any, str]] = [(tree, module)]
    while waiting:
        node, name = waiting.pop(0)
        lines = (ast.get_docstring(node) or "").splitlines()
        text = "\n".join(
            line for line in lines if not line.lstrip().startswith((">>>", "..."))
        )
        yield name, text
        kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        inner = [child for child in node.body if isinstance(child, kinds)]
        waiting[:0] = [(child, f"{name}.{child.name}") for child in inner]


def build_document_table(texts: list[str], names: list[str]) -> Table:
    """Count words in texts and weight them by tf-idf.

    Parameters
    ----------
    texts, names : lists of str
        Texts and names from `collect_docstrings`.

    Returns
    -------
    table : Table
        Table of a CSR matrix of shape (n_texts, n_words).
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

    vectorizer = TfidfVectorizer(
        token_pattern=r"\b[a-z]{3,}\b",
        stop_words=sorted(ENGLISH_STOP_WORDS.union(COMMON_WORDS)),
        min_df=5,
        max_df=0.1,
        sublinear_tf=True,
    )
    X = vectorizer.fit_transform(texts)
    return Table(X, names, vectorizer.get_feature_names_out().tolist())
