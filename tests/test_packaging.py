"""What is written down twice about the package is the same in both places."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch

import alignscope
from house import ROOT

WHOLE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT, BUILD = WHOLE["project"], WHOLE["build-system"]


def test_the_conda_recipe_has_the_dependencies_of_the_package() -> None:
    recipe = (ROOT / "conda" / "meta.yaml").read_text(encoding="utf-8")
    run = recipe[recipe.index("  run:") : recipe.index("\ntest:")]
    listed = [line.strip("- ").replace(" ", "") for line in run.splitlines()[1:] if line.strip()]
    assert listed == [f"python{PROJECT['requires-python']}", *PROJECT["dependencies"]]
    assert f'version: "{alignscope.__version__}"' in recipe
    for script, target in PROJECT["scripts"].items():
        assert f"- {script} = {target}\n" in recipe


def test_the_conda_recipe_says_what_the_package_says() -> None:
    recipe = (ROOT / "conda" / "meta.yaml").read_text(encoding="utf-8")
    for field in (
        f"name: {PROJECT['name']}",
        f"summary: {PROJECT['description']}",
        f"license: {PROJECT['license']}",
        f"license_file: {PROJECT['license-files'][0]}",
    ):
        assert re.search(rf"^  {re.escape(field)}$", recipe, re.M), field
    host = recipe[recipe.index("  host:") : recipe.index("  run:")]
    listed = [line.strip("- ").replace(" ", "") for line in host.splitlines()[1:] if line.strip()]
    assert listed == [f"python{PROJECT['requires-python']}", "pip", *BUILD["requires"]]


def test_the_image_installs_what_there_is() -> None:
    """Its Python is one that the package allows, its extra exists, and nothing that the build reads is left out."""
    image = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    version = re.search(r"^FROM python:3\.(\d+)-slim$", image, re.M)
    assert version and int(version[1]) >= int(PROJECT["requires-python"].removeprefix(">=3."))
    assert set(re.findall(r'EXTRAS="\[(\w+)\]"', image)) <= PROJECT["optional-dependencies"].keys()
    assert re.search(r'^ENTRYPOINT \["(\w+)"\]$', image, re.M)[1] in PROJECT["scripts"]  # type: ignore[index]
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    read = ["pyproject.toml", "constraints.txt", "src", PROJECT["readme"], *PROJECT["license-files"]]
    assert not [name for name in read for pattern in ignored if fnmatch(name, pattern)]
    assert all((ROOT / name).exists() for name in read)


def test_the_citation_is_of_this_version() -> None:
    assert re.search(rf"^version: {re.escape(alignscope.__version__)}$", (ROOT / "CITATION.cff").read_text(), re.M)
    assert f"version = {{{alignscope.__version__}}}" in (ROOT / "docs" / "project.md").read_text()
