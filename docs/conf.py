"""Sphinx's configuration of the documentation site, which `make docs` builds.

The source folder is the root of the repository and this one only holds the configuration,
so that links between pages are the same paths on the site and on a forge.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import nonneg

sys.path.insert(0, str(Path(__file__).parent))  # for gallery_look

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
    "sphinx_gallery.gen_gallery",
]
root_doc = "docs/home"
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
include_patterns = [
    "*.md",
    "docs/*.md",
    "docs/*.rst",
    "docs/api/**.rst",
    "docs/gallery/*.rst",
    "benchmarks/*.md",
    "benchmarks/results/README.md",
    "examples/README.md",
]
exclude_patterns = [
    "docs/gallery/sg_execution_times.rst",
    ".*",
    "build",
    "dist",
    "src",
    "tests",
    "tools",
    "benchmarks/data",
]
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

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "docs/gallery",
    "filename_pattern": r"/plot_",
    "copyfile_regex": r"index\.rst",
    "backreferences_dir": "docs/gallery/backreferences",
    "doc_module": ("nonneg",),
    "reference_url": {"nonneg": None},
    "reset_modules": ("matplotlib", "gallery_look.style_pictures"),
    "minigallery_sort_order": "gallery_look.place",
    "image_srcset": ["2x"],
    "min_reported_time": 1,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "abort_on_example_error": True,
    "download_all_examples": False,
}

html_theme = "pydata_sphinx_theme"
html_title = f"nonneg {release}"
html_favicon = "_static/icon.svg"
html_context = {"default_mode": "auto"}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {
        "text": "nonneg",
        "alt_text": "",
        "image_light": "docs/_static/icon.svg",
        "image_dark": "docs/_static/icon.svg",
    },
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc", "sg_download_links"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
html_sidebars = {"docs/home": []}

LINKS_TO_EXAMPLES = re.compile(r"(?<=\]\()(?:\.\./|)(?:examples/)?(\w+)\.py(?=\))")
HOME = '<!doctype html><meta http-equiv="refresh" content="0; url=docs/home.html">\n'


def lead_home(app: Any, error: Exception | None) -> None:
    """Write the page at the root of the site, which leads to the home page."""
    if error is None and app.builder.format == "html":
        Path(app.outdir, "index.html").write_text(HOME, encoding="utf-8")


def prepare_page(app: Any, docname: str, source: list[str]) -> None:
    """Lead links to files of examples to the gallery, and cut what only doctest needs."""
    examples = Path(app.srcdir, "examples")

    def to_page(match: re.Match[str]) -> str:
        if not (examples / f"{match[1]}.py").exists():
            return match[0]
        return f"{'../' * docname.count('/')}docs/gallery/{match[1]}.rst"

    source[0] = LINKS_TO_EXAMPLES.sub(to_page, source[0])
    # doctest ends an example with an empty line, which would be shown
    source[0] = source[0].replace("\n\n```\n", "\n```\n")


def skip_inherited(
    app: Any, kind: str, name: str, member: Any, skip: bool, options: Any
) -> bool | None:
    """Leave out the methods that scikit-learn documents, with links into its pages."""
    theirs = str(getattr(member, "__module__", "")).startswith("sklearn.")
    return True if theirs else None


def setup(app: Any) -> None:
    """Connect what is done beside Sphinx's own work."""
    app.connect("source-read", prepare_page)
    app.connect("autodoc-skip-member", skip_inherited)
    app.connect("build-finished", lead_home)
