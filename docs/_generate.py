"""Writes the parts of the reference that come from the code: codes, command line, Python names, tables, benchmarks.

Each function returns Markdown; `write_all` puts them where the pages include them.
"""

from __future__ import annotations

import importlib
import pkgutil
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import _bench_guide
import _bench_results
import _cli
import _satellite_results
import _study_results
import _tables
import alignscope
from _error_help import HELP
from alignscope.auditing.codes import CODES as FINDINGS
from alignscope.errors import CODES as ERRORS
from alignscope.errors import AlignscopeError

ROOT = Path(__file__).parent.parent

FAMILIES = {
    "E1": "Files",
    "E2": "Inputs, together",
    "E3": "Options",
    "E4": "Output",
    "E5": "Estimators and workers",
    "AS1": "The data",
    "AS2": "Who knows what",
    "AS3": "What alignment costs",
    "AS4": "What to do",
    "AS5": "The published theorem",
    "AS6": "Align or predict",
    "AS9": "What could not be asked",
}


def error_codes() -> str:
    """One anchored entry for every error code, by family."""
    return by_family({code: entry(code, meaning, HELP[code]) for code, meaning in ERRORS.items()})


def finding_codes() -> str:
    """One anchored entry for every finding code, by family."""
    return by_family(
        {
            code: entry(code, f"{found.title} ({found.severity.replace('_', ' ')})", found.explanation)
            for code, found in FINDINGS.items()
        }
    )


def by_family(entries: dict[str, str]) -> str:
    """Return the entries in the order of their codes, under a heading for each family."""
    parts, family = [], ""
    for code, text in sorted(entries.items()):
        if code[:-2] != family:
            family = code[:-2]
            parts.append(f"### {FAMILIES[family]}\n")
        parts.append(text)
    return "\n".join(parts)


def entry(code: str, title: str, text: str) -> str:
    """Return a heading that links can reach as #CODE in lower case, and the explanation."""
    return f"({code.lower()})=\n#### {code}\n\n**{title.rstrip('.')}.** {text}\n"


def error_example() -> str:
    """Show a real message."""
    from alignscope.pair.paired import Pair

    try:
        Pair.of([[1.0], [2.0], [3.0]], [[1.0], [2.0], [4.0]], ids1=["a", "b", "c"], ids2=["a", "c", "b"])
    except AlignscopeError as error:
        return f"```text\n{textwrap.fill(str(error), 84)}\n```\n"
    raise AssertionError("ids that differ were accepted")


def public_modules() -> Iterator[ModuleType]:
    """Yield the public modules. Packages only pass on names of their modules; the command line has its own page."""
    for found in pkgutil.walk_packages(alignscope.__path__, "alignscope."):
        if not any(part.startswith("_") for part in found.name.split(".")):
            module = importlib.import_module(found.name)
            if getattr(module, "__all__", None) and not found.ispkg and not found.name.startswith("alignscope.cli"):
                yield module


def python_api() -> str:
    """The public face as a table, then every public module through autodoc."""
    modules = list(public_modules())
    rows = []
    for name in getattr(alignscope, "__all__", []):
        if name.startswith("__"):
            continue
        item = getattr(alignscope, name)
        home = getattr(item, "__module__", "alignscope")
        summary = (getattr(item, "__doc__", "") or "").strip().splitlines()[0]
        rows.append([f"[`alignscope.{name}`](#{home}.{name})", summary])
    parts = [_tables.table(["name", "what it is"], rows), "\n## Modules\n"]
    block = "### {0}\n\n```{{eval-rst}}\n.. automodule:: {0}\n   :members:\n```\n"
    parts += [block.format(module.__name__) for module in modules]
    return "\n".join(parts)


def benchmarks() -> str:
    """All results that were written to benchmarks/results/, one after another."""
    results = sorted((ROOT / "benchmarks" / "results").glob("*.md"))
    if not results:
        return "No results have been written yet.\n"
    return "\n\n".join(path.read_text(encoding="utf-8") for path in results)


PAGES: dict[str, Callable[[], str]] = {
    "error_codes": error_codes,
    "error_example": error_example,
    "finding_codes": finding_codes,
    "cli": _cli.reference,
    "python_api": python_api,
    "benchmarks": benchmarks,
    "counterexamples": _tables.counterexamples,
    "in_sample_bias": _tables.in_sample_bias,
    "theorem2_trial": _tables.theorem2_trial,
    "remedies": _tables.remedy_table,
    "study_retention": _study_results.retention,
    "study_retention_raw": partial(_study_results.retention, gauge="raw"),
    "study_by_length": _study_results.by_length,
    "study_fall": _study_results.fall,
    "study_agreement": _study_results.agreement,
    "study_capacity": _study_results.capacity,
    **_bench_guide.PAGES,
    **_bench_results.PAGES,
    **_satellite_results.PAGES,
}


def write_all(folder: Path) -> None:
    """Write every generated part into a folder; files that would not change are left alone."""
    folder.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        path, text = folder / f"{name}.md", make()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    _study_results.figures("study-paper", folder / "study")
    _bench_results.figures(folder / "bench")
    _satellite_results.figures(folder / "satellite")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        write_all(Path(scratch))
        for written in sorted(Path(scratch).iterdir()):
            print(f"===== {written.name}\n{written.read_text(encoding='utf-8')}")
