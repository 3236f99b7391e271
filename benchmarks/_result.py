"""What a benchmark returns, how it is written down, and the tools to measure with."""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import scipy

__all__ = ["Claim", "Result", "Table", "in_turn", "machine", "median", "peak_memory", "seconds", "write"]


@dataclass(frozen=True)
class Claim:
    """A promise beside what was measured; `kept` is None where the run was too small to tell."""

    promise: str
    measured: str
    kept: bool | None


@dataclass(frozen=True)
class Table:
    """One more table of what was measured, under a heading of its own."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | float]]


@dataclass(frozen=True)
class Result:
    """One benchmark: what was done, what was measured in one table or more, and the promises that it bears on."""

    name: str
    title: str
    setting: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | float]]
    claims: Sequence[Claim]
    notes: Sequence[str] = ()
    tables: Sequence[Table] = ()


def seconds(work: Callable[[], Any]) -> float:
    """Return the wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turn(works: Sequence[Callable[[], Any]], repeats: int) -> list[list[float]]:
    """Time several pieces of work alternately, so that a busy moment falls on all; one list of times a piece."""
    times = [[seconds(work) for work in works] for _ in range(repeats)]
    return [list(t) for t in zip(*times, strict=True)]


def peak_memory() -> float:
    """Return the most memory that this process has held so far, in MB."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8").split()
        # getrusage would count what the process that started this one held at that moment.
        return int(status[status.index("VmHWM:") + 1]) * 1024 / 1e6
    except (OSError, ValueError):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def machine() -> dict[str, str | int]:
    """Describe the machine in words, without its name."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "processor": _processor(),
        "cores": cores,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "blas": f"{blas['name']} {blas['version']}",
        "busy": f"{os.getloadavg()[0]:.1f} processes were running on average in the minute before it ended",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def write(result: Result, folder: Path, quick: bool) -> None:
    """Write a result to NAME.json and NAME.md in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    about = machine()
    record = {**asdict(result), "quick": quick, "machine": about}
    (folder / f"{result.name}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (folder / f"{result.name}.md").write_text(markdown(result, about, quick), encoding="utf-8")


def markdown(result: Result, about: dict[str, str | int], quick: bool) -> str:
    """Return a result as a section of Markdown."""
    lines = [f"## {result.title}", "", result.setting, ""]
    if quick:
        lines += ["**A quick run on tiny sizes: it shows that the benchmark works, not what it measures.**", ""]
    lines += _table(result.columns, result.rows)
    for table in result.tables:
        lines += [f"### {table.title}", "", *_table(table.columns, table.rows)]
    if result.claims:
        kept = {True: "yes", False: "**no**", None: "not told at this size"}
        lines += _table(["promise", "measured", "kept"], [[c.promise, c.measured, kept[c.kept]] for c in result.claims])
    lines += [f"- {note}" for note in result.notes]
    lines += ["", f"{about['cores']} cores ({about['processor']}), {about['system']}, Python {about['python']}, "]
    lines[-1] += f"numpy {about['numpy']}, scipy {about['scipy']}, {about['blas']}; {about['busy']}."
    return "\n".join(lines) + "\n"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str | float]]) -> list[str]:
    cells = [[f"{c:.3g}" if isinstance(c, float) else str(c) for c in row] for row in rows]
    return [
        "| " + " | ".join(columns) + " |",
        "|" + "---|" * len(columns),
        *("| " + " | ".join(row) + " |" for row in cells),
        "",
    ]
