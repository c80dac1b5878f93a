"""Lint of what the sources say: numpydoc of public names, plain openings, known ids.

Three checks, each of which prints a line per finding:

1. Public names have complete docstrings by numpydoc: parameters, order, sections.
2. A docstring, or a string below a constant, says itself what the thing is: it doesn't
   open with a word that leans on another text, nor refer to another docstring.
3. Each id of a measurement (`D-…`) in the sources has a section of its own in
   `benchmarks/decisions.md`, and each section there is named in the sources.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from numpydoc.validate import validate

import nonneg

ROOT = Path(__file__).resolve().parents[1]
CHECKS = {
    "GL06",  # unknown section
    "GL07",  # sections in the wrong order
    "GL08",  # no docstring
    "PR01",  # parameters not documented
    "PR02",  # documented, but no parameter
    "PR03",  # parameters in another order than the signature's
    "PR04",  # no type
    "PR07",  # no description
    "PR10",  # no space before the colon
    "RT01",  # no Returns section
    "SS02",  # summary begins with a small letter
    "SS03",  # summary ends without a period
}
UNDESCRIBED = {"X", "W", "H", "y", "random_state", "n_threads"}
"""Arguments of which the type says all, or that the class describes."""

PLAIN = ("src/nonneg", "tests/toys", "tools", "examples")
"""Folders whose docstrings are read for check 2."""
OPENING = re.compile(
    r"(What|How|Where|Why|Which|Who|Those|That|This|These|It|Its|They|Their|As|Of|One"
    r"|The same|Same|Such|Also|And|But|Or|So|Likewise|Ditto|Now|Then)\b(?!-)"
)
"""A noun in the place of the first word names the thing; these words don't."""
REFERENCE = re.compile(
    r"(?:^|[.:;] |\n)(?:The same (?:for|with|of|as|in|by|but|when|where)"
    r"|As above|See above|Likewise|Ditto)\b"
)
"""A sentence that can't be read without another docstring."""
IDS = re.compile(r"\bD-[A-Z0-9]+(?:-[A-Z0-9]+)*\b")
DECISIONS = ROOT / "benchmarks" / "decisions.md"


def public_names() -> Iterator[str]:
    """Dotted names of what the package exports, with the methods of its classes."""
    for name in nonneg.__all__:
        yield f"nonneg.{name}"
        value = getattr(nonneg, name)
        if inspect.isclass(value):
            methods = [m for m in vars(value) if not m.startswith("_")]
            yield from (f"nonneg.{name}.{method}" for method in methods)


def incomplete() -> Iterator[str]:
    """Findings of numpydoc for the public names."""
    for name in public_names():
        for code, message in validate(name)["errors"]:
            described = code != "PR07" or message.split('"')[1] not in UNDESCRIBED
            if code in CHECKS and described:
                yield f"{name}: {code} {message}"


def docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of each docstring, and of each string below an assignment."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        documented = isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        )
        before: ast.stmt | None = None
        for statement in body:
            if (
                isinstance(statement, ast.Expr)
                and isinstance(statement.value, ast.Constant)
                and isinstance(statement.value.value, str)
                and (
                    isinstance(before, ast.Assign | ast.AnnAssign)
                    or (before is None and documented)
                )
            ):
                yield statement.lineno, inspect.cleandoc(statement.value.value)
            before = statement


def leaning() -> Iterator[str]:
    """Docstrings that open with, or refer to, something outside themselves."""
    for folder in PLAIN:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            tree = ast.parse(path.read_text(encoding="utf-8"), filename=name)
            for line, text in docstrings(tree):
                if opening := OPENING.match(text):
                    yield f'{name}:{line}: opens with "{opening[0]}"'
                if reference := REFERENCE.search(text):
                    words = reference[0].strip(".:; \n")
                    yield f'{name}:{line}: refers to another text, "{words} …"'


def unrecorded() -> Iterator[str]:
    """Ids of measurements that only the sources or only the record of them name."""
    sources: dict[str, str] = {}
    for path in sorted((ROOT / "src").rglob("*")):
        if path.suffix in {".py", ".cpp", ".hpp", ".txt"}:
            for name in IDS.findall(path.read_text(encoding="utf-8")):
                sources.setdefault(name, path.relative_to(ROOT).as_posix())
    record = DECISIONS.read_text(encoding="utf-8")
    record = re.sub(r"^```.*?^```", "", record, flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^### (\S+)", record, re.MULTILINE)
    for name in sorted({h for h in headings if headings.count(h) > 1}):
        yield f"benchmarks/decisions.md: two sections {name}"
    for name in sorted(sources.keys() - set(headings)):
        yield f"{sources[name]}: {name} has no section in benchmarks/decisions.md"
    for name in sorted(set(headings) - sources.keys()):
        yield f"benchmarks/decisions.md: {name} is named nowhere in src"


def main() -> int:
    """Print what is wrong, one line each; the exit code says whether anything is."""
    wrong = [*incomplete(), *leaning(), *unrecorded()]
    print("\n".join(wrong) or "Docstrings are complete, plain, and their ids known.")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
