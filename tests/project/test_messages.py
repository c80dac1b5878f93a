"""Every message of the package is a sentence about what was given, in words of its users."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from support.paths import ROOT

SOURCE = ROOT / "src" / "nonneg"
HOLE = "{}"
"""What stands for a value in a text."""
ENDS_OF_SENTENCES = {"RefusedFile", "UnusableFile", "DamagedError"}
"""Exceptions whose texts end a sentence that begins with the name of a file."""
TOLD_BY_CALLERS = {
    "base/gate.py", "base/plain_archives.py", "fitting/checkpoints/files.py",
    "fitting/checkpoints/state_tree.py", "io/model_constraints.py",
    "stores/market_lines.py", "stores/matrix_market.py", "stores/mapped.py",
    "stores/hdf5.py", "operands/dask/worker_files.py", "operands/streamed/disk_rows.py",
}  # fmt: skip
"""Files some of whose texts become a part of a sentence in the same package."""
INTERNAL = re.compile(
    r"\b(Ht|_core|operand|half.step|noqa|todo|None object|self)\b", re.IGNORECASE
)
"""Words of the code alone."""
SUBJECT = re.compile(
    r"\{\}|`|=|--|\b[XWHAB]\b|\b\w+_\w+\b|pip install|[A-Z]\w+[A-Z]"
    r"|document|stream|history|model|matrix|columns|[Rr]ows|graph|cells"
)
"""What a message can be about: a value, a parameter, an option, a matrix, a class."""


def words(node: ast.expr, names: dict[str, str]) -> str | None:
    """The text of an expression with holes for values, or None."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else HOLE
            for part in node.values
        )
    if isinstance(node, ast.BinOp):
        sides = [words(side, names) for side in (node.left, node.right)]
        return "".join(HOLE if side is None else side for side in sides)
    return names.get(node.id) if isinstance(node, ast.Name) else None


def messages() -> Iterator[tuple[str, str, str]]:
    """Yield the place, the class and the text of each exception and warning."""
    for path in sorted(SOURCE.rglob("*.py")):
        place = path.relative_to(SOURCE).as_posix()
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            names: dict[str, str] = {}
            nodes = [node for node in ast.walk(function) if hasattr(node, "lineno")]
            for node in sorted(nodes, key=lambda n: (n.lineno, n.col_offset)):
                if isinstance(node, ast.Assign) and isinstance(
                    node.targets[0], ast.Name
                ):
                    text = words(node.value, names)
                    names.pop(node.targets[0].id, None)
                    if text is not None:
                        names[node.targets[0].id] = text
                elif (
                    isinstance(node, ast.AugAssign)
                    and isinstance(node.target, ast.Name)
                    and node.target.id in names
                ):
                    names[node.target.id] += words(node.value, names) or HOLE
                call = node.exc if isinstance(node, ast.Raise) else node
                if not isinstance(call, ast.Call) or not call.args:
                    continue
                name = vars(call.func).get("attr", vars(call.func).get("id", ""))
                kind, warns = str(name), name == "warn"
                if not isinstance(node, ast.Raise) and not warns:
                    continue
                text = words(call.args[0], names)
                if text is not None:
                    yield f"{place}:{node.lineno}", "warning" if warns else kind, text


ALL = {place: (kind, text) for place, kind, text in messages()}


def is_part(place: str, kind: str) -> bool:
    return kind in ENDS_OF_SENTENCES or place.partition(":")[0] in TOLD_BY_CALLERS


def test_messages_are_found():
    """Those that functions return are not among them; tests of what raises them look there."""
    assert len(ALL) > 250
    assert sum(kind == "warning" for kind, _ in ALL.values()) > 5


@pytest.mark.parametrize("place", ALL)
def test_a_message_is_a_sentence_about_what_was_given(place):
    kind, text = ALL[place]
    assert not INTERNAL.search(text), text
    assert "\n" not in text
    if is_part(place, kind):
        return
    assert text.endswith((".", HOLE)), text
    assert len(text) >= 15 or text.startswith(HOLE), text
    assert SUBJECT.search(text), text
