"""The rooms of the house as data, and the imports between them as they stand in the sources.

`python tests/house.py` writes the table of CONTRIBUTING.md anew.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "alignscope"
PAGE = ROOT / "CONTRIBUTING.md"

ROOMS = {
    "errors": "the family of errors and their codes",
    "_lib": "types, threads, files written whole, TOML, checks of options, locks, processes, progress",
    "report": "the kit of every page: one shell, one look, one writer of numbers, parts and panels",
    "pair": "what goes in: readers of every format, labels, ids, folds, `Pair`",
    "moments": "centred second moments, mergeable, and the one pass over rows that collects them",
    "measures": "how aligned two representations are, and what one of them retains",
    "linear": "the exact theory on moments, what is detectable, held-out figures and intervals, regimes of information",
    "datasets": "generators with known truth (factors, trifeature), and the archive TreeSatAI-Time-Series",
    "nn": "torch: encoders, objectives, methods that preserve, budget and monitor",
    "sweep": "the engine of study and bench: cells in files of their own, executors, interruption and resumption",
    "joining": "tables of samples joined by their ids",
    "scenes": "chips cut from co-registered rasters",
    "sampling": "rasters sampled at the points of a table",
    "auditing": "the audit: options, results, findings, estimator, page",
    "selecting": "many embeddings: each alone, every two, and one after the other, and their page",
    "comparing": "one representation before and after: what was lost and won, and its page",
    "similarities": "how alike every two layers are, and their page",
    "study": "trainings over lambda, latent size, scaling and seed: specification, data, training, summary, page",
    "bench": "all methods trained alike on data with known truth: tasks, entries, cells, ranking, page",
    "paper": "the paper's claims as one table of checks, and its page",
    "diffing": "two finished runs, figure by figure, and its page",
    "tour": "the first run: an audit, the paper's linear theory and a small study, and the index of their pages",
    "cli": "the command line, one file per command",
}
"""Every room of the package, the lowest first: a room imports from those above it in this table only."""


@dataclass(frozen=True)
class Import:
    """One import of a module of ours: where it stands, what it names, and whether it is made within a function."""

    importer: str
    module: str
    line: int
    inside: bool
    has_reason: bool


def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name without "alignscope."; packages by theirs."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix("__init__").rstrip(".")
        found[name] = path
    return found


def imports(known: Mapping[str, Path] | None = None) -> Iterator[Import]:
    """Yield the imports between modules of the package, those in functions and under TYPE_CHECKING included."""
    known = modules() if known is None else known
    for name, path in known.items():
        text = path.read_text(encoding="utf-8")
        lines, tree = ["", *text.splitlines()], ast.parse(text)
        functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
        inner = {id(n) for f in functions for n in ast.walk(f)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("alignscope"):
                continue
            base = (node.module or "").removeprefix("alignscope").lstrip(".")
            reason = _has_reason(lines, node.lineno)
            for alias in node.names:
                full = f"{base}.{alias.name}".lstrip(".")
                yield Import(name, full if full in known else base, node.lineno, id(node) in inner, reason)


def _has_reason(lines: list[str], number: int) -> bool:
    """Return whether a comment stands at an import or above the block of imports that it belongs to."""
    indent = len(lines[number]) - len(lines[number].lstrip())
    while number > 0:
        line = lines[number]
        if "#" in line:
            return True
        if not line[indent:].startswith(("from ", "import ", "    ", ")")):
            return False
        number -= 1
    return False


def room(module: str) -> str:
    """Return the room of a module; "" for the package itself."""
    return module.split(".")[0]


def rooms_used() -> dict[str, set[str]]:
    """Return, for every room, the rooms that it imports from."""
    used: dict[str, set[str]] = {name: set() for name in ROOMS}
    for found in imports():
        if found.importer and room(found.importer) != room(found.module):
            used[room(found.importer)].add(room(found.module) or "alignscope")
    return used


def circles(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected parts of more than one node (Tarjan's algorithm)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = low[node] = len(order)
        stack.append(node)
        for other in edges.get(node, ()):
            if other not in order:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], order[other])
        if low[node] == order[node]:
            part = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(part) > 1:
                found.append(sorted(part))

    for node in edges:
        if node not in order:
            visit(node)
    return found


def table() -> str:
    """Return the table of rooms for CONTRIBUTING.md, what they import read off the sources."""
    used = rooms_used()
    lines = ["| package | holds | imports |", "|---|---|---|"]
    for name, holds in ROOMS.items():
        below = [f"`{other}`" for other in ROOMS if other in used[name]]
        lines.append(f"| `{name}` | {holds} | {', '.join(below) or 'nothing of ours'} |")
    return "\n".join(lines)


def with_table(text: str) -> str:
    """Return the text of CONTRIBUTING.md with the table as it should be."""
    start, end = text.index("| package |"), text.index("\n\n", text.index("| package |"))
    return text[:start] + table() + text[end:]


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
