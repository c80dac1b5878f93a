"""The order of the layers, sizes of files and functions, and what may be imported where."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "nonneg"
FILES = sorted(SOURCE.rglob("*.py"))

LAYERS = [
    {"_core", "protocols", "registry", "result", "threads"},
    {"orthogonal", "penalties", "sizes", "states", "validation"},
    {"snapshots"},
    {"parameters"},
    {"batch_parameters"},
    {"kernels"},
    {"config", "operands"},
    {"stores"},
    {"fixed", "losses", "updaters"},
    {"budget", "checkpoints", "normal_equations", "reconstruction"},
    {"choice"},
    {"loop"},
    {"one_by_one"},
    {"drawing"},
    {"initialization", "least_squares", "projected_gradient"},
    {"starts"},
    {"preparation"},
    {"factorization"},
    {"online", "rowwise", "streams"},
    {"estimator_base"},
    {"estimators", "minibatch", "topics"},
    {"report", "textfiles", "writers"},
    {"persistence", "readers"},
    {"clusters", "corpora", "opening", "plotting"},
    {"demo", "jobs", "options", "progress", "shell"},
    {"commands"},
    {"cli"},
    {"__main__"},
]
"""Lowest first; modules of one set don't import each other. A new module is
entered here, and in the drawing of the layers in CONTRIBUTING.md."""

RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
REQUIRED = {"numpy", "scipy", "sklearn", "threadpoolctl", "nonneg"}
"""What may be imported at module level besides the standard library."""
COMMAND_LINE = {"cli", "commands", "options", "progress", "shell"}
EXTRA = {f"{name}.py": {"rich", "typer"} for name in COMMAND_LINE}
SOLVES = {"least_squares", "normal_equations", "one_by_one"}
"""What only `nnls` needs."""
ON_DEMAND = {
    "clusters",
    "corpora",
    "demo",
    "jobs",
    "opening",
    "plotting",
    "readers",
    "report",
    "topics",
}
LAZY = COMMAND_LINE | ON_DEMAND | SOLVES
"""Modules that `import nonneg` must not load."""


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def module_of(path: Path) -> str:
    """The layer that a file belongs to: the first component below the package."""
    return path.relative_to(SOURCE).with_suffix("").parts[0]


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


def our_modules(nodes: Iterator[ast.AST], path: Path) -> set[str]:
    """Layers of ours that the statements import from; "" is the package itself.

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


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_module_has_a_layer(path):
    module = module_of(path)
    assert module in RANK or module == "__init__", (
        f"Enter {module!r} into LAYERS at the height of what it imports."
    )


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_go_down(path):
    module = module_of(path)
    if module == "__init__":
        return
    used = our_modules(ast.walk(parse(path)), path) - {module}
    assert "" not in used, "import from the module that has it, not from the package"
    upward = {name for name in used - {""} if RANK[name] >= RANK[module]}
    assert not upward, f"{module} is below or beside {sorted(upward)}"


def test_the_package_loads_only_what_every_fit_needs():
    path = SOURCE / "__init__.py"
    assert our_modules(at_import_time(parse(path)), path).isdisjoint(LAZY)
    code = (
        # scikit-learn itself loads pandas where it is installed
        "import sys, sklearn.decomposition; before = set(sys.modules); import nonneg; "
        "print(*sorted(m for m in set(sys.modules) - before if m.split('.')[0] in {'matplotlib','typer','rich','pandas','polars',"
        "'pyarrow','dask','torch','h5py','zarr','anndata'} or m in "
        f"{ {'nonneg.' + name for name in LAZY}!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []


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


def words(path: Path) -> set[str]:
    """Identifiers and words of string literals, docstrings among them."""
    tree = parse(path)
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.update(node.value.replace("`", " ").split())
        elif isinstance(node, ast.alias):
            found.update(node.name.split("."))
    return {word.lower() for word in found}


def test_the_loop_knows_no_solver_loss_or_storage():
    from nonneg.losses import losses
    from nonneg.updaters import updaters

    names = {*updaters, *losses, "sparse", "dense", "csr", "dask", "torch", "scipy"}
    assert words(SOURCE / "loop.py").isdisjoint(names)


@pytest.mark.parametrize("layer", ["losses", "updaters"])
def test_registered_names_appear_in_their_own_file_only(layer):
    """A solver or loss registered elsewhere would be edited in two places."""
    registry = getattr(__import__(f"nonneg.{layer}", fromlist=[layer]), layer)
    for name in registry:
        home = Path(*registry[name].__module__.split(".")[1:]).with_suffix(".py")
        entering = f'@{layer}.register("{name}")'
        holders = [p for p in FILES if entering in p.read_text(encoding="utf-8")]
        assert [name_of(p) for p in holders] == [home.as_posix()]


@pytest.mark.parametrize(
    ("source", "layers"),
    [
        ("from ..estimators import NMF", {"estimators"}),
        ("from .. import loop", {"loop"}),
        ("from .steps import RowSolve", {"kernels"}),
        ("from . import reference", {"kernels"}),
        ("import nonneg.cli", {"cli"}),
        ("from nonneg import NMF", {""}),
        ("from .. import __version__", set()),
        ("def f():\n    from ..loop import run", {"loop"}),
    ],
)
def test_imports_are_resolved(source, layers):
    path = SOURCE / "kernels" / "example.py"
    assert our_modules(ast.walk(ast.parse(source)), path) == layers


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
