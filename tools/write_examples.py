"""Write the tables of examples/README.md from the examples' own titles and first sentences."""

from __future__ import annotations

import ast
import re
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
INTRODUCTION = """# Examples

Each file runs by itself and makes its data, or takes those that scikit-learn brings along.
`make docs` builds a gallery of them, with their pictures.
"""


def row(name: str) -> str:
    """Return the line of an example."""
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    title, rest = (ast.get_docstring(ast.parse(text)) or "").split("\n", 1)
    paragraph = rest.split("\n\n")[1].replace("\n", " ").replace("``", "`")
    sentence = re.split(r"(?<=[a-z`0-9][.?]) ", paragraph)[0]
    return f"| [{name}.py]({name}.py) | {title} | {sentence} |\n"


def page() -> str:
    """Return the page, in the order of the gallery."""
    index = (EXAMPLES / "index.rst").read_text(encoding="utf-8")
    names = re.findall(r"^   (\w+)$", index, re.MULTILINE)
    head = "| file | title | shows |\n| --- | --- | --- |\n"
    parts = [INTRODUCTION]
    for title, drawn in (("With pictures", True), ("Without pictures", False)):
        rows = [row(n) for n in names if n.startswith("plot_") == drawn]
        parts.append(f"\n## {title}\n\n{head}{''.join(rows)}")
    return "".join(parts)


if __name__ == "__main__":
    (EXAMPLES / "README.md").write_text(page(), encoding="utf-8")
