"""Sphinx's configuration of the documentation site, which `make docs` builds.

The source folder is the root of the repository and this one only holds the configuration,
so that links between pages are the same paths on the site and on a forge.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nonneg

project = "nonneg"
author = "The nonneg developers"
copyright = author
version = release = nonneg.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
]
root_doc = "docs/home"
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
include_patterns = [
    "*.md",
    "docs/*.md",
    "docs/*.rst",
    "docs/api/**.rst",
    "benchmarks/*.md",
    "benchmarks/results/README.md",
    "examples/README.md",
]
exclude_patterns = [".*", "build", "dist", "src", "tests", "tools", "benchmarks/data"]
templates_path = [str(Path(__file__).with_name("_templates"))]
nitpicky = True
nitpick_ignore_regex = [
    # other projects' names, which would need their inventories and so the network
    ("py:.*", r"(collections|numpy|scipy|sklearn)\..*"),
    # types inside the alias HalfStepProgram that are not public
    ("py:class", r"nonneg\.(kernels|solvers)\..*"),
]

myst_heading_anchors = 4

default_role = "code"
smartquotes = False  # values are copied from the pages
autosummary_generate = True
autodoc_typehints = "none"  # the sections on parameters say them
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True

html_theme = "pydata_sphinx_theme"
html_title = f"nonneg {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "nonneg"},
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
html_sidebars = {"docs/home": []}

HOME = '<!doctype html><meta http-equiv="refresh" content="0; url=docs/home.html">\n'


def lead_home(app: Any, error: Exception | None) -> None:
    """Write the page at the root of the site, which leads to the home page."""
    if error is None and app.builder.format == "html":
        Path(app.outdir, "index.html").write_text(HOME, encoding="utf-8")


def skip_inherited(
    app: Any, kind: str, name: str, member: Any, skip: bool, options: Any
) -> bool | None:
    """Leave out the methods that scikit-learn documents, with links into its pages."""
    theirs = str(getattr(member, "__module__", "")).startswith("sklearn.")
    return True if theirs else None


def setup(app: Any) -> None:
    """Connect what is done beside Sphinx's own work."""
    app.connect("autodoc-skip-member", skip_inherited)
    app.connect("build-finished", lead_home)
