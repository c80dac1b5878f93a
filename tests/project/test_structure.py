"""The tests mirror the packages, share helpers through `support`, and use no private member."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.paths import ROOT

TESTS = ROOT / "tests"
FILES = sorted(TESTS.rglob("*.py"))
SOURCE = ROOT / "src" / "nonneg"
OF_NO_PACKAGE = {
    "core": "programs that test the compiled core without Python",
    "data": "recorded results",
    "parity": "results beside those of scikit-learn and of the original",
    "project": "the repository itself: layers, pages, examples, benchmarks",
    "support": "helpers",
    "toys": "plug-ins that docs/extending.md shows",
}
"""Folders of tests that stand for no package."""
FACADES = {"plugins"}
"""Packages without anything of their own to test."""

FOREIGN = {
    "_beta_divergence": "scikit-learn's",
    "_cache": "set on a model as a user might",
    "_exit": "of os",
    "_fields": "of a named tuple",
    "_initialize_nmf": "scikit-learn's",
    "_nmf": "scikit-learn's",
    "_param_validation": "scikit-learn's",
    "_rand": "NumPy's global stream",
    "_repr_html_": "of notebooks",
    "_replace": "of a named tuple",
}
"""Private names of others that tests may use, and whose they are."""
OURS = {"_core": "the extension module, which has no other name"}


def name_of(path: Path) -> str:
    return path.relative_to(TESTS).as_posix()


def test_folders_mirror_the_packages():
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")} - FACADES
    folders = {path.relative_to(TESTS).parts[0] for path in TESTS.glob("*/*")}
    assert packages <= folders
    assert folders - packages - {"__pycache__"} <= OF_NO_PACKAGE.keys()
    assert {path.name for path in TESTS.glob("*.py")} == {"conftest.py"}


def private_names(tree: ast.Module) -> Iterator[str]:
    """Private names that are imported, asked of an object, or patched by name."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Attribute):
            if not (
                isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            ):
                names = [node.attr]
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or "").split(".")
            names = [*module, *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("attr"):
            texts = [a.value for a in node.args if isinstance(a, ast.Constant)]
            names = [n for t in texts if isinstance(t, str) for n in t.split(".")]
        yield from (n for n in names if n.startswith("_") and not n.startswith("__"))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_private_member_of_ours_is_used(path):
    used = set(private_names(ast.parse(path.read_text(encoding="utf-8"))))
    assert not used - FOREIGN.keys() - OURS.keys()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_helpers_come_from_support(path):
    """A test file imports no other one: what two of them need is in `support`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            module = node.module or ""
            assert not any(part.startswith("test_") for part in module.split("."))
            assert module.partition(".")[0] not in {"tests", "conftest"}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("from a import _b", ["_b"]),
        ("x.y._z", ["_z"]),
        ("monkeypatch.setattr(x, '_y', 1)", ["_y"]),
        ("monkeypatch.setattr('a._b.c', 1)", ["_b"]),
        ("self._x", []),
        ("x.__name__", []),
    ],
)
def test_private_names_are_found(source, names):
    assert list(private_names(ast.parse(source))) == names
