"""The Python reference, made from the public faces: a page for every package, with all that it exports."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import _docstrings
from _tables import table

FACES = (
    "alignscope",
    "alignscope.auditing",
    "alignscope.pair",
    "alignscope.joining",
    "alignscope.measures",
    "alignscope.linear",
    "alignscope.linear.regimes",
    "alignscope.moments",
    "alignscope.study",
    "alignscope.bench",
    "alignscope.paper",
    "alignscope.nn",
    "alignscope.nn.objectives",
    "alignscope.nn.methods",
    "alignscope.nn.encoders",
    "alignscope.nn.monitor",
    "alignscope.datasets",
    "alignscope.datasets.trifeature",
    "alignscope.datasets.treesatai",
    "alignscope.scenes",
)
"""The packages that users may import from: what they export is public, and nothing else is."""


def exports(face: str) -> dict[str, object]:
    """Return what a face exports, by name."""
    module = importlib.import_module(face)
    return {name: getattr(module, name) for name in module.__all__ if not name.startswith("__")}


def homes() -> dict[str, str]:
    """Return, for every public name, the face that documents it: the most special one that exports it.

    Keys are "face.name" for each export, values the same of the page that holds its documentation.
    """
    found: dict[tuple[str, int], str] = {}
    for face in sorted(FACES, key=lambda name: -name.count(".")):
        for name, value in exports(face).items():
            found.setdefault((name, id(value)), f"{face}.{name}")
    return {f"{face}.{name}": found[name, id(value)] for face in FACES for name, value in exports(face).items()}


def index() -> str:
    """Return the table of the packages, and the tree of their pages."""
    rows = [[f"[`{face}`](generated/api/{face}.md)", summary(importlib.import_module(face))] for face in FACES]
    pages = "\n".join(f"generated/api/{face}" for face in FACES)
    return f"{table(['package', 'what it holds'], rows)}\n```{{toctree}}\n:hidden:\n\n{pages}\n```\n"


def pages() -> dict[str, str]:
    """Return the page of every package by its name."""
    at = homes()
    return {face: page(face, at) for face in FACES}


def page(face: str, at: dict[str, str]) -> str:
    """Return what a package is, its names as a table, and the documentation of those that have it here."""
    names = exports(face)
    links = []
    for name, value in names.items():
        links.append([f"{{py:obj}}`{name} <{at[f'{face}.{name}']}>`", summary(value, face, name)])
    parts = [f"# {face}\n", directive("automodule", face, members=False), table(["name", "what it is"], links)]
    for name, value in names.items():
        if at[f"{face}.{name}"] == f"{face}.{name}":
            parts += [f"## {name}\n", documented(face, name, value)]
    return "\n".join(parts)


def documented(face: str, name: str, value: object) -> str:
    """Return the documentation of one name: through autodoc, or for a constant from the text below it."""
    if inspect.isclass(value):
        return directive("autoclass", f"{face}.{name}", members=True)
    if callable(value):
        return directive("autofunction", f"{face}.{name}", members=False)
    text = "\n".join(f"   {line}" for line in _docstrings.convert(constant_text(face, name).splitlines()))
    return f"```{{eval-rst}}\n.. py:data:: {face}.{name}\n\n{text}\n```\n"


def directive(kind: str, target: str, *, members: bool) -> str:
    """Return a directive of autodoc within Markdown."""
    return f"```{{eval-rst}}\n.. {kind}:: {target}\n{'   :members:' if members else ''}\n```\n"


def summary(value: object, face: str = "", name: str = "") -> str:
    """Return the first line of what documents a module, a class, a function or a constant."""
    plain = not isinstance(value, ModuleType) and not callable(value)
    text = constant_text(face, name) if plain else inspect.getdoc(value) or ""
    return text.strip().splitlines()[0].replace("*", "\\*") if text else ""


def constant_text(face: str, name: str) -> str:
    """Return the text that stands below a constant where it is defined."""
    return next(followed(importlib.import_module(face), name), "")


def followed(module: ModuleType, name: str) -> Iterator[str]:
    """Yield the text below the assignment of a name in a module, or in the one that it comes from."""
    body = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8")).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.ImportFrom) and name in {alias.name for alias in node.names}:
            yield from followed(importlib.import_module(node.module or ""), name)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if name in {getattr(target, "id", None) for target in targets} and isinstance(after, ast.Expr):
            yield inspect.cleandoc(ast.literal_eval(after.value))
