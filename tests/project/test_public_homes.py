"""Pages, examples and plug-ins use the public homes alone, and these have what they say."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.paths import ROOT

HOMES = {
    name: set(importlib.import_module(name).__all__)
    for name in (
        "nonneg",
        "nonneg.analysis",
        "nonneg.anndata",
        "nonneg.constraints",
        "nonneg.io",
        "nonneg.plugins",
        "nonneg.selection",
        "nonneg.stores",
    )
}
"""What may be imported from where."""
INSIDE = {"CONTRIBUTING.md", "CHANGELOG.md"}
"""Pages that also speak of what is not public."""
COMMANDS = {"nonneg.cli.demo"}
"""Modules to be run by `python -m`."""

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
SCRIPTS = sorted([*ROOT.glob("examples/*.py"), *ROOT.glob("tests/toys/*.py")])
FILES = [*PAGES, *SCRIPTS]
SOURCES = sorted((ROOT / "src").rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def programs(path: Path) -> Iterator[str]:
    """The Python in a file: a script is one program, a page has some in blocks."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield text
        return
    for block in re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        examples = doctest.DocTestParser().get_examples(block)
        yield "".join(one.source for one in examples) if examples else block


def not_public(program: str) -> Iterator[str]:
    """What a program imports, or asks of an imported package, that no home exports."""
    homes: dict[str, str] = {}
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in HOMES:
                    homes[alias.asname or alias.name] = alias.name
                elif alias.name.partition(".")[0] == "nonneg":
                    yield alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module.partition(".")[0] == "nonneg":
                exported = HOMES.get(node.module, set())
                names = [alias.name for alias in node.names]
                yield from (f"{node.module}.{n}" for n in names if n not in exported)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in homes:
            home = homes[ast.unparse(node.value)]
            name = f"{home}.{node.attr}"
            if node.attr not in HOMES[home] and name not in HOMES:
                yield name


def named_in(text: str) -> set[str]:
    """Dotted names of ours in a text."""
    return set(re.findall(r"(?<![\w./-])nonneg(?:\.[A-Za-z_]\w*)+(?![\w/])", text))


def is_public(name: str) -> bool:
    """Whether a dotted name is a home, or begins with what a home exports."""
    homes = [home for home in HOMES if name == home or name.startswith(f"{home}.")]
    home = max(homes, key=len)
    rest = name[len(home) + 1 :].partition(".")[0]
    return not rest or rest in HOMES[home]


@pytest.mark.parametrize("home", HOMES)
def test_a_home_has_what_it_exports(home):
    module = importlib.import_module(home)
    assert HOMES[home] <= set(dir(module))
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        module.no_such_name  # noqa: B018


@pytest.mark.parametrize("home", HOMES)
def test_no_module_has_the_name_of_something_exported(home):
    """Importing the module would put it in the place of a function that is lazy."""
    folder = Path(importlib.import_module(home).__file__).parent
    assert not HOMES[home] & {path.stem for path in folder.glob("*.py")}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_programs_import_from_public_homes_alone(path):
    assert not [name for program in programs(path) for name in not_public(program)]


@pytest.mark.parametrize(
    "path", [p for p in PAGES if p.name not in INSIDE], ids=name_of
)
def test_pages_name_public_things_alone(path):
    named = named_in(path.read_text(encoding="utf-8")) - COMMANDS
    assert not {name for name in named if not is_public(name)}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_messages_and_docstrings_name_public_things_alone(path):
    """A user who is told to call something finds it in a public home."""
    texts = [
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    named = {
        name for text in texts if "\n" in text or " " in text for name in named_in(text)
    }
    assert not {name for name in named - COMMANDS if not is_public(name)}


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("from nonneg import NMF, save", []),
        ("import nonneg\nnonneg.NMF(2)", []),
        ("from nonneg.stores import by_rows", []),
        ("import nonneg.io as files\nfiles.read_matrix('x')", []),
        ("from nonneg.stores.conversion import by_rows", ["nonneg.stores.conversion.by_rows"]),
        ("import nonneg.kernels", ["nonneg.kernels"]),
        ("import nonneg\nnonneg.kernels.gram(A)", ["nonneg.kernels"]),
        ("from nonneg import kernels", ["nonneg.kernels"]),
    ],
)  # fmt: skip
def test_what_is_not_public_is_found(program, found):
    assert list(not_public(program)) == found
