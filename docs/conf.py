"""How Sphinx builds the site: `.ci/run docs`, or `sphinx-build -W docs build/docs`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE)]

from docstrings import listed, names_of  # noqa: E402
from generated import filled  # noqa: E402

import sap_rl  # noqa: E402

project = "sap_rl"
author = "the sap_rl authors"
copyright = f"2026, {author}"
version = release = sap_rl.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc"]
default_role = "code"
exclude_patterns = ["conf.py"]
html_theme = "furo"
html_title = f"sap_rl {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = False
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
maximum_signature_line_length = 88
autodoc_member_order = "bysource"
autodoc_class_signature = "separated"

PAGES = {
    "../CONTRIBUTING.md": "contributing.md",
    "../CHANGELOG.md": "changelog.md",
    "../benchmarks/README.md": "benchmarks.md",
}
"""Files outside of this folder that a page here includes: links to them lead there."""


def fill(app: Any, name: str, source: list[str]) -> None:
    """Put generated parts into a page, and lead its links to pages of the site."""
    text = filled(source[0])
    for outside, page in PAGES.items():
        text = text.replace(f"]({outside}", f"]({page}")
    source[0] = text


def write_lists(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Turn what a docstring says of arguments into a list."""
    lines[:] = listed(lines, names_of(thing))


def shorten(
    app: Any, what: str, name: str, thing: Any, options: Any, signature: str | None, returns: Any
) -> tuple[str | None, Any]:
    """Leave out signatures that a table of options says better."""
    long = signature is not None and "Annotated[" in signature
    return ("(...)" if long else signature), returns


def setup(app: Any) -> None:
    app.connect("source-read", fill)
    app.connect("autodoc-process-docstring", write_lists)
    app.connect("autodoc-process-signature", shorten)
