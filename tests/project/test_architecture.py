"""The order of the layers, sizes of files and functions, and what may be imported where."""

from __future__ import annotations

import ast
import importlib
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.children import printed_by
from support.paths import ROOT

SOURCE = ROOT / "src" / "nonneg"
FILES = sorted(SOURCE.rglob("*.py"))

RANKS = [
    ("base",),
    ("kernels",),
    ("stores",),
    ("operands",),
    ("solvers", "losses", "constraints"),
    ("least_squares", "initialization"),
    ("fitting",),
    ("estimators", "plugins"),
    ("analysis", "io"),
    ("selection", "reporting"),
    ("cli",),
]
"""Packages, lowest rank first; those of one rank don't import each other. The drawing in
CONTRIBUTING.md is held equal to this list."""
MODULES = {"__init__", "__main__", "anndata", "config"}
"""The only modules beside the packages; they may import from all of these."""

RANK = {name: rank for rank, row in enumerate(RANKS) for name in row} | {"_core": -1}
REQUIRED = {"numpy", "scipy", "sklearn", "threadpoolctl", "nonneg"}
"""What may be imported at module level besides the standard library."""
COMMAND_LINE = {
    "cli/commands",
    "cli/constraint_options",
    "cli/info_command",
    "cli/report_command",
    "cli/selection_commands",
    "cli/options",
    "cli/progress",
    "cli/errors",
    "cli/terminal",
}
EXTRA = {f"{name}.py": {"rich", "typer"} for name in COMMAND_LINE}
LAZY = {
    "analysis",
    "anndata",
    "cli",
    "constraints",
    "io",
    "least_squares.normal_equations",
    "least_squares.scipy_fallback",
    "least_squares.solve",
    "plugins",
    "reporting",
    "selection",
}
"""What `import nonneg` must not load: a package stands for all that is in it."""


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def package_of(path: Path) -> str:
    """The first component below the package `nonneg`."""
    return path.relative_to(SOURCE).with_suffix("").parts[0]


def dotted(path: Path) -> str:
    """Name of a file's module below `nonneg`; a package's is that of its folder."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def at_import_time(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements that run when the module is imported, type-checking blocks left out."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting.extend(node.orelse)
            continue
        if isinstance(node, ast.stmt):
            yield node
        waiting.extend(ast.iter_child_nodes(node))


def imported(node: ast.AST, path: Path) -> Iterator[str]:
    """Absolute dotted names that an import statement asks for."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            folder = path.parent.relative_to(SOURCE.parent).parts
            above = folder[: len(folder) - (node.level - 1)]
            base = ".".join([*above, *filter(None, [base])])
        for alias in node.names:
            yield f"{base}.{alias.name}"


def our_packages(nodes: Iterator[ast.AST], path: Path) -> set[str]:
    """Packages of ours that the statements import from; "" is `nonneg` itself.

    The version, which any of them may ask for, is not counted.
    """
    found = set()
    for node in nodes:
        for name in imported(node, path):
            root, _, rest = name.partition(".")
            if root == "nonneg" and rest != "__version__":
                first = rest.partition(".")[0]
                found.add(first if first in RANK else "")
    return found


def our_modules(nodes: Iterator[ast.AST], path: Path) -> set[str]:
    """Modules of ours, below `nonneg`, that the statements import."""
    found = set()
    for node in nodes:
        for name in imported(node, path):
            root, _, rest = name.partition(".")
            while root == "nonneg" and rest and rest not in NAMES:
                rest = rest.rpartition(".")[0]
            if root == "nonneg" and rest:
                found.add(rest)
    return found


NAMES = {dotted(path) for path in FILES} - {""}


def test_the_house_has_few_rooms():
    rooms = {p.name for p in SOURCE.iterdir() if p.is_dir()} - {"__pycache__"}
    assert rooms == {name for row in RANKS for name in row}
    assert {p.stem for p in SOURCE.glob("*.py")} == MODULES
    assert len(rooms) + len(MODULES) <= 21
    assert len(RANKS) <= 11


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_go_down(path):
    package = package_of(path)
    if package in MODULES:
        return
    used = our_packages(ast.walk(parse(path)), path) - {package}
    assert "" not in used, "import from the module that has it, not from the package"
    upward = {name for name in used - {""} if RANK[name] >= RANK[package]}
    assert not upward, f"{package} is below or beside {sorted(upward)}"


def test_modules_make_no_circle():
    """Also where an import is inside a function: one of two needs a third below both."""
    below = {
        dotted(path): our_modules(ast.walk(parse(path)), path) - {dotted(path)}
        for path in FILES
        if dotted(path)
    }
    while free := {name for name, used in below.items() if not used & below.keys()}:
        below = {name: used for name, used in below.items() if name not in free}
    # what only leads to a circle is in none
    while True:
        wanted = {name for used in below.values() for name in used}
        if below.keys() <= wanted:
            break
        below = {name: used for name, used in below.items() if name in wanted}
    assert not below


def test_the_drawing_is_that_of_the_ranks():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    drawing = text.split("```text\n")[1].split("```")[0].splitlines()
    assert len(drawing) <= 12
    names = [tuple(line[:30].split()) for line in drawing]
    assert names == list(reversed(RANKS))


CORE = ("kernels", "drivers", "binding")
"""Folders of the compiled core, lowest first."""
NOT_IN_KERNELS = re.compile(
    r"<(thread|mutex|atomic|condition_variable)>|nanobind|Python"
)


@pytest.mark.parametrize("folder", CORE)
def test_the_core_includes_downwards(folder):
    """A kernel knows neither threads nor Python, a driver not Python."""
    below = CORE[: CORE.index(folder) + 1]
    for path in (ROOT / "src" / "core" / folder).iterdir():
        names = re.findall(r"^#include (.+)$", path.read_text("utf-8"), re.MULTILINE)
        ours = {name.strip('"').partition("/")[0] for name in names if '"' in name}
        assert ours <= set(below), path.name
        if folder == "kernels":
            assert not [name for name in names if NOT_IN_KERNELS.search(name)], (
                path.name
            )
        if folder != "binding":
            assert not [name for name in names if "nanobind" in name], path.name


def calls(tree: ast.Module, *names: str) -> int:
    return sum(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in names
        for node in ast.walk(tree)
    )


def test_capabilities_are_declared():
    """What our own objects can do is in their base classes; these are for foreign ones."""
    asked = sum(calls(parse(path), "getattr", "hasattr") for path in FILES)
    assert asked <= 45
    ignored = sum(path.read_text("utf-8").count("# type: ignore") for path in FILES)
    assert ignored <= 15


BRANCHES = (ast.If, ast.IfExp, ast.For, ast.While, ast.ExceptHandler, ast.BoolOp)


@pytest.mark.parametrize("path", sorted(SOURCE.glob("fitting/**/*.py")), ids=name_of)
def test_fitting_decides_in_small_steps(path):
    many = {}
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.FunctionDef):
            branches = sum(isinstance(n, BRANCHES) for n in ast.walk(node))
            if branches > 12:
                many[node.name] = branches
    assert not many


OPTIONAL = {
    "anndata", "dask", "h5py", "jinja2", "matplotlib", "pandas", "polars", "pyarrow", "rich",
    "torch", "typer", "zarr",
}  # fmt: skip


def in_lazy(name: str) -> bool:
    return any(name == lazy or name.startswith(f"{lazy}.") for lazy in LAZY)


def test_the_package_loads_only_what_every_fit_needs():
    path = SOURCE / "__init__.py"
    at_once = our_modules(at_import_time(parse(path)), path)
    assert not {name for name in at_once if in_lazy(name)}
    code = (
        # scikit-learn itself loads pandas where it is installed
        "import sys, sklearn.decomposition; before = set(sys.modules); import nonneg; "
        "print(*(set(sys.modules) - before))"
    )
    loaded = set(printed_by(code))
    assert not {name for name in loaded if in_lazy(name.removeprefix("nonneg."))}
    assert not {name for name in loaded if name.partition(".")[0] in OPTIONAL}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_optional_dependency_at_module_level(path):
    allowed = REQUIRED | set(sys.stdlib_module_names) | EXTRA.get(name_of(path), set())
    used = {
        name.partition(".")[0]
        for node in at_import_time(parse(path))
        for name in imported(node, path)
    }
    assert used <= allowed


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_and_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    long = {
        node.name: node.end_lineno - node.lineno + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - _first_line(node) + 1 > 60
    }
    assert not long


def _first_line(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Line before the first statement: signature and docstring don't count."""
    body = node.body
    if ast.get_docstring(node) is None:
        return body[0].lineno
    return body[1].lineno if len(body) > 1 else node.end_lineno or node.lineno


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_file_says_what_it_is_for(path):
    docstring = ast.get_docstring(parse(path))
    assert docstring
    first = docstring.partition("\n\n")[0]
    assert "\n" not in first
    assert first.endswith(".")


VAGUE = {"at", "found", "given", "how", "look", "own"}
"""Names that don't tell what they hold."""
FOREIGN = {"np.add.at"}
"""Vague names that belong to other packages."""


def vague_names(source: str) -> dict[int, str]:
    """Vague names by line; words in comments and strings don't count."""
    for name in FOREIGN:
        source = source.replace(f"{name}(", "foreign(")
    return {
        token.start[0]: token.string
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.NAME and token.string in VAGUE
    }


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_names_name_the_thing(path):
    assert not vague_names(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("total = 1\nfound = total", {2: "found"}),
        ("def solve(rhs, how=None): pass", {1: "how"}),
        ("rows.at", {1: "at"}),
        ("counts.add.at(rows, 1)", {1: "at"}),
        ("np.add.at(counts, rows, 1)", {}),
        ("message = 'found at'  # how", {}),
        ("own_rows, look_through = 1, 2", {}),
    ],
)
def test_vague_names_are_found(source, lines):
    assert vague_names(source) == lines


def names_used(path: Path) -> set[str]:
    """Identifiers, and string literals that are one word: docstrings and comments are not."""
    found = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.alias):
            found.update(node.name.split("."))
    return {name.lower() for name in found}


def test_the_loop_knows_no_solver_loss_or_storage():
    from nonneg.losses.registry import losses
    from nonneg.solvers.registry import solvers

    names = {*solvers, *losses, "sparse", "dense", "csr", "dask", "torch", "scipy"}
    assert names_used(SOURCE / "fitting" / "loop.py").isdisjoint(names)


@pytest.mark.parametrize("layer", ["losses", "solvers"])
def test_registered_names_appear_in_their_own_file_only(layer):
    """A solver or loss registered elsewhere would be edited in two places."""
    registry = getattr(importlib.import_module(f"nonneg.{layer}.registry"), layer)
    for name in registry:
        home = Path(*registry[name].__module__.split(".")[1:]).with_suffix(".py")
        entering = f'@{layer}.register("{name}")'
        holders = [p for p in FILES if entering in p.read_text(encoding="utf-8")]
        assert [name_of(p) for p in holders] == [home.as_posix()]


@pytest.mark.parametrize(
    ("source", "packages"),
    [
        ("from ..estimators.nmf import NMF", {"estimators"}),
        ("from ..fitting import loop", {"fitting"}),
        ("from .quadratic_steps import RowSolve", {"kernels"}),
        ("from . import reference", {"kernels"}),
        ("import nonneg.cli", {"cli"}),
        ("from nonneg import NMF", {""}),
        ("from .. import __version__", set()),
        ("def f():\n    from ..fitting.loop import run", {"fitting"}),
    ],
)
def test_imports_are_resolved(source, packages):
    path = SOURCE / "kernels" / "example.py"
    assert our_packages(ast.walk(ast.parse(source)), path) == packages


def test_imports_inside_functions_are_lazy():
    source = """
try:
    import one
except ImportError:
    import two
class C:
    import three
if TYPE_CHECKING:
    import four
def f():
    import five
"""
    path = SOURCE / "example.py"
    nodes = at_import_time(ast.parse(source))
    found = {name for node in nodes for name in imported(node, path)}
    assert found == {"one", "two", "three"}
