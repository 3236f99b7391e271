"""What is written down twice about the package is the same in both places."""

from __future__ import annotations

import re
import tomllib

import alignscope
from house import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_conda_recipe_has_the_dependencies_of_the_package() -> None:
    recipe = (ROOT / "conda" / "meta.yaml").read_text(encoding="utf-8")
    run = recipe[recipe.index("  run:") : recipe.index("\ntest:")]
    listed = [line.strip("- ").replace(" ", "") for line in run.splitlines()[1:] if line.strip()]
    assert listed == [f"python{PROJECT['requires-python']}", *PROJECT["dependencies"]]
    assert f'version: "{alignscope.__version__}"' in recipe
    for script, target in PROJECT["scripts"].items():
        assert f"- {script} = {target}\n" in recipe


def test_the_citation_is_of_this_version() -> None:
    assert re.search(rf"^version: {re.escape(alignscope.__version__)}$", (ROOT / "CITATION.cff").read_text(), re.M)
    assert f"version = {{{alignscope.__version__}}}" in (ROOT / "docs" / "project.md").read_text()
