"""Sphinx settings. The reference pages are written from the code by `_generate.py` before each build."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import _docstrings  # noqa: E402
import _generate  # noqa: E402
import alignscope  # noqa: E402

project = "alignscope"
author = "The alignscope developers"
project_copyright = "2026, The alignscope developers"
version = release = alignscope.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "_math", "sphinx_gallery.gen_gallery"]
exclude_patterns = [
    "_build",
    "generated/*.md",
    "generated/audit",
    "generated/cells",
    "generated/matrix",
    "generated/compare",
    "generated/study",
    "generated/bench",
    "generated/satellite",
    "study_running.md",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
smartquotes = False  # options start with two dashes
default_role = "code"

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"\.py$",
    "abort_on_example_error": True,
    "run_stale_examples": True,
    "image_scrapers": (),
    "capture_repr": (),
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
    "remove_config_comments": True,
}
# Sphinx cannot pickle the gallery's settings, and says so on every build.
suppress_warnings = ["config.cache"]

html_math_renderer = "mathml"
html_theme = "furo"
html_title = f"alignscope {release}"
html_logo = "_static/logo.svg"
html_favicon = "_static/logo.svg"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_copy_source = False


def setup(app):
    """Write the generated pages, and let docstrings be read as the plain text that they are."""
    _generate.write_all(HERE / "generated")
    app.connect("autodoc-process-docstring", _docstrings.process)
