"""The examples of docstrings run, and every public package and name is shown in one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from _api import FACES, exports
from house import modules

WITH_EXAMPLES = sorted(
    f"alignscope.{name}".rstrip(".") for name, path in modules().items() if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shared = {"np": np, "torch": torch}  # docstrings do not repeat how these are imported
    failed, attempted = doctest.testmod(importlib.import_module(name), extraglobs=shared, optionflags=doctest.ELLIPSIS)
    assert failed == 0
    assert attempted > 0


def examples() -> str:
    """Code, comments and output of every example."""
    parse = doctest.DocTestParser().get_examples
    texts = [inspect.getdoc(importlib.import_module(face)) or "" for face in FACES]
    texts += [path.read_text(encoding="utf-8") for path in modules().values()]
    return "".join(example.source + example.want for text in texts for example in parse(text))


EXAMPLES = examples()


@pytest.mark.parametrize("face", FACES)
def test_every_public_name_is_in_an_example_or_in_what_its_package_says(face: str) -> None:
    text = EXAMPLES + (inspect.getdoc(importlib.import_module(face)) or "")
    assert [name for name in exports(face) if not re.search(rf"\b{name}\b", text)] == []
