"""Writes the parts of the reference that come from the code: codes, command line, Python names, tables, benchmarks.

Each function returns Markdown; `write_all` puts them where the pages include them.
"""

from __future__ import annotations

import tempfile
import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path

import _alignable
import _api
import _audit_guide
import _audits
import _bench_guide
import _bench_results
import _cli
import _examples
import _satellite_results
import _study_results
import _tables
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
    "E9": "Faults and memory",
    "AS1": "The data",
    "AS2": "Which modality predicts what",
    "AS3": "What alignment costs",
    "AS4": "What to do",
    "AS5": "The published theorem",
    "AS6": "Align or predict",
    "AS9": "What could not be checked",
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
    "python_api": _api.index,
    "benchmarks": benchmarks,
    "counterexamples": _tables.counterexamples,
    "in_sample_bias": _tables.in_sample_bias,
    "theorem2_trial": _tables.theorem2_trial,
    "remedies": _tables.remedy_table,
    "regime_rivals": _tables.regime_rivals,
    "study_retention": _study_results.retention,
    "study_retention_raw": partial(_study_results.retention, gauge="raw"),
    "study_by_length": _study_results.by_length,
    "study_fall": _study_results.fall,
    "study_agreement": _study_results.agreement,
    "study_rules": _study_results.rules,
    "study_capacity": _study_results.capacity,
    **_alignable.PAGES,
    "supervised_forecast": partial(_alignable.benchmark, "supervised_forecast", intervals=True),
    "supervised_held_out": partial(_alignable.benchmark, "supervised_forecast", 1, intervals=True),
    "many_embeddings": partial(_alignable.benchmark, "many_embeddings"),
    "before_and_after": partial(_alignable.benchmark, "before_and_after"),
    "three_modalities": partial(_alignable.benchmark, "three_modalities"),
    "three_modalities_kinds": partial(_alignable.benchmark, "three_modalities", 0),
    "many_embeddings_cost": partial(_alignable.benchmark, "many_embeddings", 0),
    **_audit_guide.PAGES,
    **_audits.PAGES,
    **_bench_guide.PAGES,
    **_bench_results.PAGES,
    **_satellite_results.PAGES,
}


def write_all(folder: Path) -> None:
    """Write every generated part into a folder; files that would not change are left alone."""
    (folder / "api").mkdir(parents=True, exist_ok=True)
    parts = {name: make() for name, make in PAGES.items()} | {
        f"api/{face}": text for face, text in _api.pages().items()
    }
    for name, text in parts.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    _audit_guide.figures(folder / "audit")
    _examples.figures(folder)
    _study_results.figures("study-paper", folder / "study")
    _alignable.figures(folder / "alignable")
    _bench_results.figures(folder / "bench")
    _satellite_results.figures(folder / "satellite")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        write_all(Path(scratch))
        for written in sorted(Path(scratch).iterdir()):
            print(f"===== {written.name}\n{written.read_text(encoding='utf-8')}")
